/**
 * HorizontalPodAutoscaler controller: computes the number of replicas of a target from its metrics, and sets it through the subresource
 * `scale`.
 *
 * Owns: -.  Watches: HorizontalPodAutoscaler (and reads Pod).  Writes: HorizontalPodAutoscaler/status, the scale of any kind.
 * Source: kubernetes `pkg/controller/podautoscaler/horizontal.go`; KEP-853 (behavior), KEP-4951 (tolerance).
 */
import { errorText } from '#api/error-text.ts';
import { keyToName, rfc3339, sameJson } from '#api/meta.ts';
import { toNumber } from '#api/quantity.ts';
import type { Resource } from '#api/resources.ts';
import { type LabelMatcher, matchesLabels, parseLabelSelector } from '#api/selector.ts';
import { isConflict } from '#api/status.ts';
import type {
  AutoscalingV2HorizontalPodAutoscaler as Autoscaler,
  HorizontalPodAutoscalerCondition as Condition,
  MetricStatus,
  Pod,
  Scale,
} from '#api/types.generated.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done, requeueAfter } from '#client/controller.ts';
import { own } from '#client/controller-runner.ts';
import { MetricError, type MetricProposal, proposalFor, type Target } from './metric-proposal.ts';
import { createMetricsClient, type MetricsClient } from './metrics-client.ts';
import { type Action, AutoscalerMonitor, type Failure } from './monitor.ts';
import type { Tolerances } from './replica-calculator.ts';
import { type History, normalize, normalizeWithBehavior, noteScaled } from './stabilisation.ts';

/** Upstream's flags `--horizontal-pod-autoscaler-…`. */
export interface HorizontalOptions {
  /** `--concurrent-horizontal-pod-autoscaler-syncs`. */
  concurrency: number;
  syncPeriodMs: number;
  downscaleStabilizationMs: number;
  tolerance: number;
  cpuInitializationPeriodMs: number;
  initialReadinessDelayMs: number;
  monitor?: AutoscalerMonitor | undefined;
  /** Default: reads metrics from the API server. */
  metrics?: MetricsClient | undefined;
}

/** Upstream's defaults. */
export const defaultHorizontal: HorizontalOptions = {
  concurrency: 5,
  syncPeriodMs: 15_000,
  downscaleStabilizationMs: 300_000,
  tolerance: 0.1,
  cpuInitializationPeriodMs: 300_000,
  initialReadinessDelayMs: 30_000,
};

/** client-go's retry.DefaultRetry. */
const writeAttempts = 5;

/** Makes the controller. */
export function horizontalController(deps: ControllerDeps, options: HorizontalOptions): Controller {
  const autoscalers = new HorizontalAutoscalers(deps, options);
  return {
    name: 'horizontal-pod-autoscaler',
    watches: [own('horizontalpodautoscalers.autoscaling')],
    concurrency: options.concurrency,
    async reconcile(key) {
      const untilNextMs = await autoscalers.look(key);
      return untilNextMs === undefined ? done : requeueAfter(untilNextMs);
    },
  };
}

/** A failure of one autoscaler. It is reported in its conditions, and tried again after a period. */
class ScalingError extends Error {
  override name = 'ScalingError';
  readonly failure: Failure;

  constructor(message: string, failure: Failure, options?: ErrorOptions) {
    super(message, options);
    this.failure = failure;
  }
}

interface Known {
  history: History;
  /** Matches the target's pods. Undefined before the scale was read. */
  matcher: LabelMatcher | undefined;
  /** When the autoscaler is reconciled next: once per period, even if it changes more often. */
  nextMs: number;
}

class HorizontalAutoscalers {
  readonly #deps: ControllerDeps;
  readonly #options: HorizontalOptions;
  readonly #monitor: AutoscalerMonitor;
  readonly #metrics: MetricsClient;
  readonly #known = new Map<string, Known>();

  constructor(deps: ControllerDeps, options: HorizontalOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#monitor = options.monitor ?? new AutoscalerMonitor();
    this.#metrics = options.metrics ?? createMetricsClient(deps.client, deps.catalog);
  }

