/**
 * Rejects nodes where another pod has a volume that only one may have, and all nodes while another pod has a claim of mode ReadWriteOncePod.
 * Source: upstream `plugins/volumerestrictions`.
 */
import type { Pod, Volume } from '#api/types.generated.ts';
import { type FilterPlugin, rejectionOf, skip } from '../framework.ts';

const name = 'VolumeRestrictions';
const diskConflict = rejectionOf(name, true, 'node(s) had no available disk');
const inUse = rejectionOf(
  name,
  true,
  'node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod',
);

/** The filter VolumeRestrictions. */
export const volumeRestrictions: FilterPlugin = {
  name,
  prepare({ metadata, spec }, { storage, podIndex }) {
    const { namespace = '' } = metadata;
    const disks = (spec.volumes ?? []).filter(isRestricted);
    const exclusive = new Set<string>();
    for (const { persistentVolumeClaim } of spec.volumes ?? []) {
      if (persistentVolumeClaim === undefined) continue;
      const claim = storage.claim(namespace, persistentVolumeClaim.claimName);
      if (claim === undefined) {
        const reason = `persistentvolumeclaim "${persistentVolumeClaim.claimName}" not found`;
        return { kind: 'refuse', rejection: rejectionOf(name, false, reason) };
      }
      if (claim.spec.accessModes?.includes('ReadWriteOncePod') === true) exclusive.add(claim.metadata.name);
    }
    let users = 0;
    for (const claim of exclusive) if (podIndex.usesOfClaim(`${namespace}/${claim}`) > 0) users++;
    if (disks.length === 0 && users === 0) return skip;
    const usesOf = (pods: readonly Pod[]): number => {
      let uses = 0;
      for (const pod of pods)
        for (const { persistentVolumeClaim } of pod.metadata.namespace === namespace ? (pod.spec.volumes ?? []) : [])
          if (persistentVolumeClaim !== undefined && exclusive.has(persistentVolumeClaim.claimName)) uses++;
      return uses;
    };
    return {
      kind: 'check',
      check(info, changes) {
        if (disks.length > 0 && info.pods.some((other) => conflicts(disks, other))) return diskConflict;
        const now = changes === undefined ? users : users + usesOf(changes.added) - usesOf(changes.removed);
        return now > 0 ? inUse : undefined;
      },
    };
  },
};

/** Whether a volume of the pod is a disk that one of the other pod is, too, and both may not have it. */
export const conflictsInDisks = ({ spec }: Pod, other: Pod): boolean =>
  conflicts((spec.volumes ?? []).filter(isRestricted), other);

const isRestricted = ({ gcePersistentDisk, awsElasticBlockStore, rbd, iscsi }: Volume): boolean =>
  gcePersistentDisk !== undefined || awsElasticBlockStore !== undefined || rbd !== undefined || iscsi !== undefined;

const conflicts = (disks: readonly Volume[], { spec }: Pod): boolean =>
  (spec.volumes ?? []).some((theirs) => isRestricted(theirs) && disks.some((ours) => isSameDisk(ours, theirs)));

/** Whether both are one disk. All but EBS may be shared by those who only read. */
function isSameDisk(a: Volume, b: Volume): boolean {
  if (a.gcePersistentDisk !== undefined && b.gcePersistentDisk !== undefined) {
    const [one, other] = [a.gcePersistentDisk, b.gcePersistentDisk];
    if (one.pdName === other.pdName && !(one.readOnly === true && other.readOnly === true)) return true;
  }
  if (a.awsElasticBlockStore !== undefined && b.awsElasticBlockStore !== undefined)
    if (a.awsElasticBlockStore.volumeID === b.awsElasticBlockStore.volumeID) return true;
  if (a.iscsi !== undefined && b.iscsi !== undefined)
    if (a.iscsi.iqn === b.iscsi.iqn && !(a.iscsi.readOnly === true && b.iscsi.readOnly === true)) return true;
  if (a.rbd === undefined || b.rbd === undefined) return false;
  const [one, other] = [a.rbd, b.rbd];
  const monitors = new Set(one.monitors);
  return (
    other.monitors.some((monitor) => monitors.has(monitor)) &&
    (one.pool ?? 'rbd') === (other.pool ?? 'rbd') &&
    one.image === other.image &&
    !(one.readOnly === true && other.readOnly === true)
  );
}
