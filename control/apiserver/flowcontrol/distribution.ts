/** A histogram with plain numbers. */

/** The values of a histogram. */
export class Distribution {
  count = 0;
  sum = 0;
  /** The number of observations up to each bound. */
  readonly counts: number[];
  readonly bounds: readonly number[];

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = bounds.map(() => 0);
  }

  /** @param times how often the value was observed */
  observe(value: number, times = 1): void {
    this.count += times;
    this.sum += value * times;
    for (let index = this.bounds.length - 1; index >= 0 && value <= (this.bounds[index] ?? 0); index--)
      this.counts[index] = (this.counts[index] ?? 0) + times;
  }
}
