/**
 * Namespaces: the `kubernetes` finalizer holds one back until its content is gone.
 *
 * Source: upstream `pkg/registry/core/namespace/strategy.go`. (Deletion itself is in lifecycle.ts.)
 */
import { nameIsDnsLabel } from '#api/names.ts';
import { defineKind } from '../../define-kind.ts';
import { namespaceColumns } from './columns.ts';
import { finalizeNamespace } from './finalize.ts';
import { namespaceDeletion } from './lifecycle.ts';
import { validateNamespace, validateNamespaceStatus } from './validation.ts';

const FINALIZER = 'kubernetes';
const NAME_LABEL = 'kubernetes.io/metadata.name';

/** Has `/status` and `/finalize`. Only `/finalize` may change `spec.finalizers`. */
export const namespaceKind = defineKind({
  resource: 'namespaces',
  cluster: true,
  names: nameIsDnsLabel,
  checkedAgain: 'first',
  defaults(object) {
    object.spec ??= {};
    object.status ??= {};
    object.status.phase ||= 'Active';
    const { metadata } = object;
    if (metadata.name) metadata.labels = { ...metadata.labels, [NAME_LABEL]: metadata.name };
  },
  status: { initial: () => ({ phase: 'Active' }), validate: validateNamespaceStatus },
  prepare(object, old) {
    const finalizers = object.spec?.finalizers ?? [];
    const whenNew = finalizers.includes(FINALIZER) ? finalizers : [...finalizers, FINALIZER];
    object.spec = { ...object.spec, finalizers: old === undefined ? whenNew : old.spec?.finalizers };
  },
  validate: validateNamespace,
  ...namespaceDeletion,
  subresources: { finalize: { handlers: { update: finalizeNamespace } } },
  fieldSelectors: { 'status.phase': ({ status }) => status?.phase ?? '', name: ({ metadata }) => metadata.name },
  columns: namespaceColumns,
});
