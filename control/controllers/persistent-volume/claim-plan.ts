/**
 * Plans the next step of a claim: bind, provision, wait, or lost. Pure.
 *
 * Source: kubernetes `pkg/controller/volume/persistentvolume/pv_controller.go` (syncUnboundClaim, syncBoundClaim, provisionClaim).
 */
import { compareQuantity } from '#api/quantity.ts';
import {
  annotation,
  bindCompletedAnnotation,
  boundByControllerAnnotation,
  classOf,
  hasAccessModes,
  isBoundToClaim,
  requestedStorage,
  selectedNodeAnnotation,
  volumeCapacity,
  volumeModeOf,
  waitsForConsumer,
} from '#api/storage/binding.ts';
import { storageClassName } from '#api/storage/claim-classes.ts';
import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from '#api/types.generated.ts';
import { provisionerOf } from './volume-plugins.ts';

/** The data that a plan reads besides the claim. */
export interface ClaimSurroundings {
  volume(name: string): PersistentVolume | undefined;
  /** Finds the best volume for a claim that does not name one. */
  find(claim: PersistentVolumeClaim, options: { delayBinding: boolean }): PersistentVolume | undefined;
  storageClass(name: string): StorageClass | undefined;
  /** The default StorageClass. */
  defaultClass(): StorageClass | undefined;
  /** Names of the pods that use the claim, have not ended and have no node. */
  unscheduledPods(claim: PersistentVolumeClaim): readonly string[];
}

/** An event about the claim. */
export interface ClaimEvent {
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
}

/**
 * `bind`: write volume and claim, unless they are written already. `pending`, `lost`: write only the status. `assignClass`: set a default
 * class that was created after the claim. `provision`: set the provisioner's annotation on the claim. `told`: only the event. `misbound`:
 * as `told`, and retry.
 */
export type ClaimPlan =
  | { kind: 'bind'; volume: PersistentVolume }
  | { kind: 'pending'; event?: ClaimEvent }
  | { kind: 'lost'; event: ClaimEvent }
  | { kind: 'assignClass'; name: string }
  | { kind: 'provision'; provisioner: string; event: ClaimEvent }
  | { kind: 'told'; event: ClaimEvent }
  | { kind: 'misbound'; event: ClaimEvent };

/** The next step for one claim, by its volume, its class and the volumes that are free. */
export function planClaim(claim: PersistentVolumeClaim, around: ClaimSurroundings): ClaimPlan {
  const isBound = annotation(claim, bindCompletedAnnotation) !== undefined;
  const name = claim.spec.volumeName ?? '';
  if (isBound) return planBoundClaim(claim, name === '' ? undefined : around.volume(name));
  return name === '' ? planFreeClaim(claim, around) : planPreBoundClaim(claim, around.volume(name));
}

function planBoundClaim(claim: PersistentVolumeClaim, volume: PersistentVolume | undefined): ClaimPlan {
  const lost = (reason: string, message: string): ClaimPlan => ({ kind: 'lost', event: { type: 'Warning', reason, message } });
  if ((claim.spec.volumeName ?? '') === '')
    return lost('ClaimLost', 'Bound claim has lost reference to PersistentVolume. Data on the volume is lost!');
  if (volume === undefined) return lost('ClaimLost', 'Bound claim has lost its PersistentVolume. Data on the volume is lost!');
  const { claimRef } = volume.spec;
  // The volume may have lost its binding, or the cache does not show it yet. Binding again is correct in both cases.
  if (claimRef === undefined || claimRef.uid === claim.metadata.uid) return { kind: 'bind', volume };
  return lost('ClaimMisbound', 'Two claims are bound to the same volume, this one is bound incorrectly');
}

function planPreBoundClaim(claim: PersistentVolumeClaim, volume: PersistentVolume | undefined): ClaimPlan {
  if (volume === undefined) return { kind: 'pending' };
  const name = JSON.stringify(volume.metadata.name);
  if (volume.spec.claimRef === undefined) {
    const why = whyUnsuitable(volume, claim);
    if (why === undefined) return { kind: 'bind', volume };
    const message = `Cannot bind to requested volume ${name}: ${why}`;
    return { kind: 'pending', event: { type: 'Warning', reason: 'VolumeMismatch', message } };
  }
  if (isBoundToClaim(volume, claim)) return { kind: 'bind', volume };
  const message = `volume ${name} already bound to a different claim.`;
  const event: ClaimEvent = { type: 'Warning', reason: 'FailedBinding', message };
  // A client has removed the annotation that binding was completed.
  return annotation(claim, boundByControllerAnnotation) === undefined ? { kind: 'pending', event } : { kind: 'misbound', event };
}

