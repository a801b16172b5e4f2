/** RuntimeClasses. Source: upstream `pkg/apis/node/validation/validation.go`. */
import { duplicate, type FieldError, invalidValue, required } from '#api/field-error.ts';
import { validateLabels } from '#api/labels.ts';
import { isDns1123Label } from '#api/names.ts';
import type { RuntimeClass, Scheduling, Toleration } from '#api/types.generated.ts';
import { validateOverhead } from '../../../validation/pod-spec/resources.ts';
import { validateTolerations } from '../../../validation/pod-spec/scheduling.ts';

/** Validates handler, pod overhead and scheduling. Source: upstream `pkg/apis/node/validation` (ValidateRuntimeClass). */
export function validateRuntimeClass({ handler, overhead, scheduling }: RuntimeClass): FieldError[] {
  return [
    ...(handler ? isDns1123Label(handler).map((text) => invalidValue('handler', handler, text)) : [required('handler')]),
    ...validateOverhead(overhead?.podFixed, 'overhead'),
    ...(scheduling === undefined ? [] : validateScheduling(scheduling)),
  ];
}

function validateScheduling({ nodeSelector, tolerations = [] }: Scheduling): FieldError[] {
  return [
    ...validateLabels(nodeSelector, 'scheduling.nodeSelector'),
    ...validateTolerations(tolerations, 'scheduling.tolerations'),
    ...repeated(tolerations),
  ];
}

/** Reports duplicate tolerations. `tolerationSeconds` does not make them different. */
function repeated(tolerations: readonly Toleration[]): FieldError[] {
  const seen = new Set<string>();
  return tolerations.flatMap((toleration, index) => {
    const { key = '', operator = '', value = '', effect = '' } = toleration;
    const listKey = JSON.stringify([key, operator, value, effect]);
    if (seen.has(listKey)) return [duplicate(`scheduling.tolerations[${index}]`, toleration)];
    seen.add(listKey);
    return [];
  });
}
