/**
 * Expansion of a node-local volume. A folder needs no resize, so only the sizes in both objects change. Pure.
 *
 * Source: external-resizer `pkg/controller` (markPVCResizeFinished).
 */
import { ownValue } from '#api/own-value.ts';
import { compareQuantity } from '#api/quantity.ts';
import { requestedStorage, volumeCapacity } from '#api/storage/binding.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '#api/types.generated.ts';

/** The volume with the size that its claim requests; the same object when it is large enough. Volumes never shrink. */
export function grownVolume(volume: PersistentVolume, claim: PersistentVolumeClaim): PersistentVolume {
  const isBound = claim.status?.phase === 'Bound' && volume.spec.claimRef?.uid === claim.metadata.uid;
  if (!isBound || compareQuantity(requestedStorage(claim), volumeCapacity(volume)) <= 0) return volume;
  const capacity = { ...volume.spec.capacity, storage: requestedStorage(claim) };
  return { ...volume, spec: { ...volume.spec, capacity } };
}

/** The claim with the volume's size in its status; the same object when nothing changes. */
export function resizedClaim(claim: PersistentVolumeClaim, volume: PersistentVolume): PersistentVolumeClaim {
  const { status } = claim;
  if (status?.phase !== 'Bound' || volume.spec.claimRef?.uid !== claim.metadata.uid) return claim;
  const shown = ownValue(status.capacity ?? {}, 'storage') ?? '0';
  if (compareQuantity(volumeCapacity(volume), shown) <= 0) return claim;
  return { ...claim, status: { ...status, capacity: { ...status.capacity, storage: volumeCapacity(volume) } } };
}
