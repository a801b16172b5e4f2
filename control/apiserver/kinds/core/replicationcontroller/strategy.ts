/** ReplicationControllers. Source: upstream `pkg/registry/core/replicationcontroller/strategy.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import { defineKind } from '../../define-kind.ts';
import { scaleSubresource } from '../../scale.ts';
import { podNameWarnings } from '../pod/template.ts';
import { replicationControllerColumns } from './columns.ts';
import { setReplicationControllerDefaults } from './defaults.ts';
import { validateReplicationController, validateReplicationControllerStatus } from './validation.ts';

/** Has `/status` and `/scale`. Deleting one without a propagation policy orphans its pods. */
export const replicationControllerKind = defineKind({
  resource: 'replicationcontrollers',
  names: nameIsDnsSubdomain,
  defaults: setReplicationControllerDefaults,
  podTemplate: 'spec.template',
  // In v1, pods are orphaned unless the client asks otherwise.
  defaultPropagation: 'Orphan',
  status: { initial: () => ({ replicas: 0 }), validate: validateReplicationControllerStatus },
  generation: 'spec',
  validate: validateReplicationController,
  warnings: podNameWarnings,
  fieldSelectors: { 'status.replicas': ({ status }) => String(status?.replicas ?? 0) },
  subresources: { scale: scaleSubresource },
  columns: replicationControllerColumns,
});
