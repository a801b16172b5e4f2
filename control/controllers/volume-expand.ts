/**
 * Expand controller: records events for claims that grow, and names the external resizer. Kubernetes itself has no volume plugin left that
 * can expand volumes.
 *
 * Watches: PersistentVolumeClaim, PersistentVolume.  Writes: the annotation of the resizer on PersistentVolumeClaim.
 * Source: kubernetes `pkg/controller/volume/expand`.
 */

import { keyOf } from '#api/meta.ts';
import { ownValue } from '#api/own-value.ts';
import { compareQuantity } from '#api/quantity.ts';
import { annotation, preResizeCapacityAnnotation, requestedStorage } from '#api/storage/binding.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '#api/types.generated.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done } from '#client/controller.ts';
import { reads } from '#client/controller-runner.ts';
import { csiDriverOf } from './persistent-volume/volume-plugins.ts';

const resizerAnnotation = 'volume.kubernetes.io/storage-resizer';

/** Makes the expand controller. */
export const volumeExpandController = ({ client, caches, events }: ControllerDeps): Controller => ({
  name: 'persistentvolume-expander-controller',
  concurrency: 10,
  watches: [
    {
      resource: 'persistentvolumeclaims',
      keys: (claim, previous) => (claim.status?.phase === 'Bound' && hasGrown(claim, previous) ? [keyOf(claim)] : []),
    },
    reads('persistentvolumes'),
  ],

  async reconcile(key) {
    const claim = caches.cache('persistentvolumeclaims').get(key);
    const volume = claim === undefined ? undefined : caches.cache('persistentvolumes').get(claim.spec.volumeName ?? '');
    if (claim === undefined || volume === undefined || !mustGrow(claim, volume)) return done;
    const plugin = migratedPlugin(volume);
    const driver = plugin === undefined ? undefined : csiDriverOf(plugin);
    if (driver === undefined) {
      events.event(claim, 'Normal', 'ExternalExpanding', 'waiting for an external controller to expand this PVC');
      return done;
    }
    const message = `CSI migration enabled for ${plugin}; waiting for external resizer to expand the pvc`;
    events.event(claim, 'Normal', 'ExternalExpanding', message);
    if (annotation(claim, resizerAnnotation) === driver) return done;
    const body = { metadata: { annotations: { [resizerAnnotation]: driver } } };
    await client.resource('persistentvolumeclaims').patch(claim.metadata, { type: 'merge', body }, { subresource: 'status' });
    return done;
  },
});

/** Whether the requested size has grown. Other changes must not repeat the event. */
function hasGrown(claim: PersistentVolumeClaim, previous: PersistentVolumeClaim | undefined): boolean {
  if (previous === undefined) return true;
  return (
    compareQuantity(requestedStorage(claim), requestedStorage(previous)) > 0 ||
    compareQuantity(capacityOf(claim), capacityOf(previous)) > 0
  );
}

const capacityOf = ({ status }: PersistentVolumeClaim) => ownValue(status?.capacity ?? {}, 'storage') ?? '0';

const mustGrow = (claim: PersistentVolumeClaim, volume: PersistentVolume): boolean =>
  volume.spec.claimRef?.uid === claim.metadata.uid &&
  (compareQuantity(requestedStorage(claim), capacityOf(claim)) > 0 ||
    annotation(volume, preResizeCapacityAnnotation) !== undefined);

const migratedSources = {
  awsElasticBlockStore: 'kubernetes.io/aws-ebs',
  azureDisk: 'kubernetes.io/azure-disk',
  azureFile: 'kubernetes.io/azure-file',
  cinder: 'kubernetes.io/cinder',
  gcePersistentDisk: 'kubernetes.io/gce-pd',
  portworxVolume: 'kubernetes.io/portworx-volume',
  vsphereVolume: 'kubernetes.io/vsphere-volume',
} as const;

/** The in-tree plugin of the volume that a CSI driver replaces. */
function migratedPlugin({ spec }: PersistentVolume): string | undefined {
  for (const [source, plugin] of Object.entries(migratedSources))
    if (spec[source as keyof typeof migratedSources] !== undefined) return plugin;
  return undefined;
}
