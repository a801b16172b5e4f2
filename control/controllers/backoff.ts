/** Growing delays per key. Source: client-go `util/flowcontrol/backoff.go`. */

/** Limits of a {@link BackOff}, in milliseconds. */
export interface BackOffLimits {
  initialMs: number;
  maxMs: number;
}

/** Delays that double with each step of a key, and start again from the first one after a quiet time. */
export class BackOff {
  readonly #limits: BackOffLimits;
  readonly #entries = new Map<string, { delayMs: number; sinceMs: number }>();

  constructor(limits: BackOffLimits) {
    this.#limits = limits;
  }

  /** Milliseconds until the delay of this key is over; 0 when there is none. */
  remainingMs(key: string, nowMs: number): number {
    const entry = this.#entries.get(key);
    return entry === undefined ? 0 : Math.max(0, entry.sinceMs + entry.delayMs - nowMs);
  }

  /** Begins the next delay of this key. Entries that have rested for long are dropped. */
  next(key: string, nowMs: number): void {
    for (const [other, { sinceMs }] of this.#entries) if (nowMs - sinceMs > 2 * this.#limits.maxMs) this.#entries.delete(other);
    const before = this.#entries.get(key)?.delayMs;
    const delayMs = before === undefined ? this.#limits.initialMs : Math.min(2 * before, this.#limits.maxMs);
    this.#entries.set(key, { delayMs, sinceMs: nowMs });
  }
}
