/** One version of one stored object: decoded once, encoded at most once per content type, shared by all readers. */
import type { JsonObject } from '#api/json.ts';
import type { KubeObject } from '#api/meta.ts';

/**
 * `object` is shared: never change it, copy first ({@link copyOf}).
 * `revision` is its resourceVersion (for a deletion's last state: the revision of the deletion).
 */
export class CachedObject {
  readonly key: string;
  readonly revision: number;
  readonly object: KubeObject;
  #derived: Map<string, unknown> | undefined;

  constructor(key: string, revision: number, object: KubeObject) {
    this.key = key;
    this.revision = revision;
    this.object = object;
  }

  /** What `make` returned the first time it was asked for under this name: encoded bytes, field sets, other views. */
  derived<T>(name: string, make: () => T): T {
    this.#derived ??= new Map();
    const known = this.#derived.get(name);
    if (known !== undefined) return known as T;
    const made = make();
    this.#derived.set(name, made);
    return made;
  }

  get namespace(): string {
    return this.object.metadata.namespace ?? '';
  }

  /** The same state under another revision: what watchers are told when it is deleted. */
  at(revision: number): CachedObject {
    const { object } = this;
    return new CachedObject(this.key, revision, {
      ...object,
      metadata: { ...object.metadata, resourceVersion: String(revision) },
    });
  }
}

/** A deep copy that may be changed. */
export function copyOf<T extends KubeObject | JsonObject>(object: T): T {
  return structuredClone(object);
}