  /** Reconciles if it is time. @returns milliseconds until the next reconcile; undefined when the autoscaler is gone */
  async look(key: string): Promise<number | undefined> {
    const { caches, clock, log } = this.#deps;
    const cached = caches.cache('horizontalpodautoscalers.autoscaling').get(key);
    if (cached === undefined) return this.#forget(key);
    const known = this.#known.get(key) ?? {
      history: { recommendations: [], ups: [], downs: [] },
      matcher: undefined,
      nextMs: 0,
    };
    this.#known.set(key, known);
    this.#monitor.counted(this.#known.size);
    const nowMs = clock.now();
    if (nowMs < known.nextMs) return known.nextMs - nowMs;
    known.nextMs = nowMs + this.#options.syncPeriodMs;
    const startMs = performance.now();
    const run = new Reconciliation(this.#deps, this.#options, this.#metrics, this.#monitor, this.#known, known, cached);
    let failure: Failure = 'none';
    try {
      await run.reconcile();
    } catch (error) {
      failure = error instanceof ScalingError ? error.failure : 'internal';
      log.info({ err: error, autoscaler: key }, 'an autoscaler could not do all of its work; it is looked at again');
    }
    this.#monitor.reconciled(run.action, failure, (performance.now() - startMs) / 1000);
    return this.#options.syncPeriodMs;
  }

  #forget(key: string): undefined {
    this.#known.delete(key);
    const { namespace = '', name } = keyToName(key);
    this.#monitor.forget(namespace, name);
    this.#monitor.counted(this.#known.size);
  }
}

/** One reconcile of one autoscaler. */
class Reconciliation {
  action: Action = 'none';
  readonly #deps: ControllerDeps;
  readonly #options: HorizontalOptions;
  readonly #metrics: MetricsClient;
  readonly #monitor: AutoscalerMonitor;
  readonly #all: ReadonlyMap<string, Known>;
  readonly #known: Known;
  readonly #hpa: Autoscaler;
  readonly #namespace: string;
  #conditions: Condition[];

  constructor(
    deps: ControllerDeps,
    options: HorizontalOptions,
    metrics: MetricsClient,
    monitor: AutoscalerMonitor,
    all: ReadonlyMap<string, Known>,
    known: Known,
    hpa: Autoscaler,
  ) {
    this.#deps = deps;
    this.#options = options;
    this.#metrics = metrics;
    this.#monitor = monitor;
    this.#all = all;
    this.#known = known;
    this.#hpa = hpa;
    this.#namespace = hpa.metadata.namespace ?? '';
    // Drop a condition about scaling to zero: the feature is disabled, so the condition is a leftover.
    this.#conditions = [...(hpa.status?.conditions ?? [])];
  }

