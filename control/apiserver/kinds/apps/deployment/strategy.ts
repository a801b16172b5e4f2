/** Deployments. Source: upstream `pkg/registry/apps/deployment/strategy.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import { podNameWarnings } from '../../core/pod/template.ts';
import { defineKind } from '../../define-kind.ts';
import { scaleSubresource } from '../../scale.ts';
import { deploymentColumns } from './columns.ts';
import { setDeploymentDefaults } from './defaults.ts';
import { validateDeployment, validateDeploymentStatus } from './validation.ts';

/**
 * Has `/status` and `/scale`. The generation also counts changes of annotations, which the controller copies to the ReplicaSets.
 */
export const deploymentKind = defineKind({
  resource: 'deployments.apps',
  names: nameIsDnsSubdomain,
  defaults: setDeploymentDefaults,
  podTemplate: 'spec.template',
  status: { keeps: ['labels'], validate: validateDeploymentStatus },
  resetFields: { status: { fields: [['f:spec'], ['f:metadata', 'f:labels']] } },
  // Annotations count for the generation: the controller copies them to the ReplicaSets, so their change is work for it.
  generation: ({ spec, metadata }) => [spec, metadata.annotations],
  immutable: ['spec.selector'],
  validate: validateDeployment,
  warnings: podNameWarnings,
  subresources: { scale: scaleSubresource },
  columns: deploymentColumns,
});
