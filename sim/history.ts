/** Values over time: what a controller whose cache is behind may still believe. */

/** The longest that a part may act on what it has seen: the longest lag and cut of a world, and the retry after it, in milliseconds. */
export const memoryMs = 120_000;

/** Remembers the values that a thing has had, for {@link memoryMs}. */
export class History<T> {
  readonly #now: () => number;
  readonly #values = new Map<string, { atMs: number; value: T }[]>();

  constructor(now: () => number) {
    this.#now = now;
  }

  note(key: string, value: T): void {
    const values = this.#values.get(key) ?? [];
    values.push({ atMs: this.#now(), value });
    this.#values.set(key, values);
  }

  /** All values that it had at any time of the memory, the newest last. */
  recent(key: string): T[] {
    const values = this.#values.get(key) ?? [];
    const fromMs = this.#now() - memoryMs;
    // The last one before the memory begins was still valid then.
    const first = Math.max(
      0,
      values.findLastIndex(({ atMs }) => atMs <= fromMs),
    );
    return values.slice(first).map(({ value }) => value);
  }
}
