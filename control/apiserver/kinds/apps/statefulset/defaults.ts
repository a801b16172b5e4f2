/** What the API promises for absent fields of a StatefulSet. Source: upstream `pkg/apis/apps/v1/{defaults,conversion}.go`. */
import type { PersistentVolumeClaim, StatefulSet, StatefulSetSpec } from '#api/types.generated.ts';

/** Sets the defaults, in place. Those of the pod template are set afterwards (`define-strategy.ts`). */
export function setStatefulSetDefaults(set: StatefulSet): void {
  set.spec ??= {} as StatefulSetSpec;
  const { spec } = set;
  spec.template ??= {};
  spec.podManagementPolicy ||= 'OrderedReady';
  spec.updateStrategy ??= {};
  const { updateStrategy } = spec;
  if (!updateStrategy.type) {
    updateStrategy.type = 'RollingUpdate';
    updateStrategy.rollingUpdate ??= {};
  }
  if (updateStrategy.type === 'RollingUpdate' && updateStrategy.rollingUpdate) updateStrategy.rollingUpdate.partition ??= 0;
  spec.persistentVolumeClaimRetentionPolicy ??= {};
  spec.persistentVolumeClaimRetentionPolicy.whenDeleted ||= 'Retain';
  spec.persistentVolumeClaimRetentionPolicy.whenScaled ||= 'Retain';
  spec.replicas ??= 1;
  spec.revisionHistoryLimit ??= 10;
  for (const claim of spec.volumeClaimTemplates ?? []) setClaimDefaults(claim);
}

function setClaimDefaults(claim: PersistentVolumeClaim): void {
  claim.apiVersion = 'v1';
  claim.kind = 'PersistentVolumeClaim';
  claim.metadata ??= {} as PersistentVolumeClaim['metadata'];
  claim.spec ??= {} as PersistentVolumeClaim['spec'];
  claim.spec.volumeMode ??= 'Filesystem';
  claim.status ??= {};
  claim.status.phase ||= 'Pending';
}
