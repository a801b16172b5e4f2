/** Objects of storage for the tests of the volume plugins. */
import type { KubeObject } from '#api/meta.ts';
import type { ResourceId } from '#api/resources.ts';
import { bindCompletedAnnotation } from '#api/storage/binding.ts';
import { claimOf } from '#api/storage/objects.testing.ts';
import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  PersistentVolumeClaim,
  PersistentVolumeClaimSpec,
  PodSpec,
  StorageClass,
  VolumeAttachment,
  VolumeNodeAffinity,
} from '#api/types.generated.ts';
import { FakeCluster } from '../cluster.testing.ts';
import { StorageCache } from './storage-cache.ts';

const resources: Readonly<Record<string, ResourceId>> = {
  PersistentVolume: 'persistentvolumes',
  PersistentVolumeClaim: 'persistentvolumeclaims',
  StorageClass: 'storageclasses.storage.k8s.io',
  CSIDriver: 'csidrivers.storage.k8s.io',
  CSINode: 'csinodes.storage.k8s.io',
  CSIStorageCapacity: 'csistoragecapacities.storage.k8s.io',
  VolumeAttachment: 'volumeattachments.storage.k8s.io',
};

/** Puts objects of any of these kinds into the cluster. */
export function putStorage(cluster: FakeCluster, ...objects: KubeObject[]): void {
  for (const object of objects) cluster.put(resources[object.kind] as ResourceId, object);
}

/** A cache of these objects. */
export function storageOf(...objects: KubeObject[]): StorageCache {
  const cluster = new FakeCluster();
  putStorage(cluster, ...objects);
  const storage = new StorageCache(cluster.informers);
  storage.subscribe(() => undefined);
  return storage;
}

const base = (kind: string, name: string) => ({
  apiVersion: 'storage.k8s.io/v1',
  kind,
  metadata: { name, uid: `uid-of-${name}`, resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
});

/** A class whose claims wait for a pod. */
export const lazyClass = (name: string, rest: Partial<StorageClass> = {}): StorageClass => ({
  ...base('StorageClass', name),
  provisioner: 'example.com/disks',
  volumeBindingMode: 'WaitForFirstConsumer',
  ...rest,
});

export const csiDriver = (name: string, spec: CSIDriver['spec']): CSIDriver => ({ ...base('CSIDriver', name), spec });

/** @param counts by driver */
export const csiNode = (name: string, counts: Record<string, number>): CSINode => ({
  ...base('CSINode', name),
  spec: { drivers: Object.entries(counts).map(([driver, count]) => ({ name: driver, nodeID: name, allocatable: { count } })) },
});

export const capacityOf = (name: string, storageClassName: string, rest: Partial<CSIStorageCapacity>): CSIStorageCapacity => ({
  ...base('CSIStorageCapacity', name),
  metadata: { ...base('', name).metadata, namespace: 'kube-system' },
  storageClassName,
  ...rest,
});

export const attachmentOf = (attacher: string, nodeName: string, persistentVolumeName: string): VolumeAttachment => ({
  ...base('VolumeAttachment', `${persistentVolumeName}-on-${nodeName}`),
  spec: { attacher, nodeName, source: { persistentVolumeName } },
});

/** A claim of the namespace `default` that is bound to the volume. */
export const boundClaim = (
  name: string,
  volumeName: string,
  spec: Partial<PersistentVolumeClaimSpec> = {},
): PersistentVolumeClaim =>
  inDefault(claimOf(name, { volumeName, ...spec }, { phase: 'Bound', annotations: { [bindCompletedAnnotation]: 'yes' } }));

/** A claim of the namespace `default`. */
export const openClaim = (
  name: string,
  spec: Partial<PersistentVolumeClaimSpec> & { size?: string } = {},
): PersistentVolumeClaim => inDefault(claimOf(name, spec));

const inDefault = (claim: PersistentVolumeClaim): PersistentVolumeClaim => ({
  ...claim,
  metadata: { ...claim.metadata, namespace: 'default' },
});

/** The part of a pod that uses these claims. */
export const using = (...claims: string[]): Pick<PodSpec, 'volumes'> => ({
  volumes: claims.map((claimName) => ({ name: claimName, persistentVolumeClaim: { claimName } })),
});

/** Only on nodes with this label. */
export const onlyOn = (key: string, value: string): VolumeNodeAffinity => ({
  required: { nodeSelectorTerms: [{ matchExpressions: [{ key, operator: 'In', values: [value] }] }] },
});
