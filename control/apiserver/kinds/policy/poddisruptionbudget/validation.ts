/** PodDisruptionBudgets. Source: upstream `pkg/apis/policy/validation/validation.go`. */
import { type FieldError, invalidValue, notSupported } from '#api/field-error.ts';
import { validateLabelSelector } from '#api/labels.ts';
import type { PodDisruptionBudget, PodDisruptionBudgetSpec } from '#api/types.generated.ts';
import { validateMetaConditions } from '../../../validation/conditions.ts';
import { goValue } from '../../../validation/go-value.ts';
import { validateAtMostAll, validateIntOrPercent } from '../../../validation/int-or-percent.ts';
import { validateNonNegative } from '../../../validation/paths.ts';

const unhealthyPodEvictionPolicies = ['AlwaysAllow', 'IfHealthyBudget'];

/** Validates a PodDisruptionBudget. @param old undefined on create */
export function validatePodDisruptionBudget({ spec }: PodDisruptionBudget, old: PodDisruptionBudget | undefined): FieldError[] {
  const { minAvailable, maxUnavailable, unhealthyPodEvictionPolicy: policy } = spec;
  const both = minAvailable !== undefined && maxUnavailable !== undefined;
  const shown = (): unknown => goValue('policy/v1.PodDisruptionBudgetSpec', spec, {});
  return [
    ...(both ? [invalidValue('spec', shown(), 'minAvailable and maxUnavailable cannot be both set')] : []),
    ...validateLimit(spec, 'minAvailable'),
    ...validateLimit(spec, 'maxUnavailable'),
    ...validateSelector(spec, old?.spec),
    ...(policy === undefined || unhealthyPodEvictionPolicies.includes(policy)
      ? []
      : [notSupported('spec.unhealthyPodEvictionPolicy', policy, unhealthyPodEvictionPolicies)]),
  ];
}

function validateLimit(spec: PodDisruptionBudgetSpec, field: 'minAvailable' | 'maxUnavailable'): FieldError[] {
  const limit = spec[field];
  if (limit === undefined) return [];
  const path = `spec.${field}`;
  return [...validateIntOrPercent(limit, path), ...validateAtMostAll(limit, path)];
}

/** Validates the selector. Invalid label values stay valid in a budget that was stored before selectors were validated. */
function validateSelector({ selector }: PodDisruptionBudgetSpec, old: PodDisruptionBudgetSpec | undefined): FieldError[] {
  const path = 'spec.selector';
  const errors = validateLabelSelector(selector, path);
  if (errors.length === 0 || old === undefined || validateLabelSelector(old.selector, path).length === 0) return errors;
  return errors.filter(({ field }) => !/\.values\[\d+\]$/.test(field));
}

/** Validates the status: counts are not negative, and conditions are well formed. */
export function validatePodDisruptionBudgetStatus({ status = {} }: PodDisruptionBudget): FieldError[] {
  const counts = ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'] as const;
  return [
    ...validateMetaConditions(status.conditions ?? [], 'status.conditions'),
    ...counts.flatMap((count) => validateNonNegative(status[count], `status.${count}`)),
  ];
}
