/** The storage class that a claim or volume names. Source: upstream `pkg/apis/core/helper/helpers.go`. */
import { ownValue } from '#api/own-value.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '#api/types.generated.ts';

/** Where the class's name stood before there was a field. It goes before the field. */
export const classAnnotation = 'volume.beta.kubernetes.io/storage-class';

/** The name; undefined where none is named. Empty: no class is wanted. */
export function storageClassName({ metadata, spec }: PersistentVolume | PersistentVolumeClaim): string | undefined {
  return ownValue(metadata.annotations ?? {}, classAnnotation) ?? spec.storageClassName;
}
