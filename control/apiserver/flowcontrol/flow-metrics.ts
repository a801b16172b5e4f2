/**
 * Metrics of flow control, with upstream's names. Every request is counted here, so the counters are plain numbers. They are converted to
 * metrics when `/metrics` is read.
 *
 * Source: apiserver `pkg/util/flowcontrol/metrics/metrics.go`.
 */
import { Gauge, type Metric } from 'prom-client';
import { Distribution } from './distribution.ts';
import type { LevelState } from './level-state.ts';
import type { Refusal } from './queue.ts';
import type { QueueSetObserver } from './queue-set.ts';
import type { TimedRatio } from './timed-ratio.ts';

const prefix = 'apiserver_flowcontrol_';
const secondBounds = [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30];
const lengthBounds = [0, 10, 25, 50, 100, 250, 500, 1000];
const seatBounds = [1, 2, 4, 8, 16, 32, 64, 100];
const watchBounds = [0, 1, 10, 100, 1000, 10_000];

/** The counters of one FlowSchema at one level. */
export class FlowCounts {
  readonly labels: { priority_level: string; flow_schema: string };
  dispatched = 0;
  noAccommodation = 0;
  inqueue = 0;
  inqueueSeats = 0;
  executing = 0;
  executingSeats = 0;
  readonly rejected = new Map<Refusal, number>();
  readonly lengths = new Distribution(lengthBounds);
  readonly waits = new Distribution(secondBounds);
  readonly refusedWaits = new Distribution(secondBounds);
  readonly executions = new Distribution(secondBounds);
  readonly watchExecutions = new Distribution(secondBounds);
  /** The number of watchers of the changed objects, for write requests. */
  readonly watchers = new Distribution(watchBounds);
  readonly seats = new Distribution(seatBounds);

  constructor(level: string, schema: string) {
    this.labels = { priority_level: level, flow_schema: schema };
  }

  reject(why: Refusal): void {
    this.rejected.set(why, (this.rejected.get(why) ?? 0) + 1);
  }
}

type Labels = Readonly<Record<string, string | number>>;
interface Sample {
  labels: Labels;
  value: number;
  metricName?: string;
}

/** The metrics `apiserver_flowcontrol_*`, with upstream's names. */
export class FlowMetrics {
  readonly all: readonly Metric[];
  /** By level, then by FlowSchema. Entries of deleted objects are removed. */
  readonly #counts = new Map<string, Map<string, FlowCounts>>();
  #fraction = 0;

