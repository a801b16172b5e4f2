/** The store of one informer: objects by key, and the indexes by namespace and by controlling owner. */
import type { KubeObject } from '#api/meta.ts';
import { controllerOf, keyOf } from '#api/meta.ts';
import type { Pod } from '#api/types.generated.ts';
import type { Cache } from './informer.ts';

/** The effect of a change on the cache, for handlers. */
export type CacheChange<T extends KubeObject> =
  | { kind: 'added'; object: T }
  | { kind: 'updated'; object: T; previous: T }
  | { kind: 'deleted'; object: T };

/** Only one reflector changes it. Each method that changes it returns the events that the handlers must get. */
export class InformerCache<T extends KubeObject> implements Cache<T> {
  #objects = new Map<string, T>();
  #byNamespace = new Map<string, Map<string, T>>();
  #byOwner = new Map<string, Map<string, T>>();
  #byNode = new Map<string, Map<string, T>>();

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(namespace?: string): T[] {
    return [...((namespace === undefined ? this.#objects : this.#byNamespace.get(namespace))?.values() ?? [])];
  }

  ownedBy(owner: { metadata: { uid?: string | undefined } }): T[] {
    return [...(this.#byOwner.get(owner.metadata.uid ?? '')?.values() ?? [])];
  }

  onNode(name: string): T[] {
    return [...(this.#byNode.get(name)?.values() ?? [])];
  }

  /** Adds or replaces. A repeat of the version already held changes nothing. */
  put(object: T): CacheChange<T>[] {
    const key = keyOf(object);
    const previous = this.#objects.get(key);
    if (previous === undefined) {
      this.#insert(key, object);
      return [{ kind: 'added', object }];
    }
    if (previous.metadata.resourceVersion === object.metadata.resourceVersion) return [];
    this.#drop(key, previous);
    this.#insert(key, object);
    // The object was deleted and created again with the same name, and the watch missed that. Handlers get both changes.
    return previous.metadata.uid === object.metadata.uid
      ? [{ kind: 'updated', object, previous }]
      : [
          { kind: 'deleted', object: previous },
          { kind: 'added', object },
        ];
  }

  remove(object: T): CacheChange<T>[] {
    const key = keyOf(object);
    const previous = this.#objects.get(key);
    if (previous === undefined) return [];
    this.#drop(key, previous);
    // The event carries the last state, which may be newer than the one held.
    return [{ kind: 'deleted', object }];
  }

  /** Swaps in a full list; a reader sees the old content or the new one, never a mixture. */
  replace(objects: readonly T[]): CacheChange<T>[] {
    const changes: CacheChange<T>[] = [];
    const listed = new Set(objects.map((object) => keyOf(object)));
    for (const [key, previous] of this.#objects) {
      if (listed.has(key)) continue;
      this.#drop(key, previous);
      changes.push({ kind: 'deleted', object: previous });
    }
    for (const object of objects) changes.push(...this.put(object));
    return changes;
  }

  #insert(key: string, object: T): void {
    this.#objects.set(key, object);
    for (const [index, value] of this.#indexes(object)) {
      let bucket = index.get(value);
      if (bucket === undefined) index.set(value, (bucket = new Map()));
      bucket.set(key, object);
    }
  }

  #drop(key: string, object: T): void {
    this.#objects.delete(key);
    for (const [index, value] of this.#indexes(object)) {
      const bucket = index.get(value);
      bucket?.delete(key);
      if (bucket?.size === 0) index.delete(value);
    }
  }

  #indexes(object: T): [Map<string, Map<string, T>>, string][] {
    const owner = controllerOf(object);
    const node = nodeOf(object);
    return [
      ...(object.metadata.namespace === undefined
        ? []
        : [[this.#byNamespace, object.metadata.namespace] as [Map<string, Map<string, T>>, string]]),
      ...(owner === undefined ? [] : [[this.#byOwner, owner.uid] as [Map<string, Map<string, T>>, string]]),
      ...(node === undefined ? [] : [[this.#byNode, node] as [Map<string, Map<string, T>>, string]]),
    ];
  }
}

/** The node that a pod is bound to. */
function nodeOf(object: KubeObject): string | undefined {
  if (object.kind !== 'Pod') return undefined;
  const name: unknown = (object as Partial<Pod>).spec?.nodeName;
  return typeof name === 'string' && name !== '' ? name : undefined;
}
