/** Shared informers: one list and watch per resource, however many controllers look at it; started when first asked for. */

import type { Logger } from 'pino';
import type { KubeObject, WatchEvent } from '#api/meta.ts';
import type { Resource, ResourceId, ResourceTypes } from '#api/resources.ts';
import { untilAborted } from '#client/until-aborted.ts';
import type { Client, ListOptions, ResourceClient } from './client.ts';
import type { Clock } from './clock.ts';
import type { Caches } from './controller.ts';
import type { Cache, Informer, InformerHandler } from './informer.ts';
import type { CacheChange } from './informer-cache.ts';
import { InformerCache } from './informer-cache.ts';
import { runReflector } from './reflector.ts';

/** The dependencies of informers. */
export interface InformersDeps {
  client: Client;
  clock: Clock;
  log: Logger;
  /** In [0, 1). Default Math.random. */
  random?: () => number;
}

/** The selection of objects per resource. Absent: all objects. */
export type InformerSelections = { [Id in ResourceId]?: InformerSelection };
type InformerSelection = Pick<ListOptions, 'namespace' | 'labelSelector' | 'fieldSelector'>;

/** The informers of one process. */
export interface Informers extends Caches {
  /** The informer of a built-in resource; asking for it makes sure that it runs. */
  informer<Id extends ResourceId>(id: Id): Informer<ResourceTypes[Id]>;
  /** The same for a row of a catalog; what is built in shares its informer with {@link informer}. */
  informerOf(resource: Resource): Informer<KubeObject>;
  /** Ends the informer of a resource that is not served any more; its cache is forgotten. */
  stop(resource: Pick<Resource, 'id'>): void;
  /** The informer's cache; asking for it makes sure that the informer runs. */
  cache<Id extends ResourceId>(id: Id): Cache<ResourceTypes[Id]>;
  /** Resolves once every informer asked for so far holds its first full list; rejects when `signal` aborts before. */
  untilSynced(signal: AbortSignal): Promise<void>;
  /** Runs all informers, also those asked for later. Settles after they have, when `signal` aborts. Call it once. */
  run(signal: AbortSignal): Promise<void>;
}

/** @param selections what part of a resource is watched, where that is not all of it */
export function createInformers(deps: InformersDeps, selections: InformerSelections = {}): Informers {
  const informers = new Map<string, SharedInformer<KubeObject>>();
  const running: Promise<void>[] = [];
  let runSignal: AbortSignal | undefined;

  const start = (informer: SharedInformer<KubeObject>, signal: AbortSignal): void => {
    running.push(informer.run(signal));
  };
  const shared = (id: string, client: () => ResourceClient<KubeObject>): SharedInformer<KubeObject> => {
    let found = informers.get(id);
    if (found === undefined) {
      const selection = (selections as Record<string, InformerSelection | undefined>)[id];
      found = new SharedInformer<KubeObject>(id, client(), deps, selection ?? {});
      informers.set(id, found);
      if (runSignal !== undefined) start(found, runSignal);
    }
    return found;
  };
  const informer = <Id extends ResourceId>(id: Id): SharedInformer<ResourceTypes[Id]> =>
    shared(id, () => deps.client.resource(id) as never) as unknown as SharedInformer<ResourceTypes[Id]>;
  const informerOf = (resource: Resource): SharedInformer<KubeObject> => shared(resource.id, () => deps.client.of(resource));

  return {
    informer,
    informerOf,
    cache: (id) => informer(id).cache,
    cacheOf: (resource) => informerOf(resource).cache,
    stop({ id }) {
      informers.get(id)?.stop();
      informers.delete(id);
    },
    async untilSynced(signal) {
      await Promise.all([...informers.values()].map((one) => one.untilSynced(signal)));
    },
    async run(signal) {
      if (runSignal !== undefined) throw new Error('informers: run() was called twice');
      runSignal = signal;
      for (const one of informers.values()) start(one, signal);
      await untilAborted(signal);
      await Promise.all(running);
    },
  };
}

