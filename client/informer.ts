/** A local, always-current copy of one resource, and the events of its changes. */
import type { KubeObject } from '#api/meta.ts';
import type { ObjectMeta } from '#api/types.generated.ts';

/** Reads of an informer's cache. Objects are shared: never change one. */
export interface Cache<T extends KubeObject> {
  /** By `namespace/name` (or `name`). */
  get(key: string): T | undefined;
  /** All objects, or those of a namespace, in no order; the array is the caller's own. */
  list(namespace?: string): T[];
  /** Objects whose controlling owner is `owner`, by UID. */
  ownedBy(owner: { metadata: ObjectMeta }): T[];
  /** Pods that are bound to a node (upstream's index `spec.nodeName`). Empty for other kinds. */
  onNode(name: string): T[];
}

/** Called for each change after the cache was updated. An error of a handler is logged and does not stop other handlers. */
export interface InformerHandler<T extends KubeObject> {
  added?(object: T): void;
  updated?(object: T, previous: T): void;
  deleted?(object: T): void;
}

/** One shared list and watch of a resource. Source: client-go `tools/cache/shared_informer.go`. */
export interface Informer<T extends KubeObject> {
  readonly cache: Cache<T>;
  /** Whether the first full list is in the cache. */
  readonly synced: boolean;
  /** Resolves once {@link synced}; rejects if `signal` aborts before. */
  untilSynced(signal: AbortSignal): Promise<void>;
  /** Handlers get an `added` for everything already cached; the returned function unsubscribes. */
  subscribe(handler: InformerHandler<T>): () => void;
}
