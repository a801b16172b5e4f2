/**
 * The demand of a level over time: seats in use and seats of waiting requests. Source: apiserver
 * `pkg/util/flowcontrol/fairqueuing/integrator.go`, `apf_controller.go` (seatDemandStats).
 */

/** A half-life of five minutes, with an update every ten seconds. */
const smoothing = 0.977;

/** The demand of a level for seats over time. Source: apiserver `pkg/util/flowcontrol` (borrowing between levels). */
export class SeatDemand {
  average = 0;
  deviation = 0;
  highWatermark = 0;
  /** The smoothed demand for adjustments: it rises at once, and falls slowly. */
  smoothed = 0;
  #value = 0;
  #max = 0;
  #sinceMs: number;
  #lastMs: number;
  #sum = 0;
  #squares = 0;

  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
    this.#lastMs = nowMs;
  }

  set(value: number, nowMs: number): void {
    this.#integrate(nowMs);
    this.#value = value;
    if (value > this.#max) this.#max = value;
  }

  /** Includes the demand since the last call. */
  update(nowMs: number): void {
    this.#integrate(nowMs);
    const durationMs = nowMs - this.#sinceMs;
    this.highWatermark = Math.round(this.#max);
    if (durationMs > 0) {
      this.average = this.#sum / durationMs;
      this.deviation = Math.sqrt(Math.max(0, this.#squares / durationMs - this.average ** 2));
      const envelope = this.average + this.deviation;
      this.smoothed = Math.max(envelope, smoothing * this.smoothed + (1 - smoothing) * envelope);
    }
    [this.#sum, this.#squares, this.#max, this.#sinceMs] = [0, 0, this.#value, nowMs];
  }

  #integrate(nowMs: number): void {
    const elapsedMs = Math.max(0, nowMs - this.#lastMs);
    this.#sum += this.#value * elapsedMs;
    this.#squares += this.#value ** 2 * elapsedMs;
    this.#lastMs = nowMs;
  }
}
