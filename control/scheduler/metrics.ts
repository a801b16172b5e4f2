/** The scheduler's metrics, with upstream's names, labels and buckets. Source: upstream `pkg/scheduler/metrics/metrics.go`. */
import { Counter, exponentialBuckets, Gauge, Histogram, type Metric } from 'prom-client';
import type { QueueLengths } from './queue.ts';

/** How an attempt ended, as the label `result` says it. */
export type AttemptResult = 'scheduled' | 'unschedulable' | 'error';

/** What is there now. */
export interface SchedulerState {
  lengths(): QueueLengths;
  /** Waiting pods by plugin and profile. */
  rejections(): ReadonlyMap<string, ReadonlyMap<string, number>>;
  keptEvents(): ReadonlyMap<string, number>;
  cacheSizes(): { nodes: number; pods: number; assumed_pods: number };
  /** Bindings under way. */
  bindings(): number;
}

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
    buckets: exponentialBuckets(0.001, 2, 15),
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
  readonly #algorithm = new Histogram({
    name: 'scheduler_scheduling_algorithm_duration_seconds',
    help: 'Scheduling algorithm latency in seconds',
    buckets: exponentialBuckets(0.001, 2, 15),
    registers: [],
  });
  readonly #sli = new Histogram({
    name: 'scheduler_pod_scheduling_sli_duration_seconds',
    help: 'E2e latency for a pod being scheduled, from the time the pod enters the scheduling queue and might involve multiple scheduling attempts.',
    labelNames: ['attempts'],
    buckets: exponentialBuckets(0.01, 2, 20),
    registers: [],
  });
  readonly #afterFlush = new Counter({
    name: 'scheduler_pod_scheduled_after_flush_total',
    help: 'Number of pods that were successfully scheduled after being flushed from unschedulablePods due to timeout. This metric helps detect potential queueing hint misconfigurations or event handling issues.',
    registers: [],
  });
  readonly #preemptionDurations = new Histogram({
    name: 'scheduler_preemption_goroutines_duration_seconds',
    help: 'Duration in seconds for running goroutines for the preemption.',
    labelNames: ['result'],
    buckets: exponentialBuckets(0.01, 2, 20),
    registers: [],
  });
  readonly #preemptionRuns = new Counter({
    name: 'scheduler_preemption_goroutines_execution_total',
    help: 'Number of preemption goroutines executed.',
    labelNames: ['result'],
    registers: [],
  });
  readonly #volumeErrors = new Counter({
    name: 'scheduler_volume_scheduling_stage_error_total',
    help: 'Volume scheduling stage error count',
    labelNames: ['operation'],
    registers: [],
  });
  readonly #handling = new Histogram({
    name: 'scheduler_event_handling_duration_seconds',
    help: 'Event handling latency in seconds.',
    labelNames: ['event'],
    buckets: exponentialBuckets(0.0001, 2, 12),
    registers: [],
  });
  readonly #gauges: Gauge[];

  /** @param state asked at every scrape */
  constructor(state: SchedulerState) {
    this.#gauges = [
      new Gauge({
        name: 'scheduler_pending_pods',
        help: "Number of pending pods, by the queue type. 'active' means number of pods in activeQ; 'backoff' means number of pods in backoffQ; 'unschedulable' means number of pods in unschedulablePods that the scheduler attempted to schedule and failed; 'gated' is the number of unschedulable pods that the scheduler never attempted to schedule because they are gated.",
        labelNames: ['queue'],
        registers: [],
        collect() {
          const { inFlight: _, ...queues } = state.lengths();
          for (const [queue, length] of Object.entries(queues)) this.set({ queue }, length);
        },
      }),
      new Gauge({
        name: 'scheduler_unschedulable_pods',
        help: 'The number of unschedulable pods broken down by plugin name. A pod will increment the gauge for all plugins that caused it to not schedule and so this metric have meaning only when broken down by plugin.',
        labelNames: ['plugin', 'profile'],
        registers: [],
        collect() {
          this.reset();
          for (const [plugin, byProfile] of state.rejections())
            for (const [profile, count] of byProfile) this.set({ plugin, profile }, count);
        },
      }),
      new Gauge({
        name: 'scheduler_inflight_events',
        help: 'Number of events currently tracked in the scheduling queue.',
        labelNames: ['event'],
        registers: [],
        collect() {
          this.reset();
          for (const [event, count] of state.keptEvents()) this.set({ event }, count);
        },
      }),
      new Gauge({
        name: 'scheduler_cache_size',
        help: 'Number of nodes, pods, and assumed (bound) pods in the scheduler cache.',
        labelNames: ['type'],
        registers: [],
        collect() {
          for (const [type, count] of Object.entries(state.cacheSizes())) this.set({ type }, count);
        },
      }),
      new Gauge({
        name: 'scheduler_goroutines',
        help: 'Number of running goroutines split by the work they do such as binding.',
        labelNames: ['operation'],
        registers: [],
        collect() {
          this.set({ operation: 'binding' }, state.bindings());
        },
      }),
    ];
  }

  /** For the registry under which they are served. */
  get all(): Metric[] {
    return [
      this.#attempts,
      this.#durations,
      this.#algorithm,
      this.#sli,
      this.#podAttempts,
      this.#afterFlush,
      this.#incoming,
      this.#preemptions,
      this.#victims,
      this.#preemptionDurations,
      this.#preemptionRuns,
      this.#volumeErrors,
      this.#handling,
      ...this.#gauges,
    ];
  }

  attempted(result: AttemptResult, profile: string, seconds: number): void {
    this.#attempts.inc({ result, profile });
    this.#durations.observe({ result, profile }, seconds);
  }

  /** A node was found, in this time. */
  decided(seconds: number): void {
    this.#algorithm.observe(seconds);
  }

  /** @param attempts how many it took @param seconds since the first one began */
  bound(attempts: number, seconds: number, wasFlushed: boolean): void {
    this.#podAttempts.observe(attempts);
    this.#sli.observe({ attempts: attempts >= 15 ? '15+' : String(attempts) }, seconds);
    if (wasFlushed) this.#afterFlush.inc();
  }

  /** The victims of a preemption are being deleted, or that failed. */
  evicted(result: 'success' | 'error', seconds: number): void {
    this.#preemptionDurations.observe({ result }, seconds);
    this.#preemptionRuns.inc({ result });
  }

  /** The volumes of a pod could not be had. */
  volumesFailed(operation: 'assume' | 'bind'): void {
    this.#volumeErrors.inc({ operation });
  }

  /** Waiting pods have been looked through for an event. */
  handled(event: string, seconds: number): void {
    this.#handling.observe({ event }, seconds);
  }

  came(queue: string, event: string): void {
    this.#incoming.inc({ queue, event });
  }

  preempted(victims: number): void {
    this.#preemptions.inc();
    this.#victims.observe(victims);
  }
}