/**
 * Why the volume that the claim names cannot be bound to it. The claim's selector is ignored, because the claim names the volume
 * explicitly.
 */
function whyUnsuitable(volume: PersistentVolume, claim: PersistentVolumeClaim): string | undefined {
  if (volume.metadata.deletionTimestamp !== undefined)
    return `the volume is marked for deletion ${JSON.stringify(volume.metadata.name)}`;
  if (compareQuantity(volumeCapacity(volume), requestedStorage(claim)) < 0) return 'requested PV is too small';
  if (classOf(volume) !== classOf(claim)) return 'storageClassName does not match';
  if ((volume.spec.volumeAttributesClassName ?? '') !== (claim.spec.volumeAttributesClassName ?? ''))
    return 'volumeAttributesClassName does not match';
  if (volumeModeOf(volume) !== volumeModeOf(claim)) return 'incompatible volumeMode';
  return hasAccessModes(claim, volume) ? undefined : 'incompatible accessMode';
}

function planFreeClaim(claim: PersistentVolumeClaim, around: ClaimSurroundings): ClaimPlan {
  const className = classOf(claim);
  const storageClass = className === '' ? undefined : around.storageClass(className);
  const delayBinding = waitsForConsumer(storageClass);
  const volume = around.find(claim, { delayBinding });
  if (volume !== undefined) return { kind: 'bind', volume };
  if (storageClassName(claim) === undefined) {
    const byDefault = around.defaultClass();
    if (byDefault !== undefined) return { kind: 'assignClass', name: byDefault.metadata.name };
  }
  if (delayBinding && annotation(claim, selectedNodeAnnotation) === undefined)
    return { kind: 'pending', event: waitingForPod(around.unscheduledPods(claim)) };
  if (className !== '') return planProvisioning(claim, className, storageClass);
  const message = 'no persistent volumes available for this claim and no storage class is set';
  return { kind: 'pending', event: { type: 'Normal', reason: 'FailedBinding', message } };
}

function waitingForPod(pods: readonly string[]): ClaimEvent {
  const [first, ...others] = pods;
  if (first === undefined) {
    const message = 'waiting for first consumer to be created before binding';
    return { type: 'Normal', reason: 'WaitForFirstConsumer', message };
  }
  const message =
    others.length > 0 ? `waiting for pods ${pods.join(',')} to be scheduled` : `waiting for pod ${first} to be scheduled`;
  return { type: 'Normal', reason: 'WaitForPodScheduled', message };
}

function planProvisioning({ spec }: PersistentVolumeClaim, className: string, storageClass: StorageClass | undefined): ClaimPlan {
  const failed = (message: string): ClaimEvent => ({ type: 'Warning', reason: 'ProvisioningFailed', message });
  if (storageClass === undefined)
    return { kind: 'told', event: failed(`storageclass.storage.k8s.io ${JSON.stringify(className)} not found`) };
  const provisioner = provisionerOf(storageClass);
  if (provisioner.kind === 'external') {
    const message =
      `Waiting for a volume to be created either by the external provisioner '${provisioner.name}' or manually by the system administrator. ` +
      'If volume creation is delayed, please verify that the provisioner is running and correctly registered.';
    return {
      kind: 'provision',
      provisioner: provisioner.name,
      event: { type: 'Normal', reason: 'ExternalProvisioning', message },
    };
  }
  if (provisioner.annotate !== true) return { kind: 'told', event: failed(provisioner.why) };
  if (spec.dataSource !== undefined) {
    const plugin = JSON.stringify(storageClass.provisioner);
    const message = `plugin ${plugin} is not a CSI plugin. Only CSI plugin can provision a claim with a datasource`;
    return { kind: 'told', event: failed(message) };
  }
  return { kind: 'provision', provisioner: storageClass.provisioner, event: failed(provisioner.why) };
}
