/**
 * Computes bound claims and their status. Pure.
 *
 * Source: kubernetes `pkg/controller/volume/persistentvolume/pv_controller.go` (bindClaimToVolume, updateClaimStatus).
 */
import { ownValue } from '#api/own-value.ts';
import { compareQuantity, isQuantity } from '#api/quantity.ts';
import {
  annotation,
  bindCompletedAnnotation,
  boundByControllerAnnotation,
  preResizeCapacityAnnotation,
  volumeCapacity,
  withAnnotations,
} from '#api/storage/binding.ts';
import type { PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimStatus } from '#api/types.generated.ts';

/** The claim bound to the volume; the same object when it is bound already. */
export function boundClaim(claim: PersistentVolumeClaim, { metadata: { name } }: PersistentVolume): PersistentVolumeClaim {
  const isCompleted = annotation(claim, bindCompletedAnnotation) !== undefined;
  const isNamed = claim.spec.volumeName === name;
  if (isCompleted && isNamed) return claim;
  const byController =
    isNamed || annotation(claim, boundByControllerAnnotation) !== undefined ? {} : { [boundByControllerAnnotation]: 'yes' };
  const completed = isCompleted ? {} : { [bindCompletedAnnotation]: 'yes' };
  return {
    ...claim,
    metadata: withAnnotations(claim.metadata, { ...byController, ...completed }),
    spec: { ...claim.spec, volumeName: name },
  };
}

/** The claim in a phase without a volume; the same object when nothing changes. */
export function claimWithoutVolume(claim: PersistentVolumeClaim, phase: 'Pending' | 'Lost'): PersistentVolumeClaim {
  const { status = {} } = claim;
  const { accessModes, capacity, currentVolumeAttributesClassName: attributes } = status;
  if (status.phase === phase && accessModes === undefined && capacity === undefined && attributes === undefined) return claim;
  return {
    ...claim,
    status: { ...status, phase, accessModes: undefined, capacity: undefined, currentVolumeAttributesClassName: undefined },
  };
}

/** The claim in phase Bound; the same object when nothing changes. */
export function claimWithVolume(claim: PersistentVolumeClaim, volume: PersistentVolume): PersistentVolumeClaim {
  const { status = {} } = claim;
  const { accessModes } = volume.spec;
  const becomesBound = status.phase !== 'Bound';
  if (!becomesBound && sameModes(status.accessModes, accessModes)) return claim;
  return {
    ...claim,
    status: { ...status, phase: 'Bound', accessModes, ...(becomesBound ? whenBecomingBound(status, volume) : {}) },
  };
}

/**
 * These fields are set only when the claim becomes bound. Later, the sizes of claim and volume may differ until the kubelet has expanded
 * the filesystem, and the resizer manages the attributes.
 */
function whenBecomingBound(status: PersistentVolumeClaimStatus, volume: PersistentVolume): Partial<PersistentVolumeClaimStatus> {
  const attributes =
    status.phase === 'Pending' ? { currentVolumeAttributesClassName: volume.spec.volumeAttributesClassName } : {};
  const before = annotation(volume, preResizeCapacityAnnotation);
  if (before !== undefined) {
    const storage = isQuantity(before) ? before : volumeCapacity(volume);
    return { ...attributes, capacity: { ...status.capacity, storage } };
  }
  const known = ownValue(status.capacity ?? {}, 'storage') ?? '0';
  const isCurrent = compareQuantity(volumeCapacity(volume), known) === 0;
  return isCurrent ? attributes : { ...attributes, capacity: volume.spec.capacity };
}

const sameModes = (a: readonly string[] = [], b: readonly string[] = []): boolean =>
  a.length === b.length && a.every((mode, at) => mode === b[at]);
