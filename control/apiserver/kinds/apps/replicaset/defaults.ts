/** What the API promises for absent fields of a ReplicaSet. Source: upstream `pkg/apis/apps/v1/defaults.go`. */
import type { ReplicaSet, ReplicaSetSpec } from '#api/types.generated.ts';

/** In place; the template's own come after. */
export function setReplicaSetDefaults(set: ReplicaSet): void {
  set.spec ??= {} as ReplicaSetSpec;
  set.spec.replicas ??= 1;
  set.spec.template ??= {};
}
