/**
 * PersistentVolumeClaimResize: a claim may grow only if it is bound and its storage class allows expansion.
 *
 * Source: upstream `plugin/pkg/admission/storage/persistentvolume/resize`.
 */
import { ownValue } from '#api/own-value.ts';
import { compareQuantity } from '#api/quantity.ts';
import { storageClassName } from '#api/storage/claim-classes.ts';
import type { PersistentVolumeClaim, StorageClass } from '#api/types.generated.ts';
import { type AdmissionContext, type AdmissionPlugin, admissionForbidden, concerns } from '../plugin.ts';

/** @throws (when asked) ApiError 403 */
export const persistentVolumeClaimResize = (): AdmissionPlugin => ({
  name: 'PersistentVolumeClaimResize',
  handles: (operation) => operation === 'update',

  async validate(attributes, context) {
    if (!concerns(attributes, '', 'persistentvolumeclaims')) return;
    const [claim, old] = [attributes.object, attributes.oldObject] as [PersistentVolumeClaim, PersistentVolumeClaim];
    const [size, oldSize] = [claim, old].map(({ spec }) => ownValue(spec.resources?.requests ?? {}, 'storage') ?? 0);
    if (compareQuantity(size ?? 0, oldSize ?? 0) <= 0) return;
    if (old.status?.phase !== 'Bound')
      throw admissionForbidden(attributes, 'Only bound persistent volume claims can be expanded');
    if (await mayGrow(claim, old, context)) return;
    const why =
      'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize';
    throw admissionForbidden(attributes, why);
  },
});

async function mayGrow(claim: PersistentVolumeClaim, old: PersistentVolumeClaim, { read }: AdmissionContext): Promise<boolean> {
  const name = storageClassName(claim) ?? '';
  if (name === '' || storageClassName(old) !== name) return false;
  const found = (await read('storageclasses.storage.k8s.io', undefined, name)) as StorageClass | undefined;
  return found?.allowVolumeExpansion === true;
}
