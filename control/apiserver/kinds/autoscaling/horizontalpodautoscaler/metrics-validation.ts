/** The metrics of a HorizontalPodAutoscaler. Source: upstream `pkg/apis/autoscaling/validation/validation.go`. */

import { type FieldError, forbiddenField, invalidValue, notSupported, required } from '#api/field-error.ts';
import type { Quantity } from '#api/json.ts';
import { isDns1123Label, isPathSegmentName } from '#api/names.ts';
import { canonicalQuantity, compareQuantity } from '#api/quantity.ts';
import type {
  ContainerResourceMetricSource,
  ExternalMetricSource,
  MetricIdentifier,
  MetricSpec,
  MetricTarget,
  ObjectMetricSource,
  PodsMetricSource,
  ResourceMetricSource,
} from '#api/types.generated.ts';
import { containerResourceName } from '../../../validation/pod-spec/resources.ts';
import type { Submitted } from '../../../validation/submitted.ts';
import { type ApiVersionRule, validateReference } from './reference-validation.ts';

const sourceTypes = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource'];
const noTarget: MetricTarget = { type: '' };
const nothing = { kind: '', name: '' };
const targetTypes = ['Utilization', 'Value', 'AverageValue'];

/** Metric type → the field that describes its source. */
const fieldOf: Readonly<Record<string, keyof MetricSpec>> = {
  ContainerResource: 'containerResource',
  External: 'external',
  Object: 'object',
  Pods: 'pods',
  Resource: 'resource',
};

/** Problems of `spec.metrics`. @param rule which apiVersions the described objects may have */
export function validateMetrics(
  metrics: readonly MetricSpec[],
  path: string,
  minReplicas: number | undefined,
  rule: ApiVersionRule,
): FieldError[] {
  const errors = metrics.flatMap((metric, index) => validateMetric(metric, `${path}[${index}]`, rule));
  const wakes = metrics.some(({ type }) => type === 'Object' || type === 'External');
  if (minReplicas !== 0 || wakes) return errors;
  const why = 'must specify at least one Object or External metric to support scaling to zero replicas';
  return [...errors, forbiddenField(path, why)];
}

function validateMetric(metric: MetricSpec, path: string, rule: ApiVersionRule): FieldError[] {
  const type = metric.type ?? '';
  const errors: FieldError[] = type === '' ? [required(`${path}.type`, 'must specify a metric source type')] : [];
  const unknown = (): FieldError => notSupported(`${path}.type`, type, sourceTypes);
  if (!sourceTypes.includes(type)) errors.push(unknown());
  const checks: [field: keyof MetricSpec, check: () => FieldError[]][] = [];
  const { object, external, pods, resource, containerResource } = metric;
  if (object !== undefined) checks.push(['object', () => validateObject(object, `${path}.object`, rule)]);
  if (external !== undefined) checks.push(['external', () => validateExternal(external, `${path}.external`)]);
  if (pods !== undefined) checks.push(['pods', () => validatePods(pods, `${path}.pods`)]);
  if (resource !== undefined) checks.push(['resource', () => validateResource(resource, `${path}.resource`)]);
  if (containerResource !== undefined)
    checks.push(['containerResource', () => validateContainerResource(containerResource, `${path}.containerResource`)]);
  // Only the first source is checked: a metric with more than one is refused anyway.
  errors.push(...(checks[0]?.[1]() ?? []));
  const expected = Object.hasOwn(fieldOf, type) ? fieldOf[type] : undefined;
  if (expected === undefined) errors.push(unknown());
  else if (metric[expected] === undefined)
    errors.push(required(`${path}.${expected}`, 'must populate information for the given metric source'));
  if (checks.length === 1) return errors;
  const others = checks.map(([field]) => field).filter((field) => field !== expected);
  return [...errors, ...others.map((field) => forbiddenField(`${path}.${field}`, 'must populate the given metric source only'))];
}

