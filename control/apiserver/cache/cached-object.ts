/** One version of one stored object: decoded once, encoded at most once per content type, shared by all readers. */
import { copyJson } from '#api/copy-json.ts';
import type { JsonObject } from '#api/json.ts';
import type { KubeObject } from '#api/meta.ts';
import type { EncodedBytes, Encoding } from './encoded-bytes.ts';
import { isLarge, isLargeText } from './object-size.ts';

/**
 * `object` is shared: never change it, copy first ({@link copyOf}).
 * `revision` is its resourceVersion (for a deletion's last state: the revision of the deletion).
 */
export class CachedObject {
  readonly key: string;
  readonly revision: number;
  readonly object: KubeObject;
  /** Length of the stored value; 0 for an object that is not stored. */
  readonly bytes: number;
  readonly #budget: EncodedBytes | undefined;
  #derived: Map<string, unknown> | undefined;
  #encoded: Map<string, Encoding> | undefined;

  /** An object that has just been written. @param json its JSON without the opening brace, kind and apiVersion, if that was made already */
  static written(key: string, revision: number, object: KubeObject, bytes: number, json: Uint8Array | undefined): CachedObject {
    const written = new CachedObject(key, revision, object, bytes);
    if (json !== undefined) written.#encoded = new Map([['json', { bytes: json, isUsed: true }]]);
    return written;
  }

  /** @param budget keeps encoded forms; without one, each request for a form encodes again */
  constructor(key: string, revision: number, object: KubeObject, bytes = 0, budget?: EncodedBytes) {
    this.key = key;
    this.revision = revision;
    this.object = object;
    this.bytes = bytes;
    this.#budget = budget;
  }

  /** The bytes that `make` returned under this name, as long as they are kept. */
  encoded(name: string, make: () => Uint8Array): Uint8Array {
    const kept = this.#encoded?.get(name);
    if (kept?.bytes !== undefined) {
      kept.isUsed = true;
      return kept.bytes;
    }
    const bytes = make();
    if (this.#budget === undefined) return bytes;
    this.#encoded ??= new Map();
    this.#encoded.set(name, this.#budget.keep(bytes));
    return bytes;
  }

  /** Whether there are bytes under this name. */
  isEncoded(name: string): boolean {
    return this.#encoded?.get(name)?.bytes !== undefined;
  }

  /** A value computed from the object, once under each name: field sets, other views. */
  derived<T>(name: string, make: () => T): T {
    this.#derived ??= new Map();
    const known = this.#derived.get(name);
    if (known !== undefined) return known as T;
    const made = make();
    this.#derived.set(name, made);
    return made;
  }

  /** Whether there is a value under this name ({@link derived}). */
  isDerived(name: string): boolean {
    return this.#derived?.has(name) === true;
  }

  /** Whether it is so large that it is to be read and written in steps. */
  get isLarge(): boolean {
    return this.bytes === 0 ? isLarge(this.object) : isLargeText(this.bytes);
  }

  get namespace(): string {
    return this.object.metadata.namespace ?? '';
  }

  /** The same state under another revision, as a watch shows a deleted object (at the revision of the deletion). */
  at(revision: number): CachedObject {
    const { metadata } = this.object;
    return this.with(revision, { ...this.object, metadata: { ...metadata, resourceVersion: String(revision) } });
  }

  /** Another view of the same stored state. */
  with(revision: number, object: KubeObject): CachedObject {
    return new CachedObject(this.key, revision, object, this.bytes, this.#budget);
  }
}

/** A deep copy that may be changed. */
export function copyOf<T extends KubeObject | JsonObject>(object: T): T {
  return copyJson(object);
}
