/**
 * What is special to Namespaces: the `kubernetes` finalizer that holds one back until its content is gone.
 *
 * Source: upstream `pkg/registry/core/namespace/strategy.go`. (Deletion itself is in lifecycle.ts.)
 */
import type { FieldError } from '#api/field-error.ts';
import { invalidValue } from '#api/field-error.ts';
import { isQualifiedName, nameIsDnsLabel } from '#api/names.ts';
import type { Namespace } from '#api/types.generated.ts';
import type { Strategy } from '../../../registry/strategy.ts';
import { validateKubeFinalizer, validateObjectMeta, validateObjectMetaUpdate } from '../../../validation/object-meta.ts';
import { namespaceTable } from '../../table/plain.ts';
import { namespaceDeletion } from './lifecycle.ts';

const FINALIZER = 'kubernetes';
const NAME_LABEL = 'kubernetes.io/metadata.name';

/** One of `spec.finalizers`; also for `namespaces/finalize`. */
export const validateFinalizer = (name: string, path: string): FieldError[] => [
  ...isQualifiedName(name).map((text) => invalidValue(path, name, text)),
  ...validateKubeFinalizer(name, path),
];

function validateNamespace(namespace: Namespace): FieldError[] {
  return [
    ...validateObjectMeta(namespace.metadata, { namespaced: false, name: nameIsDnsLabel }),
    ...(namespace.spec?.finalizers ?? []).flatMap((name) => validateFinalizer(name, 'spec.finalizers')),
  ];
}

function validateStatus({ metadata, status }: Namespace): FieldError[] {
  const phase = status?.phase ?? '';
  const deleting = metadata.deletionTimestamp !== undefined;
  const expected = deleting ? 'Terminating' : 'Active';
  if (phase === expected) return [];
  return [
    invalidValue('status.Phase', phase, `may only be '${expected}' if \`deletionTimestamp\` is ${deleting ? 'not ' : ''}empty`),
  ];
}

export const namespaceStrategy: Strategy<Namespace> = {
  setDefaults(namespace) {
    namespace.spec ??= {};
    namespace.status ??= {};
    namespace.status.phase ||= 'Active';
    const { metadata } = namespace;
    if (metadata.name) metadata.labels = { ...metadata.labels, [NAME_LABEL]: metadata.name };
  },
  prepareForCreate(namespace) {
    namespace.status = { phase: 'Active' };
    const finalizers = namespace.spec?.finalizers ?? [];
    namespace.spec = { ...namespace.spec, finalizers: finalizers.includes(FINALIZER) ? finalizers : [...finalizers, FINALIZER] };
  },
  prepareForUpdate(namespace, old, _context, subresource) {
    if (subresource === 'status') namespace.spec = old.spec;
    else {
      namespace.spec = { ...namespace.spec, finalizers: old.spec?.finalizers };
      namespace.status = structuredClone(old.status);
    }
  },
  validate: validateNamespace,
  validateUpdate(namespace, old, subresource) {
    const meta = validateObjectMetaUpdate(namespace.metadata, old.metadata);
    return subresource === 'status' ? [...meta, ...validateStatus(namespace)] : [...validateNamespace(namespace), ...meta];
  },
  ...namespaceDeletion,
  selectableFields: ['status.phase', 'name'],
  fields: (namespace) => ({ 'status.phase': namespace.status?.phase ?? '', name: namespace.metadata.name }),
  table: namespaceTable,
};
