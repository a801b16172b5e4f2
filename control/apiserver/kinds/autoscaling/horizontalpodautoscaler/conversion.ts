/**
 * autoscaling/v1 and v2 are two views of the same stored objects; v2 is what is stored. v1 has a field for the CPU target alone: other
 * metrics, the behavior, conditions and current metrics stand in annotations of its objects, and in no object of v2.
 *
 * Source: upstream `pkg/apis/autoscaling/v1/conversion.go`, `pkg/apis/autoscaling/helpers.go`.
 */
import { DecodeError } from '#api/codec/json.ts';
import type { JsonObject, JsonValue } from '#api/json.ts';
import type { KubeObject } from '#api/meta.ts';
import { ownValue } from '#api/own-value.ts';
import { QuantityError } from '#api/quantity.ts';
import { TimeError } from '#api/time.ts';
import type {
  HorizontalPodAutoscalerBehavior,
  HorizontalPodAutoscalerCondition,
  MetricSpec,
  HorizontalPodAutoscaler as V1,
  AutoscalingV2HorizontalPodAutoscaler as V2,
} from '#api/types.generated.ts';
import type { Conversion } from '../../../catalog.ts';
import { type Submitted, submitted } from '../../../validation/submitted.ts';
import { type Form, FormError, readForm, writeForm } from './go-json-form.ts';
import { metricSpecFromV1, metricSpecToV1, metricStatusFromV1, metricStatusToV1 } from './metric-conversion.ts';
import { behaviorForm, conditions as conditionsForm, metricSpecs, metricStatuses, roundTrip } from './v1-forms.ts';

/** The CPU target, in percent of the requests, of an autoscaler without metrics. */
export const defaultCpuUtilization = 80;

const cpuMetric = (averageUtilization: number): MetricSpec => ({
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } },
});

/** The metrics that an autoscaler without metrics gets: CPU at {@link defaultCpuUtilization}. */
export const defaultMetrics = (): MetricSpec[] => [cpuMetric(defaultCpuUtilization)];

/** The CPU target that v1 has a field for; undefined for any other metric. */
const cpuTarget = ({ type, resource }: MetricSpec): number | undefined =>
  type === 'Resource' && resource?.name === 'cpu' ? resource.target?.averageUtilization : undefined;

/** Removes the annotations that only the conversion may write, in place. Annotations that are absent stay absent (not empty). */
export function dropRoundTrip(metadata: V2['metadata']): void {
  const { annotations } = metadata;
  const names = Object.values(roundTrip);
  if (annotations === undefined || !names.some((name) => Object.hasOwn(annotations, name))) return;
  const kept = Object.entries(annotations).filter(([name]) => !names.some((one) => one === name));
  if (kept.length === 0) delete metadata.annotations;
  else metadata.annotations = Object.fromEntries(kept);
}

/** The v1 view of a stored object. The argument is not changed. */
export function toV1(autoscaler: V2): V1 {
  const { status } = autoscaler;
  const spec: Submitted<V2['spec']> = submitted(autoscaler).spec ?? {};
  const metadata = { ...autoscaler.metadata };
  dropRoundTrip(metadata);
  const { metrics = [] } = spec;
  const others = metrics.filter((metric) => cpuTarget(metric) === undefined);
  const added: [string, string][] = [];
  const annotate = (name: string, value: unknown, form: Form): void =>
    void added.push([name, writeForm(value as JsonValue, form)]);
  if (others.length > 0) annotate(roundTrip.metrics, others.map(metricSpecToV1), metricSpecs);
  const { currentMetrics = [], conditions = [] } = status ?? {};
  if (currentMetrics.length > 0) annotate(roundTrip.currentMetrics, currentMetrics.map(metricStatusToV1), metricStatuses);
  if (spec.behavior !== undefined) annotate(roundTrip.behavior, spec.behavior, behaviorForm);
  if (conditions.length > 0) annotate(roundTrip.conditions, conditions, conditionsForm);
  if (added.length > 0) metadata.annotations = { ...metadata.annotations, ...Object.fromEntries(added) };
  const target = metrics.map(cpuTarget).find((one) => one !== undefined);
  return {
    apiVersion: 'autoscaling/v1',
    kind: autoscaler.kind,
    metadata,
    spec: {
      ...(spec.scaleTargetRef === undefined ? {} : { scaleTargetRef: spec.scaleTargetRef }),
      ...(spec.minReplicas === undefined ? {} : { minReplicas: spec.minReplicas }),
      ...(spec.maxReplicas === undefined ? {} : { maxReplicas: spec.maxReplicas }),
      ...(target === undefined ? {} : { targetCPUUtilizationPercentage: target }),
    } as V1['spec'],
    status: statusToV1(status),
  };
}