  /** @throws ScalingError, ApiError */
  async reconcile(): Promise<void> {
    const { spec } = this.#hpa;
    const { kind, name } = spec.scaleTargetRef;
    const reference = `${kind}/${this.#namespace}/${name}`;
    const { row, scale } = await this.#scale(reference);
    this.#set('AbleToScale', 'True', 'SucceededGetScale', "the HPA controller was able to get the target's current scale");
    const current = scale.spec?.replicas ?? 0;
    const { history } = this.#known;
    if (history.recommendations.length === 0) history.recommendations.push({ replicas: current, atMs: this.#deps.clock.now() });
    const min = spec.minReplicas ?? 1;
    let plan: { desired: number; reason: string; statuses: MetricStatus[] };
    let problem: Error | undefined;
    if (current === 0) {
      this.#set('ScalingActive', 'False', 'ScalingDisabled', 'scaling is disabled since the replica count of the target is zero');
      this.#remove('ScaledToZero');
      plan = { desired: 0, reason: '', statuses: [] };
    } else if (current > spec.maxReplicas)
      plan = { desired: spec.maxReplicas, reason: 'Current number of replicas above Spec.MaxReplicas', statuses: [] };
    else if (current < min) plan = { desired: min, reason: 'Current number of replicas below Spec.MinReplicas', statuses: [] };
    else ({ problem, ...plan } = await this.#byMetrics(reference, scale, current, min));
    if (plan.desired !== current) await this.#rescale(row, scale, current, plan, reference);
    this.#monitor.wanted(this.#namespace, this.#hpa.metadata.name, plan.desired);
    await this.#writeStatus(current, plan.desired, plan.statuses, plan.desired !== current);
    if (problem !== undefined) throw problem;
  }

  /** @throws ScalingError after the conditions have been written */
  async #scale(reference: string): Promise<{ row: Resource; scale: Scale }> {
    const { client, catalog } = this.#deps;
    const { apiVersion = '', kind, name } = this.#hpa.spec.scaleTargetRef;
    const fail = async (error: unknown, words: string, failure: Failure): Promise<never> => {
      const text = errorText(error);
      this.#event('Warning', 'FailedGetScale', text);
      this.#set(
        'AbleToScale',
        'False',
        'FailedGetScale',
        `the HPA controller was unable to get the target's current scale: ${text}`,
      );
      await this.#writeConditions();
      throw new ScalingError(`${words}: ${text}`, failure, { cause: error });
    };
    const parts = apiVersion.split('/');
    if (parts.length > 2)
      return await fail(
        new Error(`unexpected GroupVersion string: ${apiVersion}`),
        'invalid API version in scale target reference',
        'spec',
      );
    const group = parts.length === 2 ? (parts[0] ?? '') : '';
    const rows = catalog.all().filter((one) => one.kind === kind && one.group === group && one.announced);
    if (rows.length === 0)
      return await fail(
        new Error(`no matches for kind ${JSON.stringify(kind)} in group ${JSON.stringify(group)}`),
        'unable to determine resource for scale target reference',
        'internal',
      );
    let first: unknown;
    for (const row of rows) {
      try {
        return { row, scale: await client.getScale(row, { namespace: this.#namespace, name }) };
      } catch (error) {
        first ??= error;
      }
    }
    return await fail(first, `failed to query scale subresource for ${reference}`, 'internal');
  }

  /** @throws ScalingError after the status has been written, when nothing can be decided */
  async #byMetrics(reference: string, scale: Scale, current: number, min: number) {
    const { spec } = this.#hpa;
    const { clock } = this.#deps;
    let computed: Awaited<ReturnType<Reconciliation['computeReplicas']>>;
    try {
      computed = await this.computeReplicas(scale);
    } catch (error) {
      const statuses = error instanceof NoProposalError ? error.statuses : [];
      await this.#writeStatus(current, this.#hpa.status?.desiredReplicas ?? 0, statuses, false);
      this.#event('Warning', 'FailedComputeMetricsReplicas', errorText(error));
      const failure = error instanceof NoProposalError ? error.failure : 'internal';
      const words = `failed to compute desired number of replicas based on listed metrics for ${reference}: `;
      throw new ScalingError(`${words}${errorText(error)}`, failure, { cause: error });
    }
    const { replicas: wanted, metric, statuses, problem } = computed;
    const wish = { current, desired: wanted, min, max: spec.maxReplicas };
    const windowMs = this.#options.downscaleStabilizationMs;
    const { history } = this.#known;
    const decision =
      spec.behavior === undefined
        ? normalize(history, wish, windowMs, clock.now())
        : normalizeWithBehavior(history, wish, spec.behavior, windowMs, clock.now());
    this.#set('AbleToScale', 'True', decision.able.reason, decision.able.message);
    this.#set('ScalingLimited', decision.limited.status, decision.limited.reason, decision.limited.message);
    const reason = wanted > current ? `${metric} above target` : wanted < current ? 'All metrics below target' : '';
    return { desired: decision.replicas, reason, statuses, problem };
  }

  /** The largest proposal of all metrics. @throws NoProposalError when no metric, or too few, can be used */
  async computeReplicas(scale: Scale) {
    const { spec, metadata, status } = this.#hpa;
    const target = this.#target(scale);
    const specs = spec.metrics ?? [];
    const statuses: MetricStatus[] = [];
    let best: MetricProposal | undefined;
    let invalid = 0;
    let first: MetricError | undefined;
    for (const one of specs) {
      const startMs = performance.now();
      let [action, failure]: [Action, Failure] = ['none', 'none'];
      try {
        const proposal = await proposalFor(this.#metrics, one, target);
        statuses.push(proposal.status);
        if (best === undefined || best.replicas === 0 || proposal.replicas > best.replicas) best = proposal;
        const current = status?.currentReplicas ?? 0;
        action = proposal.replicas > current ? 'scale_up' : proposal.replicas < current ? 'scale_down' : 'none';
      } catch (error) {
        if (!(error instanceof MetricError)) throw error;
        this.#event('Warning', error.reason, error.inner);
        // As upstream, whose list has an entry for every metric.
        statuses.push({ type: '' });
        first ??= error;
        invalid += 1;
        failure = error.isSpec ? 'spec' : 'internal';
      }
      this.#monitor.computed(action, failure, one.type, (performance.now() - startMs) / 1000);
    }
    const problem =
      first === undefined
        ? undefined
        : new ScalingError(
            `invalid metrics (${invalid} invalid out of ${specs.length}), first error is: ${first.message}`,
            first.isSpec ? 'spec' : 'internal',
            { cause: first },
          );
    // When some metrics are missing, scale up is allowed but scale down is not.
    if (best === undefined || (first !== undefined && best.replicas < target.specReplicas)) {
      if (first !== undefined)
        this.#set('ScalingActive', 'False', first.reason, `the HPA was unable to compute the replica count: ${first.inner}`);
      const text = problem?.message ?? `the autoscaler ${metadata.name} has no metrics`;
      throw new NoProposalError(text, statuses, problem?.failure ?? 'internal');
    }
    const message = `the HPA was able to successfully calculate a replica count from ${best.name}`;
    this.#set('ScalingActive', 'True', 'ValidMetricFound', message);
    return { replicas: best.replicas, metric: best.name, statuses, problem };
  }

  /** @throws NoProposalError when the scale's selector cannot be used */
  #target(scale: Scale): Target {
    const selector = scale.status?.selector ?? '';
    const fail = (reason: string, text: string, condition: { reason: string; message: string }): never => {
      this.#event('Warning', reason, text);
      this.#set('ScalingActive', 'False', condition.reason, condition.message);
      throw new NoProposalError(text, [], 'internal');
    };
    if (selector === '')
      return fail('SelectorRequired', 'selector is required', {
        reason: 'InvalidSelector',
        message: "the HPA target's scale is missing a selector",
      });
    let matcher: LabelMatcher;
    try {
      matcher = parseLabelSelector(selector);
    } catch (error) {
      const text = `couldn't convert selector into a corresponding internal selector object: ${errorText(error)}`;
      return fail('InvalidSelector', text, { reason: 'InvalidSelector', message: text });
    }
    this.#known.matcher = matcher;
    const pods = this.#deps.caches
      .cache('pods')
      .list(this.#namespace)
      .filter(({ metadata: { labels = {} } }) => matchesLabels(matcher, labels));
    const others = this.#alsoControlling(pods);
    if (others.length > 1) {
      const text = `pods by selector ${selector} are controlled by multiple HPAs: [${others.join(' ')}]`;
      return fail('AmbiguousSelector', text, { reason: 'AmbiguousSelector', message: text });
    }
    const { cpuInitializationPeriodMs, initialReadinessDelayMs } = this.#options;
    return {
      namespace: this.#namespace,
      selector,
      specReplicas: scale.spec?.replicas ?? 0,
      statusReplicas: scale.status?.replicas ?? 0,
      facts: { pods, nowMs: this.#deps.clock.now(), cpuInitializationPeriodMs, initialReadinessDelayMs },
      tolerances: this.#tolerances(),
    };
  }

  /** The autoscalers that select one of these pods, including this one, as Go prints their keys. */
  #alsoControlling(pods: readonly Pod[]): string[] {
    const found: string[] = [];
    for (const [key, { matcher }] of this.#all) {
      const { namespace = '', name } = keyToName(key);
      if (matcher === undefined || namespace !== this.#namespace) continue;
      if (pods.some(({ metadata: { labels = {} } }) => matchesLabels(matcher, labels))) found.push(`{${name} ${namespace}}`);
    }
    return found.sort();
  }

  #tolerances(): Tolerances {
    const { tolerance } = this.#options;
    const { scaleUp, scaleDown } = this.#hpa.spec.behavior ?? {};
    return {
      up: scaleUp?.tolerance === undefined ? tolerance : toNumber(scaleUp.tolerance),
      down: scaleDown?.tolerance === undefined ? tolerance : toNumber(scaleDown.tolerance),
    };
  }

  /** @throws ScalingError after the status has been written */
  async #rescale(
    row: Resource,
    read: Scale,
    current: number,
    { desired, reason, statuses }: { desired: number; reason: string; statuses: MetricStatus[] },
    reference: string,
  ): Promise<void> {
    const { client, clock } = this.#deps;
    let scale = read;
    for (let attempt = 1; ; attempt++) {
      try {
        await client.of(row).update({ ...scale, spec: { ...scale.spec, replicas: desired } } as Scale, { subresource: 'scale' });
        break;
      } catch (error) {
        if (isConflict(error) && attempt < writeAttempts) {
          scale = await client.getScale(row, { namespace: this.#namespace, name: this.#hpa.spec.scaleTargetRef.name });
          continue;
        }
        const text = errorText(error);
        this.#event('Warning', 'FailedRescale', `New size: ${desired}; reason: ${reason}; error: ${text}`);
        this.#set(
          'AbleToScale',
          'False',
          'FailedUpdateScale',
          `the HPA controller was unable to update the target scale: ${text}`,
        );
        await this.#writeStatus(current, this.#hpa.status?.desiredReplicas ?? 0, statuses, false);
        throw new ScalingError(`failed to rescale ${reference}: ${text}`, 'internal', { cause: error });
      }
    }
    const message = `the HPA controller was able to update the target scale to ${desired}`;
    this.#set('AbleToScale', 'True', 'SucceededRescale', message);
    this.#event('Normal', 'SuccessfulRescale', `New size: ${desired}; reason: ${reason}`);
    this.#remove('ScaledToZero');
    noteScaled(this.#known.history, this.#hpa.spec.behavior, current, desired, clock.now());
    this.action = desired > current ? 'scale_up' : 'scale_down';
  }

  #event(type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#deps.events.event(this.#hpa, type, reason, message);
  }

  #set(type: string, status: 'True' | 'False', reason: string, message: string): void {
    const now = rfc3339(this.#deps.clock.now());
    const old = this.#conditions.find((one) => one.type === type);
    const lastTransitionTime = old?.status === status ? old.lastTransitionTime : now;
    const condition: Condition = { type, status, reason, message, lastTransitionTime };
    this.#conditions =
      old === undefined ? [...this.#conditions, condition] : this.#conditions.map((one) => (one.type === type ? condition : one));
  }

  #remove(type: string): void {
    this.#conditions = this.#conditions.filter((one) => one.type !== type);
  }

  /** Writes only the conditions, when the rest of the status is unknown. */
  async #writeConditions(): Promise<void> {
    const { status } = this.#hpa;
    await this.#write({ desiredReplicas: 0, ...status, conditions: this.#conditions });
  }

  async #writeStatus(current: number, desired: number, metrics: MetricStatus[], isScaled: boolean): Promise<void> {
    const lastScaleTime = isScaled ? rfc3339(this.#deps.clock.now()) : this.#hpa.status?.lastScaleTime;
    await this.#write({
      currentReplicas: current,
      desiredReplicas: desired,
      ...(lastScaleTime === undefined ? {} : { lastScaleTime }),
      currentMetrics: metrics,
      conditions: this.#conditions,
    });
  }

  /** @throws ScalingError */
  async #write(status: NonNullable<Autoscaler['status']>): Promise<void> {
    const { currentMetrics = [], ...rest } = status;
    const wanted = { ...rest, currentMetrics: currentMetrics.length === 0 ? null : currentMetrics };
    const { currentMetrics: oldMetrics, ...old } = this.#hpa.status ?? { desiredReplicas: 0 };
    if (sameJson(withoutAbsent(wanted), withoutAbsent({ ...old, currentMetrics: oldMetrics ?? null }))) return;
    try {
      await this.#deps.client
        .resource('horizontalpodautoscalers.autoscaling')
        .updateStatus({ ...this.#hpa, status: { ...rest, ...(currentMetrics.length === 0 ? {} : { currentMetrics }) } });
    } catch (error) {
      const text = errorText(error);
      this.#event('Warning', 'FailedUpdateStatus', text);
      throw new ScalingError(`failed to update status for ${this.#hpa.metadata.name}: ${text}`, 'internal', { cause: error });
    }
  }
}

/** No metric gave a proposal. */
class NoProposalError extends Error {
  override name = 'NoProposalError';
  readonly statuses: MetricStatus[];
  readonly failure: Failure;

  constructor(message: string, statuses: MetricStatus[], failure: Failure) {
    super(message);
    this.statuses = statuses;
    this.failure = failure;
  }
}

const withoutAbsent = (value: object): unknown => JSON.parse(JSON.stringify(value));
