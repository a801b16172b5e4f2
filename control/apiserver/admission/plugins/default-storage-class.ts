/**
 * DefaultStorageClass: a new claim without a class gets the default class, if there is one.
 *
 * Source: upstream `plugin/pkg/admission/storage/storageclass/setdefault`.
 */

import { storageClassName } from '#api/storage/claim-classes.ts';
import { defaultClass } from '#api/storage/default-class.ts';
import type { PersistentVolumeClaim, StorageClass } from '#api/types.generated.ts';
import { type AdmissionPlugin, concerns } from '../plugin.ts';

/** It never refuses a request. */
export const defaultStorageClass = (): AdmissionPlugin => ({
  name: 'DefaultStorageClass',
  handles: (operation) => operation === 'create',

  async mutate(attributes, { list }) {
    if (!concerns(attributes, '', 'persistentvolumeclaims')) return;
    const claim = attributes.object as PersistentVolumeClaim;
    if (storageClassName(claim) !== undefined) return;
    const found = defaultClass((await list('storageclasses.storage.k8s.io')) as StorageClass[]);
    if (found !== undefined) claim.spec.storageClassName = found.metadata.name;
  },
});
