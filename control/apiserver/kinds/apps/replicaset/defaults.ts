/** What the API promises for absent fields of a ReplicaSet. Source: upstream `pkg/apis/apps/v1/defaults.go`. */
import type { ReplicaSet, ReplicaSetSpec } from '#api/types.generated.ts';

/** Sets the defaults, in place. Those of the pod template are set afterwards (`define-strategy.ts`). */
export function setReplicaSetDefaults(set: ReplicaSet): void {
  set.spec ??= {} as ReplicaSetSpec;
  set.spec.replicas ??= 1;
  set.spec.template ??= {};
}
