/**
 * Computes the proposal of one metric of an autoscaler, and the metric's status.
 *
 * Source: kubernetes `pkg/controller/podautoscaler/horizontal.go` (computeReplicasForMetric, computeStatusFor…).
 */
import { errorText } from '#api/error-text.ts';
import { labelMatcher, labelMatcherText } from '#api/selector.ts';
import type { LabelSelector, MetricSpec, MetricStatus, MetricTarget, MetricValueStatus } from '#api/types.generated.ts';
import type { MetricsClient } from './metrics-client.ts';
import { milliQuantity, milliValue, resourceQuantity } from './milli-values.ts';
import {
  type PodFacts,
  type Proposal,
  replicasForAverage,
  replicasForShare,
  replicasForUtilization,
  replicasForValue,
  sumOf,
  type Tolerances,
} from './replica-calculator.ts';

/** The scale target: its pods and replica counts. */
export interface Target {
  namespace: string;
  /** The selector in the scale's status. */
  selector: string;
  specReplicas: number;
  statusReplicas: number;
  facts: PodFacts;
  tolerances: Tolerances;
}

/** The number of replicas that one metric asks for. */
export interface MetricProposal {
  replicas: number;
  /** For events and conditions: `cpu resource utilization (percentage of request)`. */
  name: string;
  status: MetricStatus;
}

/** A metric that cannot be used. */
export class MetricError extends Error {
  override name = 'MetricError';
  /** Reason of the condition ScalingActive and of the event: `FailedGetResourceMetric`. */
  readonly reason: string;
  /** The event's text. */
  readonly inner: string;
  /** Whether the autoscaler's spec is invalid. */
  readonly isSpec: boolean;

  /** @param context upstream's prefix of the text in the error of the whole autoscaler */
  constructor(reason: string, context: string, cause: unknown, isSpec = false) {
    const inner = errorText(cause);
    super(`${context}${inner}`, { cause });
    this.reason = reason;
    this.inner = inner;
    this.isSpec = isSpec;
  }
}

/** @throws MetricError */
export async function proposalFor(metrics: MetricsClient, spec: MetricSpec, target: Target): Promise<MetricProposal> {
  switch (spec.type) {
    case 'Resource':
      return await failingAs('FailedGetResourceMetric', `failed to get ${spec.resource?.name} resource metric value: `, () =>
        ofResource(metrics, spec, target),
      );
    case 'ContainerResource':
      return await failingAs(
        'FailedGetContainerResourceMetric',
        `failed to get ${spec.containerResource?.container} container metric value: `,
        () => ofResource(metrics, spec, target),
      );
    case 'Pods':
      return await failingAs('FailedGetPodsMetric', 'failed to get pods metric value: ', () => ofPods(metrics, spec, target));
    case 'Object':
      return await failingAs('FailedGetObjectMetric', 'failed to get object metric value: ', () =>
        ofObject(metrics, spec, target),
      );
    case 'External':
      return await failingAs(
        'FailedGetExternalMetric',
        `failed to get ${spec.external?.metric.name} external metric value: `,
        () => ofExternal(metrics, spec, target),
      );
    default:
      throw new MetricError(
        'InvalidMetricSourceType',
        '',
        new Error(`unknown metric source type ${JSON.stringify(spec.type)}`),
        true,
      );
  }
}

async function failingAs(reason: string, context: string, work: () => Promise<MetricProposal>): Promise<MetricProposal> {
  try {
    return await work();
  } catch (error) {
    throw new MetricError(reason, context, error);
  }
}

/** Adds upstream's prefix to errors, as Go's error wrapping does. */
async function wrapped<T>(words: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new Error(`${words}${errorText(error)}`, { cause: error });
  }
}

async function ofResource(metrics: MetricsClient, spec: MetricSpec, at: Target): Promise<MetricProposal> {
  const source = spec.containerResource ?? spec.resource;
  if (source === undefined) throw new Error(missingSource(spec));
  const { name, target } = source;
  const container = spec.containerResource?.container ?? '';
  const { averageValue, averageUtilization } = target;
  const values = async () =>
    await wrapped(`unable to get metrics for resource ${name}: `, () =>
      metrics.resource(name, at.namespace, at.selector, container),
    );
  const status = (current: MetricValueStatus): MetricStatus =>
    spec.containerResource === undefined
      ? { type: 'Resource', resource: { name, current } }
      : { type: 'ContainerResource', containerResource: { name, container, current } };
  if (averageValue !== undefined) {
    const { replicas, usage } = await wrapped(`failed to get ${name} usage: `, async () =>
      replicasForAverage(at.specReplicas, milliValue(averageValue), name, await values(), at.tolerances, at.facts),
    );
    return { replicas, name: `${name} resource`, status: status({ averageValue: resourceQuantity(name, usage) }) };
  }
  if (averageUtilization === undefined)
    throw new Error(
      'invalid resource metric source: neither an average utilization target nor an average value (usage) target was set',
    );
  const { replicas, usage, utilization } = await wrapped(`failed to get ${name} utilization: `, async () =>
    replicasForUtilization(at.specReplicas, averageUtilization, name, container, await values(), at.tolerances, at.facts),
  );
  const kind = spec.containerResource === undefined ? 'resource' : 'container resource';
  return {
    replicas,
    name: `${name} ${kind} utilization (percentage of request)`,
    status: status({ averageUtilization: utilization ?? 0, averageValue: resourceQuantity(name, usage) }),
  };
}