function identityProblem(object: unknown): string | undefined {
  const metadata = (object as Partial<KubeObject> | null | undefined)?.metadata;
  if (typeof metadata !== 'object' || metadata === null) return 'it has no metadata';
  const { name, namespace, ownerReferences, resourceVersion } = metadata as Partial<KubeObject['metadata']>;
  if (typeof name !== 'string' || name === '') return 'it has no name';
  if (namespace !== undefined && typeof namespace !== 'string') return `${name}: its namespace is no text`;
  if (typeof resourceVersion !== 'string') return `${name}: it has no resourceVersion`;
  const owners: unknown = ownerReferences ?? [];
  const isList = Array.isArray(owners) && owners.every((owner) => typeof owner === 'object' && owner !== null);
  return isList ? undefined : `${name}: its owners cannot be read`;
}

class SharedInformer<T extends KubeObject> implements Informer<T> {
  readonly #id: string;
  readonly #client: ResourceClient<T>;
  readonly #deps: InformersDeps;
  readonly #selection: InformerSelection;
  readonly #stopped = new AbortController();
  readonly #cache = new InformerCache<T>();
  readonly #handlers = new Set<InformerHandler<T>>();
  readonly #syncWaiters = new Set<() => void>();
  #synced = false;

  constructor(id: string, client: ResourceClient<T>, deps: InformersDeps, selection: InformerSelection) {
    this.#id = id;
    this.#client = client;
    this.#deps = deps;
    this.#selection = selection;
  }

  get cache(): Cache<T> {
    return this.#cache;
  }

  get synced(): boolean {
    return this.#synced;
  }

  untilSynced(signal: AbortSignal): Promise<void> {
    if (this.#synced) return Promise.resolve();
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      const abort = (): void => {
        this.#syncWaiters.delete(ready);
        reject(signal.reason);
      };
      const ready = (): void => {
        signal.removeEventListener('abort', abort);
        resolve();
      };
      this.#syncWaiters.add(ready);
      signal.addEventListener('abort', abort, { once: true });
    });
  }

  subscribe(handler: InformerHandler<T>): () => void {
    this.#handlers.add(handler);
    for (const object of this.#cache.list()) this.#call(handler, { kind: 'added', object });
    return () => {
      this.#handlers.delete(handler);
    };
  }

  run(signal: AbortSignal): Promise<void> {
    const { clock, log, random = Math.random } = this.#deps;
    return runReflector<T>(
      { resource: this.#id, client: this.#client, clock, random, log, selection: this.#selection },
      { replace: (objects) => this.#replace(objects), apply: (event) => this.#apply(event) },
      AbortSignal.any([signal, this.#stopped.signal]),
    );
  }

  /** Ends the informer. Callers that wait for its first list go on. */
  stop(): void {
    this.#stopped.abort();
    this.#handlers.clear();
    this.#releaseWaiters();
  }

  #releaseWaiters(): void {
    for (const ready of this.#syncWaiters) ready();
    this.#syncWaiters.clear();
  }

  #replace(objects: T[]): void {
    const changes = this.#cache.replace(objects.filter((object) => this.#isIdentified(object)));
    this.#synced = true;
    this.#tell(changes);
    this.#releaseWaiters();
  }

  #apply(event: Exclude<WatchEvent<T>, { type: 'BOOKMARK' }>): void {
    if (!this.#isIdentified(event.object)) return;
    this.#tell(event.type === 'DELETED' ? this.#cache.remove(event.object) : this.#cache.put(event.object));
  }

  /** An object without a name or with unreadable owners cannot be cached. It is left out: an error would end the watch, and the next one would meet the object again. */
  #isIdentified(object: T): boolean {
    const why = identityProblem(object);
    if (why !== undefined) this.#deps.log.error({ resource: this.#id, why }, 'an object from the API is left out');
    return why === undefined;
  }

  #tell(changes: readonly CacheChange<T>[]): void {
    for (const change of changes) for (const handler of this.#handlers) this.#call(handler, change);
  }

  #call(handler: InformerHandler<T>, change: CacheChange<T>): void {
    try {
      if (change.kind === 'updated') handler.updated?.(change.object, change.previous);
      else if (change.kind === 'added') handler.added?.(change.object);
      else handler.deleted?.(change.object);
    } catch (error) {
      // One handler's defect must not keep the change from the others, nor stop the watch.
      this.#deps.log.error({ resource: this.#id, err: error }, 'an informer handler failed');
    }
  }
}
