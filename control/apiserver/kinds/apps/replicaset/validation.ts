/** ReplicaSets. Source: upstream `pkg/apis/apps/validation/validation.go`. */
import type { FieldError } from '#api/field-error.ts';
import type { ReplicaSet } from '#api/types.generated.ts';
import { validateNonNegative } from '../../../validation/paths.ts';
import { validateSelectorAndTemplate } from '../../../validation/pod-spec/pod-template.ts';
import { validateCounts } from '../../../validation/replica-counts.ts';

/**
 * Problems of the spec: selector against template labels, replicas, the template. Source: upstream `pkg/apis/apps/validation`
 * (ValidateReplicaSetSpec).
 */
export function validateReplicaSet({ spec }: ReplicaSet): FieldError[] {
  return [
    ...validateNonNegative(spec.replicas, 'spec.replicas'),
    ...validateNonNegative(spec.minReadySeconds, 'spec.minReadySeconds'),
    ...validateSelectorAndTemplate(spec.selector, spec.template ?? {}, 'spec'),
  ];
}

/**
 * Problems of a written status: counts that are negative or contradict each other. Source: upstream `pkg/apis/apps/validation`
 * (ValidateReplicaSetStatus).
 */
export function validateReplicaSetStatus({ status = { replicas: 0 } }: ReplicaSet): FieldError[] {
  return validateCounts(
    status,
    ['replicas', 'fullyLabeledReplicas', 'readyReplicas', 'availableReplicas', 'observedGeneration', 'terminatingReplicas'],
    ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'],
  );
}
