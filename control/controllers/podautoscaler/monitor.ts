/** Metrics of the autoscaler controller, with upstream's names. Source: kubernetes `pkg/controller/podautoscaler/monitor`. */
import { Counter, Gauge, Histogram, type Metric } from 'prom-client';

/** The label `action` of the controller's metrics. */
export type Action = 'scale_up' | 'scale_down' | 'none';

/** The label `error` of the controller's metrics. */
export type Failure = 'spec' | 'internal' | 'none';

const prefix = 'horizontal_pod_autoscaler_controller_';
/** Powers of two from a millisecond on. */
const buckets = Array.from({ length: 16 }, (_, index) => 0.001 * 2 ** index);

/** Metrics of the autoscaler controller, under upstream's names. */
export class AutoscalerMonitor {
  readonly metrics: readonly Metric[];
  readonly #reconciliations = new Counter({
    name: `${prefix}reconciliations_total`,
    help: "Number of reconciliations of HPA controller. The label 'action' should be either 'scale_down', 'scale_up', or 'none'. Also, the label 'error' should be either 'spec', 'internal', or 'none'. Note that if both spec and internal errors happen during a reconciliation, the first one to occur is reported in `error` label.",
    labelNames: ['action', 'error'],
    registers: [],
  });
  readonly #durations = new Histogram({
    name: `${prefix}reconciliation_duration_seconds`,
    help: 'The time(seconds) that the HPA controller takes to reconcile once.',
    labelNames: ['action', 'error'],
    buckets,
    registers: [],
  });
  readonly #computations = new Counter({
    name: `${prefix}metric_computation_total`,
    help: 'Number of metric computations.',
    labelNames: ['action', 'error', 'metric_type'],
    registers: [],
  });
  readonly #computationDurations = new Histogram({
    name: `${prefix}metric_computation_duration_seconds`,
    help: 'The time(seconds) that the HPA controller takes to calculate one metric.',
    labelNames: ['action', 'error', 'metric_type'],
    buckets,
    registers: [],
  });
  readonly #count = new Gauge({
    name: `${prefix}num_horizontal_pod_autoscalers`,
    help: 'Current number of controlled HPA objects.',
    registers: [],
  });
  readonly #desired = new Gauge({
    name: `${prefix}desired_replicas`,
    help: 'Current desired replica count for HPA objects.',
    labelNames: ['namespace', 'hpa_name'],
    registers: [],
  });

  constructor() {
    this.metrics = [
      this.#reconciliations,
      this.#durations,
      this.#computations,
      this.#computationDurations,
      this.#count,
      this.#desired,
    ];
  }

  reconciled(action: Action, error: Failure, seconds: number): void {
    this.#reconciliations.inc({ action, error });
    this.#durations.observe({ action, error }, seconds);
  }

  computed(action: Action, error: Failure, type: string, seconds: number): void {
    this.#computations.inc({ action, error, metric_type: type });
    this.#computationDurations.observe({ action, error, metric_type: type }, seconds);
  }

  counted(autoscalers: number): void {
    this.#count.set(autoscalers);
  }

  wanted(namespace: string, name: string, replicas: number): void {
    this.#desired.set({ namespace, hpa_name: name }, replicas);
  }

  forget(namespace: string, name: string): void {
    this.#desired.remove({ namespace, hpa_name: name });
  }
}
