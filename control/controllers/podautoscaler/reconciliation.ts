/**
 * One reconcile of one autoscaler: reads the scale, computes the replicas, and writes scale and status.
 *
 * Source: kubernetes `pkg/controller/podautoscaler/horizontal.go` (reconcileAutoscaler).
 */
import { errorText } from '#api/error-text.ts';
import type { Resource } from '#api/resources.ts';
import { isConflict } from '#api/status.ts';
import type { AutoscalingV2HorizontalPodAutoscaler as Autoscaler, MetricStatus, Scale } from '#api/types.generated.ts';
import type { ControllerDeps } from '#client/controller.ts';
import { AutoscalerStatus } from './autoscaler-status.ts';
import type { HorizontalOptions } from './horizontal-options.ts';
import { MetricError, type MetricProposal, proposalFor } from './metric-proposal.ts';
import type { MetricsClient } from './metrics-client.ts';
import type { Action, AutoscalerMonitor, Failure } from './monitor.ts';
import { type Known, readScale, type TargetInputs, targetOf } from './scale-target.ts';
import { NoProposalError, ScalingError } from './scaling-error.ts';
import { normalize, normalizeWithBehavior, noteScaled } from './stabilisation.ts';

/** client-go's retry.DefaultRetry. */
const writeAttempts = 5;

/** One reconcile of one autoscaler. */
export class Reconciliation {
  action: Action = 'none';
  readonly #deps: ControllerDeps;
  readonly #options: HorizontalOptions;
  readonly #metrics: MetricsClient;
  readonly #monitor: AutoscalerMonitor;
  readonly #all: ReadonlyMap<string, Known>;
  readonly #known: Known;
  readonly #hpa: Autoscaler;
  readonly #namespace: string;
  readonly #status: AutoscalerStatus;

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
    this.#status = new AutoscalerStatus(deps, hpa);
  }

  get #targetInputs(): TargetInputs {
    const [deps, options, known, all, hpa, status] = [this.#deps, this.#options, this.#known, this.#all, this.#hpa, this.#status];
    return { deps, options, known, all, hpa, status };
  }

  /** @throws ScalingError, ApiError */
  async reconcile(): Promise<void> {
    const { spec } = this.#hpa;
    const { kind, name } = spec.scaleTargetRef;
    const reference = `${kind}/${this.#namespace}/${name}`;
    const { row, scale } = await readScale(this.#deps, this.#hpa, this.#status, reference);
    this.#status.set('AbleToScale', 'True', 'SucceededGetScale', "the HPA controller was able to get the target's current scale");
    const current = scale.spec?.replicas ?? 0;
    const { history } = this.#known;
    if (history.recommendations.length === 0) history.recommendations.push({ replicas: current, atMs: this.#deps.clock.now() });
    const min = spec.minReplicas ?? 1;
    let plan: { desired: number; reason: string; statuses: MetricStatus[] };
    let problem: Error | undefined;
    if (current === 0) {
      this.#status.set(
        'ScalingActive',
        'False',
        'ScalingDisabled',
        'scaling is disabled since the replica count of the target is zero',
      );
      this.#status.remove('ScaledToZero');
      plan = { desired: 0, reason: '', statuses: [] };
    } else if (current > spec.maxReplicas)
      plan = { desired: spec.maxReplicas, reason: 'Current number of replicas above Spec.MaxReplicas', statuses: [] };
    else if (current < min) plan = { desired: min, reason: 'Current number of replicas below Spec.MinReplicas', statuses: [] };
    else ({ problem, ...plan } = await this.#byMetrics(reference, scale, current, min));
    if (plan.desired !== current) await this.#rescale(row, scale, current, plan, reference);
    this.#monitor.wanted(this.#namespace, this.#hpa.metadata.name, plan.desired);
    await this.#status.write(current, plan.desired, plan.statuses, plan.desired !== current);
    if (problem !== undefined) throw problem;
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
      await this.#status.write(current, this.#hpa.status?.desiredReplicas ?? 0, statuses, false);
      this.#status.event('Warning', 'FailedComputeMetricsReplicas', errorText(error));
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
    this.#status.set('AbleToScale', 'True', decision.able.reason, decision.able.message);
    this.#status.set('ScalingLimited', decision.limited.status, decision.limited.reason, decision.limited.message);
    const reason = wanted > current ? `${metric} above target` : wanted < current ? 'All metrics below target' : '';
    return { desired: decision.replicas, reason, statuses, problem };
  }

  /** The largest proposal of all metrics. @throws NoProposalError when no metric, or too few, can be used */
  async computeReplicas(scale: Scale) {
    const { spec, metadata, status } = this.#hpa;
    const target = targetOf(this.#targetInputs, scale);
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
        this.#status.event('Warning', error.reason, error.inner);
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
        this.#status.set(
          'ScalingActive',
          'False',
          first.reason,
          `the HPA was unable to compute the replica count: ${first.inner}`,
        );
      const text = problem?.message ?? `the autoscaler ${metadata.name} has no metrics`;
      throw new NoProposalError(text, statuses, problem?.failure ?? 'internal');
    }
    const message = `the HPA was able to successfully calculate a replica count from ${best.name}`;
    this.#status.set('ScalingActive', 'True', 'ValidMetricFound', message);
    return { replicas: best.replicas, metric: best.name, statuses, problem };
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
        this.#status.event('Warning', 'FailedRescale', `New size: ${desired}; reason: ${reason}; error: ${text}`);
        this.#status.set(
          'AbleToScale',
          'False',
          'FailedUpdateScale',
          `the HPA controller was unable to update the target scale: ${text}`,
        );
        await this.#status.write(current, this.#hpa.status?.desiredReplicas ?? 0, statuses, false);
        throw new ScalingError(`failed to rescale ${reference}: ${text}`, 'internal', { cause: error });
      }
    }
    const message = `the HPA controller was able to update the target scale to ${desired}`;
    this.#status.set('AbleToScale', 'True', 'SucceededRescale', message);
    this.#status.event('Normal', 'SuccessfulRescale', `New size: ${desired}; reason: ${reason}`);
    this.#status.remove('ScaledToZero');
    noteScaled(this.#known.history, this.#hpa.spec.behavior, current, desired, clock.now());
    this.action = desired > current ? 'scale_up' : 'scale_down';
  }
}
