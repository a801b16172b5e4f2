/**
 * Counters and histograms that each request counts in, some fifty times. The library looks up a series by its labels at each observation
 * and checks them, which takes about a microsecond; here whoever counts keeps the series, so that counting is an addition. All else is the
 * library's: registration, and what a scrape is answered.
 */
import { Counter, Histogram, type Registry } from 'prom-client';

/** What a metric is called. */
export interface LeanMetricOptions {
  name: string;
  help: string;
  /** Default: none. */
  labelNames?: readonly string[];
  registers: Registry[];
}

/** One series of a counter. */
export class CounterSeries {
  readonly labels: Readonly<Record<string, string>>;
  value = 0;

  constructor(labels: Readonly<Record<string, string>>) {
    this.labels = labels;
  }

  inc(): void {
    this.value++;
  }
}

/** One series of a histogram. */
export class HistogramSeries {
  readonly labels: Readonly<Record<string, string>>;
  count = 0;
  sum = 0;
  /** By bucket, not cumulative. */
  readonly counts: number[];
  readonly #bounds: readonly number[];

  constructor(labels: Readonly<Record<string, string>>, bounds: readonly number[]) {
    this.labels = labels;
    this.#bounds = bounds;
    this.counts = bounds.map(() => 0);
  }

  observe(value: number): void {
    this.count++;
    this.sum += value;
    for (let index = 0; index < this.#bounds.length; index++) {
      if (value > (this.#bounds[index] as number)) continue;
      (this.counts[index] as number)++;
      return;
    }
  }
}

/** The series of one metric by the values of its labels. */
class SeriesByLabels<Series> {
  readonly #names: readonly string[];
  readonly #make: (labels: Readonly<Record<string, string>>) => Series;
  readonly #all = new Map<string, Series>();

  constructor(names: readonly string[], make: (labels: Readonly<Record<string, string>>) => Series) {
    this.#names = names;
    this.#make = make;
  }

  of(values: readonly string[]): Series {
    const key = JSON.stringify(values);
    let series = this.#all.get(key);
    if (series === undefined) {
      series = this.#make(Object.fromEntries(this.#names.map((name, index) => [name, values[index] ?? ''])));
      this.#all.set(key, series);
    }
    return series;
  }

  values(): Iterable<Series> {
    return this.#all.values();
  }
}

/** A counter whose series are kept by those who count. */
export class LeanCounter extends Counter {
  readonly #told: { name: string; help: string };
  readonly #series: SeriesByLabels<CounterSeries>;

  constructor({ name, help, labelNames = [], registers }: LeanMetricOptions) {
    super({ name, help, labelNames: [...labelNames], registers });
    this.#told = { name, help };
    this.#series = new SeriesByLabels(labelNames, (labels) => new CounterSeries(labels));
    if (labelNames.length === 0) this.series();
  }

  /** The same one for the same values. @param values of the labels, in their order */
  series(...values: readonly string[]): CounterSeries {
    return this.#series.of(values);
  }

  override async get(): ReturnType<Counter['get']> {
    const values = Array.from(this.#series.values(), ({ labels, value }) => ({ labels, value }));
    return { ...this.#told, type: 'counter', aggregator: 'sum', values } as unknown as Awaited<ReturnType<Counter['get']>>;
  }
}

/** A histogram whose series are kept by those who observe. */
export class LeanHistogram extends Histogram {
  readonly #told: { name: string; help: string };
  readonly #bounds: readonly number[];
  readonly #series: SeriesByLabels<HistogramSeries>;

  /** @param options with the buckets' upper bounds, ascending */
  constructor({ name, help, labelNames = [], registers, buckets }: LeanMetricOptions & { buckets: readonly number[] }) {
    super({ name, help, labelNames: [...labelNames], registers, buckets: [...buckets] });
    this.#told = { name, help };
    this.#bounds = buckets;
    this.#series = new SeriesByLabels(labelNames, (labels) => new HistogramSeries(labels, buckets));
    if (labelNames.length === 0) this.series();
  }

  /** The same one for the same values. @param values of the labels, in their order */
  series(...values: readonly string[]): HistogramSeries {
    return this.#series.of(values);
  }

  /** prom-client's registry calls this instead of `get`, if it exists. */
  getForPromString(): ReturnType<Histogram['get']> {
    return this.get();
  }

  override async get(): ReturnType<Histogram['get']> {
    const { name } = this.#told;
    const values: Awaited<ReturnType<Histogram['get']>>['values'] = [];
    for (const { labels, counts, count, sum } of this.#series.values()) {
      let below = 0;
      for (const [index, bound] of this.#bounds.entries()) {
        below += counts[index] ?? 0;
        values.push({ labels: { ...labels, le: bound }, value: below, metricName: `${name}_bucket` });
      }
      values.push({ labels: { ...labels, le: '+Inf' }, value: count, metricName: `${name}_bucket` });
      values.push({ labels, value: sum, metricName: `${name}_sum` });
      values.push({ labels, value: count, metricName: `${name}_count` });
    }
    // The library's type of this has its `collect`, too, which the registry does not look at here.
    return { ...this.#told, type: 'histogram', aggregator: 'sum', values } as unknown as Awaited<ReturnType<Histogram['get']>>;
  }
}
