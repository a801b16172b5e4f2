/**
 * Plans the next step of a volume: available, bound, released or unbound. Pure.
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
 * `release`: its claim is gone, so the reclaim policy is carried out. `unbind`: the claim is bound to another volume. `mismatch`: the claim
 * cannot use the volume. `syncClaim`: reconcile the claim.
 */
export type VolumePlan =
  | { kind: 'phase'; phase: 'Available' | 'Bound' }
  | { kind: 'release' }
  | { kind: 'unbind' }
  | { kind: 'mismatch' }
  | { kind: 'syncClaim' };

/** Plans a volume. @param claim the claim that `spec.claimRef` names, with the same UID; undefined when it does not exist (any more) */
export function planVolume(volume: PersistentVolume, claim: PersistentVolumeClaim | undefined): VolumePlan {
  const { claimRef } = volume.spec;
  // A reference without UID only reserves the volume. Reconciling the claim binds it.
  if (claimRef === undefined || (claimRef.uid ?? '') === '') return { kind: 'phase', phase: 'Available' };
  if (claim === undefined) return { kind: 'release' };
  const name = claim.spec.volumeName ?? '';
  if (name === '') return { kind: volumeModeOf(claim) === volumeModeOf(volume) ? 'syncClaim' : 'mismatch' };
  if (name === volume.metadata.name) return { kind: 'phase', phase: 'Bound' };
  const isMadeForIt = annotation(volume, provisionedByAnnotation) !== undefined;
  return { kind: isMadeForIt && volume.spec.persistentVolumeReclaimPolicy === 'Delete' ? 'release' : 'unbind' };
}

/** The volume without its binding. It stays reserved if a user has set the reference. */
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

/** The claim with the annotation of the CSI driver that replaces its in-tree provisioner; the same object when nothing changes. */
export function migratedClaim(claim: PersistentVolumeClaim): PersistentVolumeClaim {
  const provisioner = annotation(claim, provisionerAnnotation) ?? annotation(claim, betaProvisionerAnnotation);
  return provisioner === undefined ? claim : migrated(claim, provisioner);
}

/**
 * The volume with the annotation of the CSI driver that replaces its in-tree plugin, and with the finalizers for its reclaim policy; the
 * same object when nothing changes.
 */
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
