/** HorizontalPodAutoscalers. Source: upstream `pkg/apis/autoscaling/validation/validation.go`, `pkg/registry/autoscaling/horizontalpodautoscaler/strategy.go`. */
import { type FieldError, invalidValue, notSupported, required } from '#api/field-error.ts';
import { canonicalQuantity, compareQuantity } from '#api/quantity.ts';
import type { HPAScalingPolicy, HPAScalingRules, AutoscalingV2HorizontalPodAutoscaler as V2 } from '#api/types.generated.ts';
import { validateNonNegative } from '../../../validation/paths.ts';
import type { Submitted } from '../../../validation/submitted.ts';
import { validateMetrics } from './metrics-validation.ts';
import { type ApiVersionRule, apiVersionError, type Reference, validateReference } from './reference-validation.ts';

const maxPeriodSeconds = 1800;
const maxStabilizationWindowSeconds = 3600;
const selectPolicies = ['Disabled', 'Max', 'Min'];
const policyTypes = ['Percent', 'Pods'];

/** Problems of the spec. @param old undefined on create */
export function validateAutoscaler({ spec }: V2, old: V2 | undefined): FieldError[] {
  const { minReplicas, maxReplicas = 0, scaleTargetRef = {}, metrics = [], behavior } = spec as Submitted<V2['spec']>;
  // Scaling to zero is an alpha feature (HPAScaleToZero). An autoscaler that is stored with zero keeps it.
  const lowest = old?.spec.minReplicas === 0 ? 0 : 1;
  const errors: FieldError[] = [];
  if (minReplicas !== undefined && minReplicas < lowest)
    errors.push(invalidValue('spec.minReplicas', minReplicas, `must be greater than or equal to ${lowest}`));
  if (maxReplicas === 0) errors.push(required('spec.maxReplicas', 'must be set and greater than 0'));
  else if (maxReplicas < 0) errors.push(invalidValue('spec.maxReplicas', maxReplicas, 'must be greater than or equal to 1'));
  if (minReplicas !== undefined && maxReplicas < minReplicas)
    errors.push(invalidValue('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`'));
  return [
    ...errors,
    ...validateReference(scaleTargetRef, 'spec.scaleTargetRef', targetRule(scaleTargetRef, old?.spec.scaleTargetRef)),
    ...validateMetrics(metrics, 'spec.metrics', minReplicas, objectMetricRule(old)),
    ...(behavior === undefined
      ? []
      : [
          ...validateRules(behavior.scaleUp, 'spec.behavior.scaleUp'),
          ...validateRules(behavior.scaleDown, 'spec.behavior.scaleDown'),
        ]),
  ];
}

/** Which apiVersion the scale target may have. In the core group only ReplicationControllers can be scaled. */
function targetRule(target: Reference, old: Reference | undefined): ApiVersionRule {
  if (old !== undefined && old.apiVersion === target.apiVersion && old.kind === target.kind) return 'anything';
  return target.kind === 'ReplicationController' ? 'any group' : 'group';
}

/** Which apiVersion object metrics may have: any, if the stored object has a wrong one already. */
function objectMetricRule(old: V2 | undefined): ApiVersionRule {
  const wrong = (old?.spec.metrics ?? []).some(
    ({ type, object }) =>
      type === 'Object' && object !== undefined && apiVersionError(object.describedObject?.apiVersion ?? '', 'any group') !== '',
  );
  return wrong ? 'anything' : 'any group';
}

function validateRules(rules: HPAScalingRules | undefined, path: string): FieldError[] {
  if (rules === undefined) return [];
  const { stabilizationWindowSeconds: window, selectPolicy, policies = [], tolerance } = rules;
  const errors: FieldError[] = [];
  const windowAt = `${path}.stabilizationWindowSeconds`;
  if (window !== undefined && window < 0) errors.push(invalidValue(windowAt, window, 'must be greater than or equal to zero'));
  if (window !== undefined && window > maxStabilizationWindowSeconds)
    errors.push(invalidValue(windowAt, window, `must be less than or equal to ${maxStabilizationWindowSeconds}`));
  if (selectPolicy !== undefined && !selectPolicies.includes(selectPolicy))
    errors.push(notSupported(`${path}.selectPolicy`, selectPolicy, selectPolicies));
  if (policies.length === 0) errors.push(required(`${path}.policies`, 'must specify at least one Policy'));
  errors.push(...policies.flatMap((policy, index) => validatePolicy(policy, `${path}.policies[${index}]`)));
  if (tolerance !== undefined && compareQuantity(tolerance, '0') < 0)
    errors.push(invalidValue(`${path}.tolerance`, canonicalQuantity(tolerance), 'must be greater than or equal to 0'));
  return errors;
}

function validatePolicy(
  { type = '', value = 0, periodSeconds: period = 0 }: Submitted<HPAScalingPolicy>,
  path: string,
): FieldError[] {
  return [
    ...(policyTypes.includes(type) ? [] : [notSupported(`${path}.type`, type, policyTypes)]),
    ...(value > 0 ? [] : [invalidValue(`${path}.value`, value, 'must be greater than zero')]),
    ...(period > 0 ? [] : [invalidValue(`${path}.periodSeconds`, period, 'must be greater than zero')]),
    ...(period > maxPeriodSeconds
      ? [invalidValue(`${path}.periodSeconds`, period, `must be less than or equal to ${maxPeriodSeconds}`)]
      : []),
  ];
}

/**
 * Problems of a written status: negative numbers of replicas, malformed metrics. Source: upstream
 * `pkg/apis/autoscaling/validation`.
 */
export const validateAutoscalerStatus = ({ status }: V2): FieldError[] => [
  ...validateNonNegative(status?.currentReplicas, 'status.currentReplicas'),
  ...validateNonNegative(status?.desiredReplicas, 'status.desiredReplicas'),
];
