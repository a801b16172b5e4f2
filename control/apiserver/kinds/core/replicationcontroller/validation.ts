/** ReplicationControllers. Source: upstream `pkg/apis/core/validation/validation.go`. */
import { type FieldError, invalidValue, required } from '#api/field-error.ts';
import { labelMatcherOfMap, matchesLabels } from '#api/selector.ts';
import type { PodTemplateSpec, ReplicationController } from '#api/types.generated.ts';
import { validateNonNegative } from '../../../validation/paths.ts';
import { validateLasting, validateTemplate } from '../../../validation/pod-spec/pod-template.ts';
import { validateCounts } from '../../../validation/replica-counts.ts';

/** Problems of the whole spec. The selector may change on update, unlike that of a ReplicaSet. */
export function validateReplicationController({ spec }: ReplicationController): FieldError[] {
  const { selector = {}, template } = spec;
  return [
    ...validateNonNegative(spec.minReadySeconds, 'spec.minReadySeconds'),
    ...(Object.keys(selector).length === 0 ? [required('spec.selector')] : []),
    ...(spec.replicas === undefined ? [required('spec.replicas')] : validateNonNegative(spec.replicas, 'spec.replicas')),
    ...(template === undefined ? [required('spec.template')] : validateSelected(template, selector)),
  ];
}

function validateSelected(template: PodTemplateSpec, selector: Readonly<Record<string, string>>): FieldError[] {
  const labels = template.metadata?.labels;
  const errors: FieldError[] = [];
  if (!matchesLabels(labelMatcherOfMap(selector), labels ?? {}))
    errors.push(invalidValue('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'));
  errors.push(...validateTemplate(template, 'spec.template'));
  return [...errors, ...validateLasting(template, 'spec.template', 'ReplicationController')];
}

/** Problems of a written status: no count is negative, and no part is larger than the whole. */
export function validateReplicationControllerStatus({ status = { replicas: 0 } }: ReplicationController): FieldError[] {
  const parts = ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'] as const;
  return validateCounts(status, ['replicas', ...parts, 'observedGeneration'], parts);
}