function validateObject(
  { describedObject = nothing, metric, target = noTarget }: Submitted<ObjectMetricSource>,
  path: string,
  rule: ApiVersionRule,
): FieldError[] {
  return [
    ...validateReference(describedObject, `${path}.describedObject`, rule),
    ...validateIdentifier(metric, `${path}.metric`),
    ...validateTarget(target, `${path}.target`),
    ...needsValue(target, `${path}.target.averageValue`, 'must set either a target value or averageValue'),
  ];
}

function validateExternal({ metric, target = noTarget }: Submitted<ExternalMetricSource>, path: string): FieldError[] {
  const both = 'may not set both a target value for metric and a per-pod target';
  return [
    ...validateIdentifier(metric, `${path}.metric`),
    ...validateTarget(target, `${path}.target`),
    ...needsValue(target, `${path}.target.averageValue`, 'must set either a target value for metric or a per-pod target'),
    ...(target.value !== undefined && target.averageValue !== undefined ? [forbiddenField(`${path}.target.value`, both)] : []),
  ];
}

const needsValue = ({ value, averageValue }: Submitted<MetricTarget>, path: string, why: string): FieldError[] =>
  value === undefined && averageValue === undefined ? [required(path, why)] : [];

function validatePods({ metric, target = noTarget }: Submitted<PodsMetricSource>, path: string): FieldError[] {
  return [
    ...validateIdentifier(metric, `${path}.metric`),
    ...validateTarget(target, `${path}.target`),
    ...(target.averageValue === undefined
      ? [required(`${path}.target.averageValue`, 'must specify a positive target averageValue')]
      : []),
  ];
}

function validateResource({ name = '', target = noTarget }: Submitted<ResourceMetricSource>, path: string): FieldError[] {
  return [
    ...(name === '' ? [required(`${path}.name`, 'must specify a resource name')] : []),
    ...validateUsage(target, `${path}.target`),
  ];
}

function validateContainerResource(source: Submitted<ContainerResourceMetricSource>, path: string): FieldError[] {
  const { name = '', container = '', target = noTarget } = source;
  return [
    ...(name === '' ? [required(`${path}.name`, 'must specify a resource name')] : containerResourceName(name, `${path}.name`)),
    ...(container === ''
      ? [required(`${path}.container`, 'must specify a container')]
      : isDns1123Label(container).map((text) => invalidValue(`${path}.container`, container, text))),
    ...validateUsage(target, `${path}.target`),
  ];
}

/** Problems of the target of a resource metric: exactly one of a percentage of the requests and an amount. */
function validateUsage(target: Submitted<MetricTarget>, path: string): FieldError[] {
  const errors = validateTarget(target, path);
  const [hasShare, hasValue] = [target.averageUtilization !== undefined, target.averageValue !== undefined];
  if (!hasShare && !hasValue)
    errors.push(required(`${path}.averageUtilization`, 'must set either a target raw value or a target utilization'));
  if (hasShare && hasValue)
    errors.push(forbiddenField(`${path}.averageValue`, 'may not set both a target raw value and a target utilization'));
  return errors;
}

function validateTarget(
  { type = '', value, averageValue, averageUtilization }: Submitted<MetricTarget>,
  path: string,
): FieldError[] {
  return [
    ...(type === '' ? [required(`${path}.type`, 'must specify a metric target type')] : []),
    ...(targetTypes.includes(type)
      ? []
      : [invalidValue(`${path}.type`, type, 'must be either Utilization, Value, or AverageValue')]),
    ...positive(value, `${path}.value`),
    ...positive(averageValue, `${path}.averageValue`),
    ...(averageUtilization !== undefined && averageUtilization < 1
      ? [invalidValue(`${path}.averageUtilization`, averageUtilization, 'must be greater than 0')]
      : []),
  ];
}

const positive = (value: Quantity | undefined, path: string): FieldError[] =>
  value === undefined || compareQuantity(value, '0') > 0
    ? []
    : [invalidValue(path, canonicalQuantity(value), 'must be positive')];

function validateIdentifier(metric: Submitted<MetricIdentifier> | undefined, path: string): FieldError[] {
  const { name = '' } = metric ?? {};
  if (name === '') return [required(`${path}.name`, 'must specify a metric name')];
  return isPathSegmentName(name).map((text) => invalidValue(`${path}.name`, name, text));
}
