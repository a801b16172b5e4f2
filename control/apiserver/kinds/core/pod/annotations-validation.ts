/** Annotations of pods that mean something to the system. Source: upstream `pkg/apis/core/validation/validation.go`. */

import type { FieldError } from '#api/field-error.ts';
import { forbiddenField, invalidValue } from '#api/field-error.ts';
import { ownValue } from '#api/own-value.ts';
import { mirrorAnnotation, podDeletionCostAnnotation } from '#api/pod/annotations.ts';
import type { Pod, PodSpec, Toleration } from '#api/types.generated.ts';
import {
  AnnotationError,
  annotationValue,
  type GoField,
  goFields,
  goList,
  goStruct,
} from '../../../validation/annotation-json.ts';
import { validateTolerations } from '../../../validation/pod-spec/scheduling.ts';
import { appArmorPrefix, validateProfileAnnotations } from './profile-annotations.ts';

const tolerationsKey = 'scheduler.alpha.kubernetes.io/tolerations';

type Annotations = Readonly<Record<string, string>>;

/**
 * Problems of annotations with a meaning (mirror pods, tolerations, seccomp and AppArmor profiles). Source: upstream
 * `pkg/apis/core/validation` (ValidatePodSpecificAnnotations).
 */
export function validatePodAnnotations(annotations: Annotations, spec: PodSpec, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const mirrored = annotations[mirrorAnnotation];
  if (mirrored !== undefined && !spec.nodeName) {
    errors.push(invalidValue(`${path}[${mirrorAnnotation}]`, mirrored, 'must set spec.nodeName if mirror pod annotation is set'));
  }
  const tolerations = annotations[tolerationsKey] ?? '';
  if (tolerations !== '') errors.push(...validateTolerationsAnnotation(tolerations, path));
  const cost = annotations[podDeletionCostAnnotation];
  if (cost !== undefined && !isInt32(cost))
    errors.push(invalidValue(`${path}[${podDeletionCostAnnotation}]`, cost, 'must be a 32bit integer'));
  return [...errors, ...validateProfileAnnotations(annotations, spec, path)];
}

const tolerationFields: readonly GoField[] = [
  { name: 'Key', kind: 'string', goType: 'string' },
  { name: 'Operator', kind: 'string', goType: 'core.TolerationOperator' },
  { name: 'Value', kind: 'string', goType: 'string' },
  { name: 'Effect', kind: 'string', goType: 'core.TaintEffect' },
  { name: 'TolerationSeconds', kind: 'int64', goType: 'int64' },
];

/**
 * Problems of the tolerations annotation. JSON that cannot be read is reported with the annotation's key as the value, as
 * upstream does.
 */
function validateTolerationsAnnotation(text: string, path: string): FieldError[] {
  try {
    const tolerations = goList(annotationValue(text), '[]core.Toleration').map(
      (item) => goFields(goStruct(item, 'core.Toleration'), 'Toleration', tolerationFields) as Toleration,
    );
    return validateTolerations(tolerations, `${path}.${tolerationsKey}`);
  } catch (error) {
    if (error instanceof AnnotationError) return [invalidValue(path, tolerationsKey, error.message)];
    throw error;
  }
}

/** Whether it is an int32 in its shortest form. Upstream also refuses `+5` and `05`, because controllers sort these values. */
function isInt32(text: string): boolean {
  return /^-?(0|[1-9]\d*)$/.test(text) && Number(text) >= -(2 ** 31) && Number(text) < 2 ** 31 && text !== '-0';
}

/**
 * Annotations with a meaning that an update may not change. Source: upstream `pkg/apis/core/validation`
 * (ValidatePodSpecificAnnotationUpdates).
 */
export function validatePodAnnotationUpdates(pod: Pod, old: Pod, path: string): FieldError[] {
  const now = pod.metadata.annotations ?? {};
  const before = old.metadata.annotations ?? {};
  const errors: FieldError[] = [];
  for (const [key, value] of Object.entries(before)) {
    if (ownValue(now, key) === value) continue;
    if (key.startsWith(appArmorPrefix))
      errors.push(forbiddenField(`${path}[${key}]`, 'may not remove or update AppArmor annotations'));
    if (key === mirrorAnnotation)
      errors.push(forbiddenField(`${path}[${key}]`, 'may not remove or update mirror pod annotation'));
  }
  for (const key of Object.keys(now)) {
    if (Object.hasOwn(before, key)) continue;
    if (key.startsWith(appArmorPrefix)) errors.push(forbiddenField(`${path}[${key}]`, 'may not add AppArmor annotations'));
    if (key === mirrorAnnotation) errors.push(forbiddenField(`${path}[${key}]`, 'may not add mirror pod annotation'));
  }
  return [...errors, ...validatePodAnnotations(now, pod.spec, path)];
}
