/** The finalizers that keep storage objects in use. Source: kubernetes.io, Storage Object in Use Protection; KEP-3751. */

/** Protects a PersistentVolume that is in use. */
export const volumeProtection = 'kubernetes.io/pv-protection';
/** Protects a PersistentVolumeClaim that is in use. */
export const claimProtection = 'kubernetes.io/pvc-protection';
/** Protects a VolumeAttributesClass that is in use. */
export const attributesClassProtection = 'kubernetes.io/vac-protection';
