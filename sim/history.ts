/** Recent values of things: a controller with a stale cache may still act on them. */

/** Longest time in ms that a part may act on stale data: the longest lag or partition of a world plus the retry after it. */
export const memoryMs = 120_000;

/** Remembers the values of each key for {@link memoryMs}. */
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

  /** All values that the key had within that time, the newest last. */
  recent(key: string): T[] {
    const values = this.#values.get(key) ?? [];
    const fromMs = this.#now() - memoryMs;
    // Include the last value before the window: it was still valid when the window began.
    const first = Math.max(
      0,
      values.findLastIndex(({ atMs }) => atMs <= fromMs),
    );
    return values.slice(first).map(({ value }) => value);
  }
}
