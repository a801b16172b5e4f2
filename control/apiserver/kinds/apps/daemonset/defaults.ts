/** What the API promises for absent fields of a DaemonSet. Source: upstream `pkg/apis/apps/v1/defaults.go`. */
import type { DaemonSet, DaemonSetSpec } from '#api/types.generated.ts';

/** Sets the defaults, in place. Those of the pod template are set afterwards (`define-strategy.ts`). */
export function setDaemonSetDefaults(set: DaemonSet): void {
  set.spec ??= {} as DaemonSetSpec;
  const { spec } = set;
  spec.template ??= {};
  spec.updateStrategy ??= {};
  const { updateStrategy } = spec;
  updateStrategy.type ||= 'RollingUpdate';
  if (updateStrategy.type === 'RollingUpdate')
    updateStrategy.rollingUpdate = { maxUnavailable: 1, maxSurge: 0, ...updateStrategy.rollingUpdate };
  spec.revisionHistoryLimit ??= 10;
}
