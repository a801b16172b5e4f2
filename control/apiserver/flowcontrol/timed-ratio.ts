/**
 * A histogram of a ratio (a number divided by its limit) over time: the nanoseconds that it spent in each bucket.
 *
 * Source: component-base `metrics/timing_histogram.go`; apiserver `pkg/util/flowcontrol/metrics/timing_ratio_histogram.go`.
 */
import { Distribution } from './distribution.ts';

/** Adds time to buckets. It is called only when the number or the limit changes. */
export class TimedRatio {
  readonly #distribution: Distribution;
  #numerator = 0;
  #denominator = 1;
  #sinceMs: number;

  /** @param nowMs time of a monotonic clock */
  constructor(bounds: readonly number[], nowMs: number) {
    this.#distribution = new Distribution(bounds);
    this.#sinceMs = nowMs;
  }

  set(numerator: number, nowMs: number): void {
    if (numerator === this.#numerator) return;
    this.#account(nowMs);
    this.#numerator = numerator;
  }

  setDenominator(denominator: number, nowMs: number): void {
    if (denominator === this.#denominator || denominator <= 0) return;
    this.#account(nowMs);
    this.#denominator = denominator;
  }

  /** Adds the time since the last call. */
  read(nowMs: number): Distribution {
    this.#account(nowMs);
    return this.#distribution;
  }

  #account(nowMs: number): void {
    const nanoseconds = Math.max(0, Math.round((nowMs - this.#sinceMs) * 1e6));
    this.#sinceMs = nowMs;
    if (nanoseconds > 0) this.#distribution.observe(this.#numerator / this.#denominator, nanoseconds);
  }
}
