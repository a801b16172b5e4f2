/** Namespaces. Source: upstream `pkg/apis/core/validation/validation.go`, ValidateNamespace. */
import type { FieldError } from '#api/field-error.ts';
import { invalidValue } from '#api/field-error.ts';
import { isQualifiedName } from '#api/names.ts';
import { validateKubeFinalizer } from '#api/object-meta.ts';
import type { Namespace } from '#api/types.generated.ts';

/** Problems of one entry of `spec.finalizers`; used for `namespaces/finalize`, too. */
export const validateFinalizer = (name: string, path: string): FieldError[] => [
  ...isQualifiedName(name).map((text) => invalidValue(path, name, text)),
  ...validateKubeFinalizer(name, path),
];

/** Problems of `spec.finalizers`. Source: upstream `pkg/apis/core/validation` (ValidateNamespace). */
export function validateNamespace({ spec }: Namespace): FieldError[] {
  return (spec?.finalizers ?? []).flatMap((name) => validateFinalizer(name, 'spec.finalizers'));
}

/** Problems of the status: the phase must be Terminating exactly if there is a deletionTimestamp. */
export function validateNamespaceStatus({ metadata, status }: Namespace): FieldError[] {
  const phase = status?.phase ?? '';
  const deleting = metadata.deletionTimestamp !== undefined;
  const expected = deleting ? 'Terminating' : 'Active';
  if (phase === expected) return [];
  return [
    invalidValue('status.Phase', phase, `may only be '${expected}' if \`deletionTimestamp\` is ${deleting ? 'not ' : ''}empty`),
  ];
}
