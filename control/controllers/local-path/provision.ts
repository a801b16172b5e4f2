/**
 * Plans the volume of a claim for the provisioner of node-local volumes. Pure.
 *
 * Source: sig-storage-lib-external-provisioner `controller/controller.go` (shouldProvision, provisionClaimOperation), for what
 * provisioners have in common.
 */
import { join } from 'node:path';
import type { New } from '#api/meta.ts';
import { hostnameLabel } from '#api/node-labels.ts';
import { ownValue } from '#api/own-value.ts';
import {
  annotation,
  claimReference,
  classOf,
  provisionedByAnnotation,
  provisionerAnnotation,
  provisionerFinalizer,
  requestedStorage,
  selectedNodeAnnotation,
  volumeModeOf,
} from '#api/storage/binding.ts';
import { localPathFolderAnnotation, localPathProvisioner } from '#api/storage/local-path.ts';
import type { Node, PersistentVolume, PersistentVolumeClaim, StorageClass } from '#api/types.generated.ts';

/**
 * `none`: nothing to do for this provisioner. `failed`: an event is recorded, and a change triggers the next attempt. `reschedule`: it may
 * succeed on another node, so the scheduler must choose again.
 */
export type ProvisionPlan =
  | { kind: 'none' }
  | { kind: 'failed'; why: string; reschedule: boolean }
  | { kind: 'create'; volume: New<PersistentVolume> };

/** Whether the claim waits for this provisioner. */
export const isWaiting = (claim: PersistentVolumeClaim): boolean =>
  annotation(claim, provisionerAnnotation) === localPathProvisioner &&
  (claim.spec.volumeName ?? '') === '' &&
  claim.metadata.deletionTimestamp === undefined;

/** Whether this provisioner made the volume. */
export const isOwn = (volume: PersistentVolume): boolean => annotation(volume, provisionedByAnnotation) === localPathProvisioner;

/** Plans the provisioning of a claim. @param node the node that the claim's annotation names */
export function planProvision(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass | undefined,
  node: Node | undefined,
): ProvisionPlan {
  if (!isWaiting(claim) || storageClass?.provisioner !== localPathProvisioner) return { kind: 'none' };
  const selected = annotation(claim, selectedNodeAnnotation);
  const failed = (why: string, reschedule = false): ProvisionPlan => ({ kind: 'failed', why, reschedule });
  if (selected === undefined) {
    if (storageClass.volumeBindingMode === 'WaitForFirstConsumer') return { kind: 'none' };
    return failed(
      'node-local volumes need a class with volumeBindingMode WaitForFirstConsumer: the first pod decides about the node',
    );
  }
  const why = whyRefused(claim);
  if (why !== undefined) return failed(why);
  if (node === undefined) return failed(`node ${JSON.stringify(selected)} not found`, true);
  const folder = ownValue(node.metadata.annotations ?? {}, localPathFolderAnnotation);
  const host = ownValue(node.metadata.labels ?? {}, hostnameLabel);
  if (folder === undefined || !folder.startsWith('/') || host === undefined)
    return failed(`node ${JSON.stringify(selected)} has no folder for volumes (annotation ${localPathFolderAnnotation})`, true);
  return { kind: 'create', volume: volumeFor(claim, storageClass, { folder, host }) };
}

function whyRefused(claim: PersistentVolumeClaim): string | undefined {
  const { accessModes = [], dataSource, dataSourceRef, selector } = claim.spec;
  const shared = accessModes.find((mode) => mode !== 'ReadWriteOnce' && mode !== 'ReadWriteOncePod');
  if (shared !== undefined) return `access mode ${shared} is not supported: the volume is on one node`;
  if (volumeModeOf(claim) !== 'Filesystem') return 'volumes are folders: volumeMode Block is not supported';
  if (dataSource !== undefined || dataSourceRef !== undefined) return 'data sources are not supported';
  return selector === undefined ? undefined : 'claim Selector is not supported';
}

function volumeFor(
  claim: PersistentVolumeClaim,
  { reclaimPolicy = 'Delete', mountOptions }: StorageClass,
  { folder, host }: { folder: string; host: string },
): New<PersistentVolume> {
  const name = `pvc-${claim.metadata.uid}`;
  const onHost = { key: hostnameLabel, operator: 'In', values: [host] };
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: {
      name,
      annotations: { [provisionedByAnnotation]: localPathProvisioner },
      finalizers: reclaimPolicy === 'Delete' ? [provisionerFinalizer] : [],
    },
    spec: {
      accessModes: claim.spec.accessModes,
      capacity: { storage: requestedStorage(claim) },
      claimRef: claimReference(claim),
      local: { path: join(folder, name) },
      mountOptions,
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [onHost] }] } },
      persistentVolumeReclaimPolicy: reclaimPolicy,
      storageClassName: classOf(claim),
      volumeMode: 'Filesystem',
    },
  };
}

/** The hostname of the volume's node; undefined when the volume does not have the form that this provisioner creates. */
export function hostOf({ spec }: PersistentVolume): string | undefined {
  const [term, ...others] = spec.nodeAffinity?.required?.nodeSelectorTerms ?? [];
  const [expression, ...more] = term?.matchExpressions ?? [];
  const isOurs = others.length === 0 && more.length === 0 && expression?.key === hostnameLabel && expression.operator === 'In';
  return isOurs && expression.values?.length === 1 ? expression.values[0] : undefined;
}
