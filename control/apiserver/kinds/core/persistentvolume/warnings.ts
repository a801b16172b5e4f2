/**
 * What is valid in a PersistentVolume and probably not meant. Source: upstream `pkg/api/persistentvolume/util.go`,
 * `pkg/api/node/util.go`.
 */
import { ownValue } from '#api/own-value.ts';
import { classAnnotation } from '#api/storage/claim-classes.ts';
import type { PersistentVolume, PersistentVolumeSpec } from '#api/types.generated.ts';
import { deprecatedNodeLabel } from '../pod/warnings.ts';
import { mountOptionsAnnotation } from './validation.ts';

const oldAnnotations: readonly [key: string, text: string][] = [
  [classAnnotation, 'deprecated since v1.8; use "storageClassName" attribute instead'],
  [mountOptionsAnnotation, 'deprecated since v1.31; use "mountOptions" attribute instead'],
];
const oldVolumes: readonly [field: keyof PersistentVolumeSpec, shown: string, text: string][] = [
  ['cephfs', 'cephfs', 'deprecated in v1.28, non-functional in v1.31+'],
  ['photonPersistentDisk', 'photonPersistentDisk', 'deprecated in v1.11, non-functional in v1.16+'],
  ['scaleIO', 'scaleIO', 'deprecated in v1.16, non-functional in v1.22+'],
  ['storageos', 'storageOS', 'deprecated in v1.22, non-functional in v1.25+'],
  ['glusterfs', 'glusterfs', 'deprecated in v1.25, non-functional in v1.26+'],
  ['rbd', 'rbd', 'deprecated in v1.28, non-functional in v1.31+'],
];
const recycle =
  'spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.';

/**
 * Texts for clients: deprecated annotations, fields and volume types. Source: upstream `pkg/api/persistentvolume/util.go`.
 */
export function volumeWarnings({ metadata, spec }: PersistentVolume): string[] {
  const terms = spec.nodeAffinity?.required?.nodeSelectorTerms ?? [];
  return [
    ...oldAnnotations.flatMap(([key, text]) =>
      ownValue(metadata.annotations ?? {}, key) === undefined ? [] : [`metadata.annotations[${key}]: ${text}`],
    ),
    ...(spec.persistentVolumeReclaimPolicy === 'Recycle' ? [recycle] : []),
    ...terms.flatMap(({ matchExpressions = [] }, term) =>
      matchExpressions.flatMap(({ key }, index) => {
        const text = deprecatedNodeLabel(key);
        const at = `spec.nodeAffinity.required.nodeSelectorTerms[${term}].matchExpressions[${index}].key`;
        return text === undefined ? [] : [`${at}: ${key} is ${text}`];
      }),
    ),
    ...oldVolumes.flatMap(([field, shown, text]) => (spec[field] === undefined ? [] : [`spec.${shown}: ${text}`])),
  ];
}
