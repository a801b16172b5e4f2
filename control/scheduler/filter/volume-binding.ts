/**
 * Rejects nodes that cannot have the pod's claims: where the bound volumes cannot be used, and where no volume is free, or can be made, for the others.
 * Source: upstream `plugins/volumebinding`.
 */
import type { Pod } from '#api/types.generated.ts';
import { type Filtering, type FilterPlugin, type Rejection, rejectionOf, skip } from '../framework.ts';
import { claimVolumes, decideVolumes, foreignClaim, podClaims } from '../volumes/pod-volumes.ts';
import type { StorageView } from '../volumes/storage-view.ts';

const name = 'VolumeBinding';
const refuse = (...reasons: string[]): Filtering => ({ kind: 'refuse', rejection: rejectionOf(name, false, ...reasons) });

/** The filter VolumeBinding. */
export const volumeBinding: FilterPlugin = {
  name,
  prepare(pod, { storage }) {
    if (claimVolumes(pod).length === 0) return skip;
    const problem = claimProblem(pod, storage);
    if (problem !== undefined) return refuse(problem);
    const claims = podClaims(pod, storage);
    if (claims.immediate.length > 0) return refuse('pod has unbound immediate PersistentVolumeClaims');
    const made = new Map<string, Rejection>();
    return {
      kind: 'check',
      check(info) {
        const decided = decideVolumes(claims, info, storage);
        if ('bindings' in decided) return undefined;
        return made.getOrInsertComputed(decided.join(), () => rejectionOf(name, false, ...decided));
      },
    };
  },
};

/** Why a claim of the pod cannot be used on any node. */
function claimProblem(pod: Pod, storage: StorageView): string | undefined {
  for (const { claimName, volume } of claimVolumes(pod)) {
    const claim = storage.claim(pod.metadata.namespace ?? '', claimName);
    const isEphemeral = volume.ephemeral !== undefined;
    if (claim === undefined)
      return isEphemeral
        ? `waiting for ephemeral volume controller to create the persistentvolumeclaim "${claimName}"`
        : `persistentvolumeclaim "${claimName}" not found`;
    if (claim.status?.phase === 'Lost')
      return `persistentvolumeclaim "${claimName}" bound to non-existent persistentvolume "${claim.spec.volumeName ?? ''}"`;
    if (claim.metadata.deletionTimestamp !== undefined) return `persistentvolumeclaim "${claimName}" is being deleted`;
    const foreign = isEphemeral ? foreignClaim(pod, claim) : undefined;
    if (foreign !== undefined) return foreign;
  }
  return undefined;
}
