/**
 * Metrics of admission: steps, plugins, webhooks and policies.
 *
 * Source: apiserver `pkg/admission/metrics/metrics.go`, `pkg/admission/plugin/policy/{validating,mutating}/metrics`.
 */
import { Counter, Histogram, type Metric } from 'prom-client';
import { type HistogramSeries, LeanHistogram } from '../serving/lean-metrics.ts';
import type { Operation } from './plugin.ts';
import type { PolicyMetrics } from './policies/policy-metrics.ts';

/** The first pass changes objects, the second checks them. */
export type StepType = 'admit' | 'validate';

const registers: [] = [];
const labels = ['type', 'operation', 'rejected'] as const;
/** The second pass has different names for webhooks and plugins. */
const webhookType = (isMutating: boolean): string => (isMutating ? 'admit' : 'validating');
const checkBuckets = [0.0000005, 0.001, 0.01, 0.1, 1];
/** Webhooks choose their codes, so the number of label values is bounded. */
const boundedCode = (code: number): string => String(Math.min(code, 600));

/** The durations of admitted and of refused requests: two series, each created at its first observation. */
export class Outcomes {
  readonly #seriesOf: (rejected: string) => HistogramSeries;
  #passed: HistogramSeries | undefined;

  constructor(seriesOf: (rejected: string) => HistogramSeries) {
    this.#seriesOf = seriesOf;
  }

  observe(isRejected: boolean, seconds: number): void {
    if (isRejected) return this.#seriesOf('true').observe(seconds);
    this.#passed ??= this.#seriesOf('false');
    this.#passed.observe(seconds);
  }
}

/** The metrics of admission; created before the server's registry. */
export class AdmissionMetrics implements PolicyMetrics {
  readonly #step = new LeanHistogram({
    name: 'apiserver_admission_step_admission_duration_seconds',
    help: 'Admission sub-step latency histogram in seconds, broken out for each operation and API resource and step type (validate or admit).',
    labelNames: labels,
    buckets: [0.005, 0.025, 0.1, 0.5, 1, 2.5],
    registers,
  });
  readonly #controller = new LeanHistogram({
    name: 'apiserver_admission_controller_admission_duration_seconds',
    help: 'Admission controller latency histogram in seconds, identified by name and broken out for each operation and API resource and type (validate or admit).',
    labelNames: ['name', ...labels],
    buckets: [0.005, 0.025, 0.1, 0.5, 1, 2.5],
    registers,
  });
  readonly #webhook = new Histogram({
    name: 'apiserver_admission_webhook_admission_duration_seconds',
    help: 'Admission webhook latency histogram in seconds, identified by name and broken out for each operation and API resource and type (validate or admit).',
    labelNames: ['name', ...labels],
    buckets: [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 25],
    registers,
  });
  readonly #rejections = new Counter({
    name: 'apiserver_admission_webhook_rejection_count',
    help: 'Admission webhook rejection count, identified by name and broken out for each admission type (validating or admit) and operation, with an error type and a rejection code.',
    labelNames: ['name', 'type', 'operation', 'error_type', 'rejection_code'],
    registers,
  });
  readonly #failOpen = new Counter({
    name: 'apiserver_admission_webhook_fail_open_count',
    help: 'Admission webhook fail open count, identified by name and broken out for each admission type (validating or admit).',
    labelNames: ['name', 'type'],
    registers,
  });
  readonly #requests = new Counter({
    name: 'apiserver_admission_webhook_request_total',
    help: 'Admission webhook request total, identified by name and broken out for each admission type (validating or admit) and operation, with the HTTP status code and whether the request was rejected.',
    labelNames: ['name', 'type', 'operation', 'code', 'rejected'],
    registers,
  });
  readonly #checks = { validating: policyChecks('validating', 'Validation'), mutating: policyChecks('mutating', 'Mutation') };

  /** For the server's registry. */
  get all(): readonly Metric[] {
    const policies = Object.values(this.#checks).flatMap(({ total, seconds }): Metric[] => [total, seconds]);
    return [this.#step, this.#controller, this.#webhook, this.#rejections, this.#failOpen, this.#requests, ...policies];
  }

  /** Records a pass through all plugins. */
  step(type: StepType, operation: Operation): Outcomes {
    return new Outcomes((rejected) => this.#step.series(type, operation.toUpperCase(), rejected));
  }

  /** Records the part of one plugin. */
  plugin(name: string, type: StepType, operation: Operation): Outcomes {
    return new Outcomes((rejected) => this.#controller.series(name, type, operation.toUpperCase(), rejected));
  }

  /** Counts a webhook that has answered, or that failed so that the request is refused. @param code of the refusal; 200: allowed */
  webhook(name: string, isMutating: boolean, operation: Operation, code: number, error: string, seconds: number): void {
    const isRejected = code !== 200;
    const named = { name, type: webhookType(isMutating), operation: operation.toUpperCase() };
    const rejected = String(isRejected);
    this.#requests.inc({ ...named, code: boundedCode(code), rejected });
    this.#webhook.observe({ ...named, rejected }, seconds);
    if (isRejected) this.#rejections.inc({ ...named, error_type: error, rejection_code: boundedCode(code) });
  }

  /** Counts a webhook that failed with the policy Ignore. */
  failedOpen(name: string, isMutating: boolean): void {
    this.#failOpen.inc({ name, type: webhookType(isMutating) });
  }

  observe(
    kind: 'validating' | 'mutating',
    { policy, binding }: { policy: string; binding: string },
    error: string,
    action: string,
    seconds: number,
  ): void {
    const named = { policy, policy_binding: binding, error_type: error };
    const { total, seconds: durations } = this.#checks[kind];
    // For mutations upstream has no label for the action.
    const all = kind === 'mutating' ? named : { ...named, enforcement_action: action };
    total.inc(all);
    durations.observe(all, seconds);
  }
}

function policyChecks(kind: string, what: string): { total: Counter; seconds: Histogram } {
  const names = ['policy', 'policy_binding', 'error_type', ...(kind === 'mutating' ? [] : ['enforcement_action'])];
  return {
    total: new Counter({
      name: `apiserver_${kind}_admission_policy_check_total`,
      help: `${what} admission policy check total, labeled by policy and further identified by binding.`,
      labelNames: names,
      registers,
    }),
    seconds: new Histogram({
      name: `apiserver_${kind}_admission_policy_check_duration_seconds`,
      help: `${what} admission latency for individual expressions in seconds, labeled by policy and binding.`,
      labelNames: names,
      buckets: checkBuckets,
      registers,
    }),
  };
}
