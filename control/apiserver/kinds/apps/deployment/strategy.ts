/** What is special to Deployments. Source: upstream `pkg/registry/apps/deployment/strategy.go`, `pkg/apis/apps/v1/defaults.go`. */
import { nextInt64 } from '#api/int64.ts';
import type { Deployment, DeploymentSpec } from '#api/types.generated.ts';
import type { Strategy } from '../../../registry/strategy.ts';
import { semanticEqual } from '../../../validation/semantic-equal.ts';
import { validateDeployment, validateDeploymentStatusUpdate, validateDeploymentUpdate } from '../../../validation/workloads.ts';
import { setTemplateDefaults, workloadWarnings } from '../../core/pod/template.ts';
import { deploymentTable } from '../../table/workloads.ts';

function setDefaults(deployment: Deployment): void {
  deployment.spec ??= {} as DeploymentSpec;
  const { spec } = deployment;
  spec.template ??= {};
  spec.replicas ??= 1;
  spec.strategy ??= {};
  const { strategy } = spec;
  strategy.type ||= 'RollingUpdate';
  if (strategy.type === 'RollingUpdate')
    strategy.rollingUpdate = { maxUnavailable: '25%', maxSurge: '25%', ...strategy.rollingUpdate };
  spec.revisionHistoryLimit ??= 10;
  spec.progressDeadlineSeconds ??= 600;
  setTemplateDefaults(spec.template);
}

export const deploymentStrategy: Strategy<Deployment> = {
  setDefaults,
  prepareForCreate(deployment) {
    deployment.status = {};
    deployment.metadata.generation = 1;
  },
  prepareForUpdate(deployment, old, _context, subresource) {
    const { metadata } = deployment;
    if (subresource === 'status') {
      deployment.spec = old.spec;
      metadata.labels = old.metadata.labels;
      return;
    }
    deployment.status = old.status;
    // Annotations count: they are copied to the ReplicaSets, which is the controller's work.
    const same = semanticEqual(deployment.spec, old.spec) && semanticEqual(metadata.annotations, old.metadata.annotations);
    metadata.generation = same ? (old.metadata.generation ?? 0) : nextInt64(old.metadata.generation ?? 0);
  },
  validate: validateDeployment,
  validateUpdate: (deployment, old, subresource) =>
    subresource === 'status' ? validateDeploymentStatusUpdate(deployment, old) : validateDeploymentUpdate(deployment, old),
  warnings: (deployment, old) => workloadWarnings(deployment, deployment.spec.template, old),
  table: deploymentTable,
};
