/** What the API promises for absent fields of a Deployment. Source: upstream `pkg/apis/apps/v1/defaults.go`. */
import type { Deployment, DeploymentSpec } from '#api/types.generated.ts';

/** Sets the defaults, in place. Those of the pod template are set afterwards (`define-strategy.ts`). */
export function setDeploymentDefaults(deployment: Deployment): void {
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
}