function statusToV1(status: V2['status']): V1['status'] {
  const { observedGeneration, lastScaleTime, currentReplicas = 0, desiredReplicas = 0, currentMetrics = [] } = status ?? {};
  const cpu = currentMetrics.findLast(
    ({ type, resource }) => type === 'Resource' && resource?.name === 'cpu' && resource.current?.averageUtilization !== undefined,
  )?.resource?.current.averageUtilization;
  return {
    ...(observedGeneration === undefined ? {} : { observedGeneration }),
    ...(lastScaleTime === undefined ? {} : { lastScaleTime }),
    currentReplicas,
    desiredReplicas,
    ...(cpu === undefined ? {} : { currentCPUUtilizationPercentage: cpu }),
  };
}

/** The stored form (v2) of a v1 object. The argument is not changed. An annotation that cannot be decoded is ignored. */
export function toV2(autoscaler: V1): V2 {
  const spec: Submitted<V1['spec']> = submitted(autoscaler).spec ?? {};
  const annotations = autoscaler.metadata.annotations ?? {};
  const metadata = { ...autoscaler.metadata };
  dropRoundTrip(metadata);
  const read = (name: string, form: Form): JsonValue | undefined => readAnnotation(ownValue(annotations, name), form);
  const others = (read(roundTrip.metrics, metricSpecs) ?? []) as JsonObject[];
  const target = spec.targetCPUUtilizationPercentage;
  const metrics = [...others.map(metricSpecFromV1), ...(target === undefined ? [] : [cpuMetric(target)])];
  const behavior = read(roundTrip.behavior, behaviorForm) as HorizontalPodAutoscalerBehavior | undefined;
  return {
    apiVersion: 'autoscaling/v2',
    kind: autoscaler.kind,
    metadata,
    spec: {
      ...(spec.scaleTargetRef === undefined ? {} : { scaleTargetRef: spec.scaleTargetRef }),
      ...(spec.minReplicas === undefined ? {} : { minReplicas: spec.minReplicas }),
      ...(spec.maxReplicas === undefined ? {} : { maxReplicas: spec.maxReplicas }),
      metrics: metrics.length === 0 ? defaultMetrics() : metrics,
      ...(behavior === undefined || Object.keys(behavior).length === 0 ? {} : { behavior }),
    } as V2['spec'],
    status: statusToV2(autoscaler.status, read),
  };
}

function statusToV2(status: V1['status'], read: (name: string, form: Form) => JsonValue | undefined): V2['status'] {
  const { observedGeneration, lastScaleTime, currentReplicas = 0, desiredReplicas = 0 } = status ?? {};
  const cpu = status?.currentCPUUtilizationPercentage;
  // The annotation is more complete than the field: it also has the raw value.
  const current = read(roundTrip.currentMetrics, metricStatuses) as JsonObject[] | undefined;
  const ofCpu = { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: cpu } } };
  const conditions = read(roundTrip.conditions, conditionsForm) as HorizontalPodAutoscalerCondition[] | undefined;
  return {
    ...(observedGeneration === undefined ? {} : { observedGeneration }),
    ...(lastScaleTime === undefined ? {} : { lastScaleTime }),
    ...(currentReplicas === 0 ? {} : { currentReplicas }),
    desiredReplicas,
    currentMetrics: current?.map(metricStatusFromV1) ?? (cpu === undefined ? [] : [ofCpu]),
    ...(conditions === undefined || conditions.length === 0
      ? {}
      : { conditions: conditions.map((one) => ({ ...one, type: one.type ?? '', status: one.status ?? '' })) }),
  };
}

function readAnnotation(text: string | undefined, form: Form): JsonValue | undefined {
  if (text === undefined) return undefined;
  try {
    return readForm(text, form);
  } catch (error) {
    // Upstream ignores an annotation that it cannot decode, and drops it all the same.
    if ([DecodeError, FormError, QuantityError, TimeError].some((known) => error instanceof known)) return undefined;
    throw error;
  }
}

/**
 * Between v2, the stored form, and v1, which keeps in annotations what it has no fields for. Source: upstream
 * `pkg/apis/autoscaling/v1/conversion.go`.
 */
export const autoscalerConversion: Conversion = {
  fromStored: (stored) => toV1(stored as unknown as V2) as unknown as KubeObject,
  toStored: (served) => toV2(served as unknown as V1) as unknown as KubeObject,
};
