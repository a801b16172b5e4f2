/**
 * A number as a share of a limit, over time: how many nanoseconds it spent in which range.
 *
 * Source: component-base `metrics/timing_histogram.go`; apiserver `pkg/util/flowcontrol/metrics/timing_ratio_histogram.go`.
 */
import { Distribution } from './distribution.ts';

/** Counts time. It is told of each change; between changes nothing happens. */
export class TimedRatio {
  readonly #distribution: Distribution;
  #numerator = 0;
  #denominator = 1;
  #sinceMs: number;

  /** @param nowMs of a monotonic clock, as all further times */
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

  /** Up to now. Each nanosecond counts once. */
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
