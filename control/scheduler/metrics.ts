/** The scheduler's metrics, with upstream's names, labels and buckets. Source: upstream `pkg/scheduler/metrics/metrics.go`. */
import { Counter, exponentialBuckets, Gauge, Histogram, type Metric } from 'prom-client';
import type { QueueLengths } from './queue.ts';

/** How an attempt ended, as the label `result` says it. */
export type AttemptResult = 'scheduled' | 'unschedulable' | 'error';

/** Counts what the scheduler does. */
export class SchedulerMetrics {
  readonly #attempts = new Counter({
    name: 'scheduler_schedule_attempts_total',
    help: "Number of attempts to schedule pods, by the result. 'unschedulable' means a pod could not be scheduled, while 'error' means an internal scheduler problem.",
    labelNames: ['result', 'profile'],
    registers: [],
  });
  readonly #durations = new Histogram({
    name: 'scheduler_scheduling_attempt_duration_seconds',
    help: 'Scheduling attempt latency in seconds (scheduling algorithm + binding)',
    labelNames: ['result', 'profile'],
    buckets: exponentialBuckets(0.001, 2, 20),
    registers: [],
  });
  readonly #podAttempts = new Histogram({
    name: 'scheduler_pod_scheduling_attempts',
    help: 'Number of attempts to successfully schedule a pod.',
    buckets: exponentialBuckets(1, 2, 5),
    registers: [],
  });
  readonly #incoming = new Counter({
    name: 'scheduler_queue_incoming_pods_total',
    help: 'Number of pods added to scheduling queues by event and queue type.',
    labelNames: ['queue', 'event'],
    registers: [],
  });
  readonly #preemptions = new Counter({
    name: 'scheduler_preemption_attempts_total',
    help: 'Total preemption attempts in the cluster till now',
    registers: [],
  });
  readonly #victims = new Histogram({
    name: 'scheduler_preemption_victims',
    help: 'Number of selected preemption victims',
    buckets: exponentialBuckets(1, 2, 7),
    registers: [],
  });
  readonly #pending: Gauge;

  /** @param lengths asked at every scrape */
  constructor(lengths: () => QueueLengths) {
    this.#pending = new Gauge({
      name: 'scheduler_pending_pods',
      help: "Number of pending pods, by the queue type. 'active' means number of pods in activeQ; 'backoff' means number of pods in backoffQ; 'unschedulable' means number of pods in unschedulablePods that the scheduler attempted to schedule and failed; 'gated' is the number of unschedulable pods that the scheduler never attempted to schedule because they are gated.",
      labelNames: ['queue'],
      registers: [],
      collect() {
        const { inFlight: _, ...queues } = lengths();
        for (const [queue, length] of Object.entries(queues)) this.set({ queue }, length);
      },
    });
  }

  /** For the registry under which they are served. */
  get all(): Metric[] {
    return [this.#attempts, this.#durations, this.#podAttempts, this.#incoming, this.#preemptions, this.#victims, this.#pending];
  }

  attempted(result: AttemptResult, profile: string, seconds: number): void {
    this.#attempts.inc({ result, profile });
    this.#durations.observe({ result, profile }, seconds);
  }

  /** @param attempts how many it took */
  bound(attempts: number): void {
    this.#podAttempts.observe(attempts);
  }

  came(queue: string, event: string): void {
    this.#incoming.inc({ queue, event });
  }

  preempted(victims: number): void {
    this.#preemptions.inc();
    this.#victims.observe(victims);
  }
}
