/** What is valid in a PersistentVolumeClaim and probably not meant. Source: upstream `pkg/api/persistentvolumeclaim/util.go`. */
import { ownValue } from '#api/own-value.ts';
import { canonicalQuantity, toMillis } from '#api/quantity.ts';
import { classAnnotation } from '#api/storage/claim-classes.ts';
import type { PersistentVolumeClaim, PersistentVolumeClaimSpec } from '#api/types.generated.ts';

/**
 * Texts for clients: the old storage-class annotation, sizes with fractions of a byte. Source: upstream
 * `pkg/api/persistentvolumeclaim/util.go`.
 */
export function claimWarnings({ metadata, spec }: PersistentVolumeClaim): string[] {
  const isAnnotated = ownValue(metadata.annotations ?? {}, classAnnotation) !== undefined;
  const text = 'deprecated since v1.8; use "storageClassName" attribute instead';
  return [...(isAnnotated ? [`metadata.annotations[${classAnnotation}]: ${text}`] : []), ...claimSpecWarnings(spec, 'spec')];
}

/** Warns of sizes with fractions of a byte. @param path where the spec stands */
export function claimSpecWarnings({ resources = {} }: PersistentVolumeClaimSpec, path: string): string[] {
  return (['requests', 'limits'] as const).flatMap((list) => {
    const quantity = ownValue(resources[list] ?? {}, 'storage');
    if (quantity === undefined || toMillis(quantity) % 1000 === 0) return [];
    const shown = JSON.stringify(canonicalQuantity(quantity));
    return [`${path}.resources.${list}[storage]: fractional byte value ${shown} is invalid, must be an integer`];
  });
}
