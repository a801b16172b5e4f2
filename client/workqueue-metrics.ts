/** Metrics of work queues, with upstream's names. Source: component-base `metrics/prometheus/workqueue/metrics.go`. */
import { Counter, exponentialBuckets, Gauge, Histogram, type Metric } from 'prom-client';
import type { Clock } from './clock.ts';
import type { WorkQueueObserver } from './workqueue.ts';

interface Queue {
  clock: Clock;
  depth: number;
  /** When the keys that are worked on were taken. */
  working: Map<string, number>;
}

const buckets = exponentialBuckets(10e-9, 10, 10);

/** Metrics of all queues of a process. */
export class WorkQueueMetrics {
  readonly #queues = new Map<string, Queue>();
  readonly #adds = new Counter({
    name: 'workqueue_adds_total',
    help: 'Total number of adds handled by workqueue',
    labelNames: ['name'],
    registers: [],
  });
  readonly #retries = new Counter({
    name: 'workqueue_retries_total',
    help: 'Total number of retries handled by workqueue',
    labelNames: ['name'],
    registers: [],
  });
  readonly #waits = new Histogram({
    name: 'workqueue_queue_duration_seconds',
    help: 'How long in seconds an item stays in workqueue before being requested.',
    labelNames: ['name'],
    buckets,
    registers: [],
  });
  readonly #work = new Histogram({
    name: 'workqueue_work_duration_seconds',
    help: 'How long in seconds processing an item from workqueue takes.',
    labelNames: ['name'],
    buckets,
    registers: [],
  });
  readonly metrics: readonly Metric[];

  constructor() {
    const gauge = (name: string, help: string, value: (queue: Queue) => number): Gauge => {
      const queues = this.#queues;
      return new Gauge({
        name,
        help,
        labelNames: ['name'],
        registers: [],
        collect() {
          for (const [queue, one] of queues) this.set({ name: queue }, value(one));
        },
      });
    };
    const agesMs = ({ clock, working }: Queue): number[] => [...working.values()].map((sinceMs) => clock.monotonic() - sinceMs);
    this.metrics = [
      this.#adds,
      this.#retries,
      this.#waits,
      this.#work,
      gauge('workqueue_depth', 'Current depth of workqueue', ({ depth }) => depth),
      gauge(
        'workqueue_unfinished_work_seconds',
        "How many seconds of work has done that is in progress and hasn't been observed by work_duration. Large values indicate stuck threads. One can deduce the number of stuck threads by observing the rate at which this increases.",
        (queue) => agesMs(queue).reduce((sum, ms) => sum + ms, 0) / 1000,
      ),
      gauge(
        'workqueue_longest_running_processor_seconds',
        'How many seconds has the longest running processor for workqueue been running.',
        (queue) => Math.max(0, ...agesMs(queue)) / 1000,
      ),
    ];
  }

  /** The observer of a queue. One that had the name before counts on. */
  of(name: string, clock: Clock): WorkQueueObserver {
    const queue: Queue = { clock, depth: 0, working: new Map() };
    this.#queues.set(name, queue);
    const labels = { name };
    for (const counter of [this.#adds, this.#retries]) counter.inc(labels, 0);
    return {
      added: () => {
        queue.depth++;
        this.#adds.inc(labels);
      },
      started: (key, waitedMs) => {
        queue.depth--;
        queue.working.set(key, clock.monotonic());
        this.#waits.observe(labels, waitedMs / 1000);
      },
      ended: (key, workedMs) => {
        queue.working.delete(key);
        this.#work.observe(labels, workedMs / 1000);
      },
      retried: () => this.#retries.inc(labels),
    };
  }
}
