/** Deployments. Source: upstream `pkg/apis/apps/validation/validation.go`. */
import type { FieldError } from '#api/field-error.ts';
import { forbiddenField, invalidValue, notSupported, required } from '#api/field-error.ts';
import type { IntOrString } from '#api/json.ts';
import type { Deployment, DeploymentStrategy } from '#api/types.generated.ts';
import { numberOf, validateAtMostAll, validateIntOrPercent } from '../../../validation/int-or-percent.ts';
import { validateNonNegative } from '../../../validation/paths.ts';
import { validateSelectorAndTemplate } from '../../../validation/pod-spec/pod-template.ts';
import { validateCollisions, validateCounts } from '../../../validation/replica-counts.ts';

/**
 * Problems of the spec: selector against template labels, strategy, deadlines (seconds). Source: upstream
 * `pkg/apis/apps/validation` (ValidateDeploymentSpec).
 */
export function validateDeployment({ spec }: Deployment): FieldError[] {
  const { progressDeadlineSeconds: deadline, minReadySeconds = 0 } = spec;
  const errors = [
    ...validateNonNegative(spec.replicas, 'spec.replicas'),
    ...validateSelectorAndTemplate(spec.selector, spec.template ?? {}, 'spec'),
    ...validateStrategy(spec.strategy ?? {}, 'spec.strategy'),
    ...validateNonNegative(spec.minReadySeconds, 'spec.minReadySeconds'),
    ...validateNonNegative(spec.revisionHistoryLimit, 'spec.revisionHistoryLimit'),
    ...validateNonNegative(deadline, 'spec.progressDeadlineSeconds'),
  ];
  if (deadline !== undefined && deadline <= minReadySeconds) {
    errors.push(invalidValue('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds'));
  }
  return errors;
}

function validateStrategy({ type = '', rollingUpdate }: DeploymentStrategy, path: string): FieldError[] {
  const at = `${path}.rollingUpdate`;
  if (type === 'Recreate') {
    return rollingUpdate === undefined ? [] : [forbiddenField(at, "may not be specified when strategy `type` is 'Recreate'")];
  }
  if (type !== 'RollingUpdate') {
    const shown = { Type: type, RollingUpdate: rollingUpdate === undefined ? null : goRollingUpdate(rollingUpdate) };
    return [notSupported(path, shown, ['Recreate', 'RollingUpdate'])];
  }
  if (rollingUpdate === undefined) return [required(at, 'this should be defaulted and never be nil')];
  const { maxUnavailable = 0, maxSurge = 0 } = rollingUpdate;
  const errors = [
    ...validateIntOrPercent(maxUnavailable, `${at}.maxUnavailable`),
    ...validateIntOrPercent(maxSurge, `${at}.maxSurge`),
  ];
  if (numberOf(maxUnavailable) === 0 && numberOf(maxSurge) === 0) {
    errors.push(invalidValue(`${at}.maxUnavailable`, maxUnavailable, 'may not be 0 when `maxSurge` is 0'));
  }
  return [...errors, ...validateAtMostAll(maxUnavailable, `${at}.maxUnavailable`)];
}

const goRollingUpdate = ({
  maxUnavailable = 0,
  maxSurge = 0,
}: {
  maxUnavailable?: IntOrString | undefined;
  maxSurge?: IntOrString | undefined;
}) => ({
  MaxUnavailable: maxUnavailable,
  MaxSurge: maxSurge,
});

/**
 * Problems of a written status: counts that are negative or contradict each other. Source: upstream `pkg/apis/apps/validation`
 * (ValidateDeploymentStatusUpdate).
 */
export function validateDeploymentStatus(deployment: Deployment, old: Deployment): FieldError[] {
  const status = deployment.status ?? {};
  const errors = validateCounts(
    status,
    [
      'observedGeneration',
      'replicas',
      'updatedReplicas',
      'readyReplicas',
      'availableReplicas',
      'unavailableReplicas',
      'terminatingReplicas',
      'collisionCount',
    ],
    ['updatedReplicas', 'readyReplicas', 'availableReplicas'],
  );
  return [...errors, ...validateCollisions(status.collisionCount, old.status?.collisionCount)];
}
