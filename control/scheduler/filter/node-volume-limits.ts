/**
 * Rejects nodes that would have more volumes of a CSI driver than its CSINode allows. Volumes of the plugins that were part of Kubernetes are not
 * translated to those of the drivers that stand in for them. Source: upstream `plugins/nodevolumelimits/csi.go`.
 */
import { classOf } from '#api/storage/binding.ts';
import type { PersistentVolumeClaim, Pod } from '#api/types.generated.ts';
import { type FilterPlugin, rejectionOf, skip } from '../framework.ts';
import { claimVolumes, foreignClaim } from '../volumes/pod-volumes.ts';
import type { StorageView } from '../volumes/storage-view.ts';

const name = 'NodeVolumeLimits';
const tooMany = rejectionOf(name, true, 'node(s) exceed max volume count');

/** The filter NodeVolumeLimits. */
export const nodeVolumeLimits: FilterPlugin = {
  name,
  prepare(pod, { storage }) {
    const claims = claimVolumes(pod);
    if (claims.length === 0) return skip;
    const wanted = new Map<string, string>();
    for (const { claimName, volume } of claims) {
      const { namespace = '' } = pod.metadata;
      const claim = storage.claim(namespace, claimName);
      if (claim === undefined) {
        const reason = `looking up PVC ${namespace}/${claimName}: persistentvolumeclaim "${claimName}" not found`;
        return { kind: 'check', check: () => rejectionOf(name, false, reason) };
      }
      const foreign = volume.ephemeral === undefined ? undefined : foreignClaim(pod, claim);
      if (foreign !== undefined) throw new Error(foreign);
      addVolume(wanted, claim, storage);
    }
    if (wanted.size === 0) return skip;
    return {
      kind: 'check',
      check(info) {
        const limits = limitsOf(info.name, storage);
        if (limits.size === 0) return undefined;
        const present = volumesOf(info.pods, storage);
        const attached = attachedTo(info.name, storage);
        for (const [driver, limit] of limits) {
          let count = 0;
          for (const [volume, its] of wanted) if (its === driver && !present.has(volume)) count++;
          // A node that has too many already still takes pods without new ones.
          if (count === 0) continue;
          for (const its of present.values()) if (its === driver) count++;
          for (const [volume, its] of attached) if (its === driver && !present.has(volume)) count++;
          if (count > limit) return tooMany;
        }
        return undefined;
      },
    };
  },
};

/** The number of volumes that the node takes, by driver. Without a number there is no limit. */
function limitsOf(node: string, storage: StorageView): Map<string, number> {
  const limits = new Map<string, number>();
  for (const { name: driver, allocatable } of storage.csiNode(node)?.spec.drivers ?? [])
    if (allocatable?.count !== undefined) limits.set(driver, allocatable.count);
  return limits;
}

/** The drivers of the pods' volumes, by volume. */
function volumesOf(pods: readonly Pod[], storage: StorageView): Map<string, string> {
  const volumes = new Map<string, string>();
  for (const pod of pods)
    for (const { claimName } of claimVolumes(pod)) {
      const claim = storage.claim(pod.metadata.namespace ?? '', claimName);
      if (claim !== undefined) addVolume(volumes, claim, storage);
    }
  return volumes;
}

/** The drivers of volumes that are attached to the node, by volume. */
function attachedTo(node: string, storage: StorageView): Map<string, string> {
  const volumes = new Map<string, string>();
  for (const { spec } of storage.attachments(node)) {
    const csi = storage.volume(spec.source.persistentVolumeName ?? '')?.spec.csi;
    if (csi !== undefined && spec.attacher !== '') volumes.set(`${spec.attacher}/${csi.volumeHandle}`, spec.attacher);
  }
  return volumes;
}

function addVolume(volumes: Map<string, string>, claim: PersistentVolumeClaim, storage: StorageView): void {
  const volume = storage.volume(claim.spec.volumeName ?? '');
  if (volume !== undefined) {
    const { csi } = volume.spec;
    if (csi !== undefined) volumes.set(`${csi.driver}/${csi.volumeHandle}`, csi.driver);
    return;
  }
  // The volume is not made yet. Its claim stands for it.
  const provisioner = storage.storageClass(classOf(claim))?.provisioner ?? '';
  if (provisioner !== '')
    volumes.set(`${provisioner}/${claim.metadata.namespace}/${claim.metadata.name} of no volume yet`, provisioner);
}
