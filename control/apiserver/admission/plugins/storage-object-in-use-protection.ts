/**
 * StorageObjectInUseProtection: adds a finalizer to new claims, volumes and VolumeAttributesClasses, which a controller removes when the
 * object is not used any more.
 *
 * Source: upstream `plugin/pkg/admission/storage/storageobjectinuseprotection`.
 */
import { attributesClassProtection, claimProtection, volumeProtection } from '#api/storage/finalizers.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../plugin.ts';

const finalizers: ReadonlyMap<string, string> = new Map([
  ['persistentvolumes', volumeProtection],
  ['persistentvolumeclaims', claimProtection],
  ['volumeattributesclasses.storage.k8s.io', attributesClassProtection],
]);

/** It never refuses a request. */
export const storageObjectInUseProtection = (): AdmissionPlugin => ({
  name: 'StorageObjectInUseProtection',
  handles: (operation) => operation === 'create',

  mutate({ resource: { group, plural }, subresource, object }: AdmissionAttributes) {
    const finalizer = finalizers.get(group === '' ? plural : `${plural}.${group}`);
    if (finalizer === undefined || subresource !== '' || object === undefined) return;
    const { metadata } = object;
    if (metadata.finalizers?.includes(finalizer) !== true) metadata.finalizers = [...(metadata.finalizers ?? []), finalizer];
  },
});
