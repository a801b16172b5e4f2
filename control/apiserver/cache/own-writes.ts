/**
 * The values that this server is writing. When the store's watch brings one of them back, its JSON is known: it is the stored text, so that
 * nobody has to write the object as JSON a second time. A value that somebody else has written, or that comes back after everything was
 * read anew, is not known, and costs what any value costs.
 */
export class OwnWrites {
  readonly #values = new Map<string, Uint8Array>();

  /** To be called before the write. @param value which never changes */
  begin(key: string, value: Uint8Array): void {
    this.#values.set(key, value);
  }

  /** The write has not happened, or nobody knows whether it has. */
  failed(key: string, value: Uint8Array): void {
    if (this.#values.get(key) === value) this.#values.delete(key);
  }

  /** Whether a value that has come from the store is one of them; each counts once. */
  take(key: string, value: Uint8Array): boolean {
    const own = this.#values.get(key);
    // Of two writes of one key the later one is known.
    if (own === undefined || own.length !== value.length || Buffer.compare(own, value) !== 0) return false;
    this.#values.delete(key);
    return true;
  }

  /** How many are under way. */
  get size(): number {
    return this.#values.size;
  }

  clear(): void {
    this.#values.clear();
  }
}
