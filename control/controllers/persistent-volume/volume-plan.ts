/**
 * What shall become of a volume: available, bound, released, or given back. Pure.
 *
 * Source: kubernetes `pkg/controller/volume/persistentvolume/pv_controller.go` (syncVolume), `pv_controller_base.go`
 * (updateMigrationAnnotations, modifyDeletionFinalizers).
 */
import {
  annotation,
  betaProvisionerAnnotation,
  boundByControllerAnnotation,
  inTreeFinalizer,
  migratedToAnnotation,
  provisionedByAnnotation,
  provisionerAnnotation,
  provisionerFinalizer,
  volumeModeOf,
  withAnnotations,
} from '#api/storage/binding.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '#api/types.generated.ts';
import { csiDriverOf, isInTree } from './volume-plugins.ts';

/**
 * `release`: nobody claims it any more, so its reclaim policy is carried out. `unbind`: the claim got another volume. `mismatch`: the claim
 * cannot use it. `syncClaim`: the claim's turn.
 */
export type VolumePlan =
  | { kind: 'phase'; phase: 'Available' | 'Bound' }
  | { kind: 'release' }
  | { kind: 'unbind' }
  | { kind: 'mismatch' }
  | { kind: 'syncClaim' };

/** @param claim the one that `spec.claimRef` names, UID included; undefined: there is none (any more) */
export function planVolume(volume: PersistentVolume, claim: PersistentVolumeClaim | undefined): VolumePlan {
  const { claimRef } = volume.spec;
  // A reference without UID reserves the volume; the claim's turn binds it.
  if (claimRef === undefined || (claimRef.uid ?? '') === '') return { kind: 'phase', phase: 'Available' };
  if (claim === undefined) return { kind: 'release' };
  const name = claim.spec.volumeName ?? '';
  if (name === '') return { kind: volumeModeOf(claim) === volumeModeOf(volume) ? 'syncClaim' : 'mismatch' };
  if (name === volume.metadata.name) return { kind: 'phase', phase: 'Bound' };
  const isMadeForIt = annotation(volume, provisionedByAnnotation) !== undefined;
  return { kind: isMadeForIt && volume.spec.persistentVolumeReclaimPolicy === 'Delete' ? 'release' : 'unbind' };
}

/** The volume without its binding: free where the controller had chosen it, still reserved where a user had. */
export function unboundVolume(volume: PersistentVolume): PersistentVolume {
  const { metadata, spec } = volume;
  if (annotation(volume, boundByControllerAnnotation) === undefined)
    return { ...volume, spec: { ...spec, claimRef: { ...spec.claimRef, uid: undefined } } };
  return {
    ...volume,
    metadata: withAnnotations(metadata, { [boundByControllerAnnotation]: undefined }),
    spec: { ...spec, claimRef: undefined },
  };
}

/** The claim, told which CSI driver stands in for its provisioner; the same object where nothing changes. */
export function migratedClaim(claim: PersistentVolumeClaim): PersistentVolumeClaim {
  const provisioner = annotation(claim, provisionerAnnotation) ?? annotation(claim, betaProvisionerAnnotation);
  return provisioner === undefined ? claim : migrated(claim, provisioner);
}

/** The volume, told which CSI driver stands in for who made it, with the finalizers that its reclaim policy asks for; the same object where nothing changes. */
export function migratedVolume(volume: PersistentVolume): PersistentVolume {
  const provisioner = annotation(volume, provisionedByAnnotation);
  if (provisioner === undefined) return volume;
  const annotated = migrated(volume, provisioner);
  const { finalizers = [] } = volume.metadata;
  const wanted = finalizersOf(finalizers, provisioner, volume.spec.persistentVolumeReclaimPolicy);
  if (wanted.length === finalizers.length && wanted.every((one, at) => one === finalizers[at])) return annotated;
  return { ...annotated, metadata: { ...annotated.metadata, finalizers: wanted } };
}

function migrated<T extends PersistentVolume | PersistentVolumeClaim>(object: T, provisioner: string): T {
  const driver = csiDriverOf(provisioner);
  if ((annotation(object, migratedToAnnotation) ?? '') === (driver ?? '')) return object;
  return { ...object, metadata: withAnnotations(object.metadata, { [migratedToAnnotation]: driver }) };
}

function finalizersOf(finalizers: readonly string[], provisioner: string, policy: string | undefined): string[] {
  const without = (name: string): string[] => finalizers.filter((one) => one !== name);
  if (csiDriverOf(provisioner) !== undefined) return without(inTreeFinalizer);
  if (!isInTree(provisioner)) return [...finalizers];
  const kept = without(provisionerFinalizer);
  if (policy !== 'Delete') return kept.filter((one) => one !== inTreeFinalizer);
  return kept.includes(inTreeFinalizer) ? kept : [...kept, inTreeFinalizer];
}
