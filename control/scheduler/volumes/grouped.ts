/** Objects under their keys, and in groups. */
export class Grouped<T> {
  readonly #group: (object: T) => string;
  readonly #byKey = new Map<string, T>();
  readonly #groups = new Map<string, Map<string, T>>();

  constructor(group: (object: T) => string) {
    this.#group = group;
  }

  set(key: string, object: T): void {
    this.delete(key);
    this.#byKey.set(key, object);
    this.#groups.getOrInsertComputed(this.#group(object), () => new Map<string, T>()).set(key, object);
  }

  delete(key: string): void {
    const known = this.#byKey.get(key);
    if (known === undefined) return;
    this.#byKey.delete(key);
    const group = this.#groups.get(this.#group(known));
    group?.delete(key);
    if (group?.size === 0) this.#groups.delete(this.#group(known));
  }

  in(group: string): Iterable<T> {
    return this.#groups.get(group)?.values() ?? [];
  }
}