  /** @param states called when the metrics are read @param now the monotonic clock, in milliseconds */
  constructor(states: () => readonly LevelState[], now: () => number) {
    const ratios = (name: string, help: string, of: (level: LevelState) => [TimedRatio, Labels][]): Metric =>
      this.#metric(name, help, 'histogram', () =>
        states().flatMap((level) =>
          of(level).flatMap(([ratio, more]) =>
            samplesOf(prefix + name, ratio.read(now()), { priority_level: level.name, ...more }),
          ),
        ),
      );
    const bounds = (name: string, help: string, which: 'next' | 'discounted'): Metric =>
      this.#metric(name, help, 'gauge', () =>
        states().flatMap(({ name: level, queues }) => {
          const found = queues.nextBounds()?.[which];
          if (found === undefined) return [];
          return (['min', 'max'] as const).map((bound, index) => ({
            labels: { priority_level: level, bound },
            value: found[index] ?? 0,
          }));
        }),
      );
    const ofLevels = (name: string, help: string, value: (level: LevelState) => number): Metric =>
      this.#metric(name, help, 'gauge', () =>
        states().map((level) => ({ labels: { priority_level: level.name }, value: value(level) })),
      );
    const each = (name: string, help: string, type: 'counter' | 'gauge', value: (flow: FlowCounts) => number): Metric =>
      this.#metric(name, help, type, () => this.#flows().map((flow) => ({ labels: flow.labels, value: value(flow) })));
    const spread = (name: string, help: string, of: (flow: FlowCounts) => [Distribution, Labels][]): Metric =>
      this.#metric(name, help, 'histogram', () =>
        this.#flows().flatMap((flow) =>
          of(flow).flatMap(([distribution, more]) => samplesOf(prefix + name, distribution, { ...flow.labels, ...more })),
        ),
      );
    this.all = [
      this.#metric(
        'rejected_requests_total',
        'Number of requests rejected by API Priority and Fairness subsystem',
        'counter',
        () =>
          this.#flows().flatMap(({ labels, rejected }) =>
            [...rejected].map(([reason, value]) => ({ labels: { ...labels, reason }, value })),
          ),
      ),
      each(
        'dispatched_requests_total',
        'Number of requests executed by API Priority and Fairness subsystem',
        'counter',
        (flow) => flow.dispatched,
      ),
      each(
        'current_inqueue_requests',
        'Number of requests currently pending in queues of the API Priority and Fairness subsystem',
        'gauge',
        (flow) => flow.inqueue,
      ),
      each(
        'current_inqueue_seats',
        'Number of seats currently pending in queues of the API Priority and Fairness subsystem',
        'gauge',
        (flow) => flow.inqueueSeats,
      ),
      each(
        'current_executing_requests',
        'Number of requests in initial (for a WATCH) or any (for a non-WATCH) execution stage in the API Priority and Fairness subsystem',
        'gauge',
        (flow) => flow.executing,
      ),
      each(
        'current_executing_seats',
        'Concurrency (number of seats) occupied by the currently executing (initial stage for a WATCH, any stage otherwise) requests in the API Priority and Fairness subsystem',
        'gauge',
        (flow) => flow.executingSeats,
      ),
      each(
        'request_dispatch_no_accommodation_total',
        'Number of times a dispatch attempt resulted in a non accommodation due to lack of available seats',
        'counter',
        (flow) => flow.noAccommodation,
      ),
      spread(
        'request_queue_length_after_enqueue',
        'Length of queue in the API Priority and Fairness subsystem, as seen by each request after it is enqueued',
        (flow) => [[flow.lengths, {}]],
      ),
      spread('request_wait_duration_seconds', 'Length of time a request spent waiting in its queue', (flow) => [
        [flow.waits, { execute: 'true' }],
        [flow.refusedWaits, { execute: 'false' }],
      ]),
      spread(
        'request_execution_seconds',
        'Duration of initial stage (for a WATCH) or any (for a non-WATCH) stage of request execution in the API Priority and Fairness subsystem',
        (flow) => [
          [flow.executions, { type: 'regular' }],
          [flow.watchExecutions, { type: 'watch' }],
        ],
      ),
      spread(
        'work_estimated_seats',
        'Number of estimated seats (maximum of initial and final seats) associated with requests in API Priority and Fairness',
        (flow) => [[flow.seats, {}]],
      ),
      this.#metric(
        'seat_fair_frac',
        "Fair fraction of server's concurrency to allocate to each priority level that can use it",
        'gauge',
        () => [{ labels: {}, value: this.#fraction }],
      ),
      ofLevels(
        'nominal_limit_seats',
        'Nominal number of execution seats configured for each priority level',
        ({ limits }) => limits.nominal,
      ),
      ofLevels(
        'lower_limit_seats',
        'Configured lower bound on number of execution seats available to each priority level',
        ({ limits }) => limits.lower,
      ),
      ofLevels(
        'upper_limit_seats',
        'Configured upper bound on number of execution seats available to each priority level',
        ({ limits }) => limits.upper,
      ),
      ofLevels(
        'current_limit_seats',
        'current derived number of execution seats available to each priority level',
        ({ current }) => current,
      ),
      ofLevels(
        'demand_seats_high_watermark',
        'High watermark, over last adjustment period, of demand_seats',
        ({ queues }) => queues.demand.highWatermark,
      ),
      ofLevels(
        'demand_seats_average',
        'Time-weighted average, over last adjustment period, of demand_seats',
        ({ queues }) => queues.demand.average,
      ),
      ofLevels(
        'demand_seats_stdev',
        'Time-weighted standard deviation, over last adjustment period, of demand_seats',
        ({ queues }) => queues.demand.deviation,
      ),
      ofLevels('demand_seats_smoothed', 'Smoothed seat demands', ({ queues }) => queues.demand.smoothed),
      ofLevels('target_seats', 'Seat allocation targets', ({ limits, queues: { demand } }) =>
        Math.max(limits.lower, Math.min(limits.nominal, demand.highWatermark), demand.smoothed),
      ),
      ofLevels('current_r', 'R(time of last change)', ({ queues }) => queues.currentR),
      ofLevels('dispatch_r', 'R(time of last dispatch)', ({ queues }) => queues.last.dispatchR),
      ofLevels('latest_s', 'S(most recently dispatched request)', ({ queues }) => queues.last.latestS),
      bounds('next_s_bounds', 'min and max, over queues, of S(oldest waiting request in queue)', 'next'),
      bounds(
        'next_discounted_s_bounds',
        'min and max, over queues, of S(oldest waiting request in queue) - estimated work in progress',
        'discounted',
      ),
      ratios(
        'priority_level_seat_utilization',
        'Observations, at the end of every nanosecond, of utilization of seats for any stage of execution (but only initial stage for WATCHes)',
        ({ queues }) => [[queues.ratios.seats, { phase: 'executing' }]],
      ),
      ratios(
        'priority_level_request_utilization',
        'Observations, at the end of every nanosecond, of number of requests (as a fraction of the relevant limit) waiting or in any stage of execution (but only initial stage for WATCHes)',
        ({ queues }) => [
          [queues.ratios.executing, { phase: 'executing' }],
          [queues.ratios.waiting, { phase: 'waiting' }],
        ],
      ),
      ratios(
        'demand_seats',
        'Observations, at the end of every nanosecond, of (the number of seats each priority level could use) / (nominal number of seats for that level)',
        ({ queues }) => [[queues.ratios.demand, {}]],
      ),
      spread('watch_count_samples', 'count of watchers for mutating requests in API Priority and Fairness', (flow) => [
        [flow.watchers, {}],
      ]),
    ];
  }

  /** The counters of one FlowSchema at one level. */
  of(level: string, schema: string): FlowCounts {
    let schemas = this.#counts.get(level);
    if (schemas === undefined) this.#counts.set(level, (schemas = new Map()));
    let counts = schemas.get(schema);
    if (counts === undefined) schemas.set(schema, (counts = new FlowCounts(level, schema)));
    return counts;
  }

  observerOf(level: string): QueueSetObserver {
    return {
      queued: (schema, change, seats) => {
        const counts = this.of(level, schema);
        counts.inqueue += change;
        counts.inqueueSeats += change * seats;
      },
      executing: (schema, change, seats) => {
        const counts = this.of(level, schema);
        counts.executing += change;
        counts.executingSeats += change * seats;
      },
      lengthAfterEnqueue: (schema, length) => this.of(level, schema).lengths.observe(length),
      noAccommodation: (schema) => void (this.of(level, schema).noAccommodation += 1),
    };
  }

  fair(fraction: number): void {
    this.#fraction = fraction;
  }

  forget(level: string): void {
    this.#counts.delete(level);
  }

  /** Removes the counters of deleted FlowSchemas. @param names the existing ones */
  keepOnly(names: ReadonlySet<string>): void {
    for (const schemas of this.#counts.values())
      for (const [name, { executing, inqueue }] of schemas)
        if (!names.has(name) && executing === 0 && inqueue === 0) schemas.delete(name);
  }

  #flows(): FlowCounts[] {
    return [...this.#counts.values()].flatMap((schemas) => [...schemas.values()]);
  }

  /** A metric for the registry, whose values and type are computed when it is read. */
  #metric(name: string, help: string, type: 'counter' | 'gauge' | 'histogram', samples: () => Sample[]): Metric {
    const metric = new Gauge({ name: prefix + name, help, registers: [] });
    const get = async () => ({ name: prefix + name, help, type, values: samples(), aggregator: 'sum' });
    return Object.assign(metric, { get }) as unknown as Metric;
  }
}

function samplesOf(name: string, { bounds, counts, count, sum }: Distribution, labels: Labels): Sample[] {
  if (count === 0) return [];
  return [
    ...bounds.map((le, index) => ({ labels: { le, ...labels }, value: counts[index] ?? 0, metricName: `${name}_bucket` })),
    { labels: { le: '+Inf', ...labels }, value: count, metricName: `${name}_bucket` },
    { labels, value: sum, metricName: `${name}_sum` },
    { labels, value: count, metricName: `${name}_count` },
  ];
}
