/**
 * How many seats a level has wanted: in use and waited for, over time. Source: apiserver `pkg/util/flowcontrol/fairqueuing/integrator.go`,
 * `apf_controller.go` (seatDemandStats).
 */

/** Its half-life is five minutes, at one look every ten seconds. */
const smoothing = 0.977;

/** How many seats a level has asked for over time. Source: apiserver `pkg/util/flowcontrol` (borrowing between levels). */
export class SeatDemand {
  average = 0;
  deviation = 0;
  highWatermark = 0;
  /** What adjustments go by: it goes up at once, and down slowly. */
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

  /** Takes what was seen since the last call into account. */
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
