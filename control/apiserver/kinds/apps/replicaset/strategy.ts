/** ReplicaSets. Source: upstream `pkg/registry/apps/replicaset/strategy.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import { podNameWarnings } from '../../core/pod/template.ts';
import { defineKind } from '../../define-kind.ts';
import { scaleSubresource } from '../../scale.ts';
import { replicaSetColumns } from './columns.ts';
import { setReplicaSetDefaults } from './defaults.ts';
import { validateReplicaSet, validateReplicaSetStatus } from './validation.ts';

/** Has `/status` and `/scale`; `spec.selector` is immutable. */
export const replicaSetKind = defineKind({
  resource: 'replicasets.apps',
  names: nameIsDnsSubdomain,
  defaults: setReplicaSetDefaults,
  podTemplate: 'spec.template',
  status: { initial: () => ({ replicas: 0 }), validate: validateReplicaSetStatus },
  generation: 'spec',
  immutable: ['spec.selector'],
  validate: validateReplicaSet,
  warnings: podNameWarnings,
  fieldSelectors: { 'status.replicas': ({ status }) => String(status?.replicas ?? 0) },
  subresources: { scale: scaleSubresource },
  columns: replicaSetColumns,
});