async function ofPods(metrics: MetricsClient, spec: MetricSpec, at: Target): Promise<MetricProposal> {
  const { pods } = spec;
  if (pods === undefined) throw new Error(missingSource(spec));
  const { metric, target } = pods;
  const found = await wrapped(`unable to get metric ${metric.name}: `, () =>
    metrics.pods(metric.name, at.namespace, at.selector, selectorText(metric.selector)),
  );
  const wanted = milliValue(target.averageValue ?? '0');
  const { replicas, usage } = replicasForAverage(at.specReplicas, wanted, '', found, at.tolerances, at.facts);
  const current = { averageValue: milliQuantity(usage) };
  return { replicas, name: `pods metric ${metric.name}`, status: { type: 'Pods', pods: { metric, current } } };
}

async function ofObject(metrics: MetricsClient, spec: MetricSpec, at: Target): Promise<MetricProposal> {
  const { object } = spec;
  if (object === undefined) throw new Error(missingSource(spec));
  const { metric, target, describedObject } = object;
  const { kind, name } = describedObject;
  const usageOf = async (): Promise<bigint> => {
    try {
      return await metrics.object(metric.name, at.namespace, describedObject, selectorText(metric.selector));
    } catch (error) {
      const text = `unable to get metric ${metric.name}: ${kind} on ${at.namespace} ${name}/${errorText(error)}`;
      throw new Error(text, { cause: error });
    }
  };
  const done = (proposal: Proposal, current: MetricValueStatus, label: string): MetricProposal => ({
    replicas: proposal.replicas,
    name: label,
    status: { type: 'Object', object: { describedObject, metric, current } },
  });
  if (target.type === 'Value' && target.value !== undefined) {
    const usage = await usageOf();
    const proposal = replicasForValue(at.specReplicas, usage, milliValue(target.value), at.tolerances, at.facts);
    return done(proposal, { value: milliQuantity(usage) }, `${kind} metric ${metric.name}`);
  }
  if (target.type === 'AverageValue' && target.averageValue !== undefined) {
    const wanted = milliValue(target.averageValue);
    const proposal = await wrapped(`failed to get ${metric.name} object metric: `, async () =>
      replicasForShare(at.statusReplicas, await usageOf(), wanted, at.tolerances),
    );
    return done(proposal, { averageValue: milliQuantity(proposal.usage) }, externalName(metric));
  }
  throw new Error('invalid object metric source: neither a value target nor an average value target was set');
}

async function ofExternal(metrics: MetricsClient, spec: MetricSpec, at: Target): Promise<MetricProposal> {
  const { external } = spec;
  if (external === undefined) throw new Error(missingSource(spec));
  const { metric, target } = external;
  const usageOf = async (): Promise<bigint> =>
    sumOf(
      await wrapped(`unable to get external metric ${at.namespace}/${metric.name}/${goSelector(metric.selector)}: `, () =>
        metrics.external(metric.name, at.namespace, selectorText(metric.selector)),
      ),
    );
  const result = (replicas: number, current: MetricValueStatus): MetricProposal => ({
    replicas,
    name: externalName(metric),
    status: { type: 'External', external: { metric, current } },
  });
  const propose = async (work: (usage: bigint) => Proposal, words: string): Promise<Proposal> =>
    await wrapped(words, async () => work(await usageOf()));
  const { averageValue, value }: MetricTarget = target;
  if (averageValue !== undefined) {
    const { replicas, usage } = await propose(
      (used) => replicasForShare(at.statusReplicas, used, milliValue(averageValue), at.tolerances),
      `failed to get ${metric.name} external metric: `,
    );
    return result(replicas, { averageValue: milliQuantity(usage) });
  }
  if (value !== undefined) {
    const { replicas, usage } = await propose(
      (used) => replicasForValue(at.specReplicas, used, milliValue(value), at.tolerances, at.facts),
      `failed to get external metric ${metric.name}: `,
    );
    return result(replicas, { value: milliQuantity(usage) });
  }
  throw new Error('invalid external metric source: neither a value target nor an average value target was set');
}

const missingSource = ({ type }: MetricSpec): string => `the metric of type ${type} says nothing about its source`;
const externalName = ({ name, selector }: { name: string; selector?: LabelSelector | undefined }): string =>
  `external metric ${name}(${goSelector(selector)})`;
/** The selector as text; '' selects everything. @throws SelectorError */
const selectorText = (selector: LabelSelector | undefined): string =>
  selector === undefined ? '' : labelMatcherText(labelMatcher(selector));

/** As Go prints a pointer to it. */
function goSelector(selector: LabelSelector | undefined): string {
  if (selector === undefined) return 'nil';
  const labels = Object.entries(selector.matchLabels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const expressions = (selector.matchExpressions ?? []).map(
    ({ key, operator, values = [] }) =>
      `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${values.join(' ')}],},`,
  );
  const map = labels.map(([key, value]) => `${key}: ${value},`).join('');
  return `&LabelSelector{MatchLabels:map[string]string{${map}},MatchExpressions:[]LabelSelectorRequirement{${expressions.join('')}},}`;
}
