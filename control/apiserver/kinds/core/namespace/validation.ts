/** Namespaces. Source: upstream `pkg/apis/core/validation/validation.go`, ValidateNamespace. */
import type { FieldError } from '#api/field-error.ts';
import { invalidValue } from '#api/field-error.ts';
import { isQualifiedName } from '#api/names.ts';
import { validateKubeFinalizer } from '#api/object-meta.ts';
import type { Namespace } from '#api/types.generated.ts';

/** One of `spec.finalizers`; also for `namespaces/finalize`. */
export const validateFinalizer = (name: string, path: string): FieldError[] => [
  ...isQualifiedName(name).map((text) => invalidValue(path, name, text)),
  ...validateKubeFinalizer(name, path),
];

/** Problems of `spec.finalizers`. Source: upstream `pkg/apis/core/validation` (ValidateNamespace). */
export function validateNamespace({ spec }: Namespace): FieldError[] {
  return (spec?.finalizers ?? []).flatMap((name) => validateFinalizer(name, 'spec.finalizers'));
}

/** The phase is the one that the deletion timestamp says. */
export function validateNamespaceStatus({ metadata, status }: Namespace): FieldError[] {
  const phase = status?.phase ?? '';
  const deleting = metadata.deletionTimestamp !== undefined;
  const expected = deleting ? 'Terminating' : 'Active';
  if (phase === expected) return [];
  return [
    invalidValue('status.Phase', phase, `may only be '${expected}' if \`deletionTimestamp\` is ${deleting ? 'not ' : ''}empty`),
  ];
}
