/** The finalizers that keep storage objects in use. Source: kubernetes.io, Storage Object in Use Protection; KEP-3751. */

/** Of a PersistentVolume. */
export const volumeProtection = 'kubernetes.io/pv-protection';
/** Of a PersistentVolumeClaim. */
export const claimProtection = 'kubernetes.io/pvc-protection';
/** Of a VolumeAttributesClass. */
export const attributesClassProtection = 'kubernetes.io/vac-protection';
