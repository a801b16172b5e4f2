/** The classes that claims and volumes name. Pure. Source: upstream `pkg/apis/core/helper/helpers.go`; KEP-3751. */
import { ownValue } from '../own-value.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../types.generated.ts';

/** Where the storage class's name stood before there was a field. It goes before the field. */
export const classAnnotation = 'volume.beta.kubernetes.io/storage-class';

/** The name of the storage class; undefined where none is named. Empty: no class is wanted. */
export function storageClassName({ metadata, spec }: PersistentVolume | PersistentVolumeClaim): string | undefined {
  return ownValue(metadata.annotations ?? {}, classAnnotation) ?? spec?.storageClassName;
}

/** The VolumeAttributesClasses that the claim asks for, has, and is being changed to, each once. */
export function attributesClassNames({ spec, status }: PersistentVolumeClaim): string[] {
  const names = [
    spec?.volumeAttributesClassName,
    status?.currentVolumeAttributesClassName,
    status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
  ];
  return [...new Set(names)].filter((name) => name !== undefined && name !== '') as string[];
}
