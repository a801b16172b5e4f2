/** PersistentVolumes. Source: upstream `pkg/apis/core/validation/validation.go`, `pkg/volume/validation/pv_validation.go`. */

import { posix } from 'node:path';
import { type FieldError, forbiddenField, invalidValue, notSupported, required } from '#api/field-error.ts';
import { isValidLabelValue } from '#api/names.ts';
import {
  archLabel,
  instanceTypeLabel,
  legacyRegionLabel,
  legacyZoneLabel,
  osLabel,
  regionLabel,
  zoneLabel,
} from '#api/node-labels.ts';
import { validateImmutable } from '#api/object-meta.ts';
import { ownValue } from '#api/own-value.ts';
import type { PersistentVolume, PersistentVolumeSpec, VolumeNodeAffinity } from '#api/types.generated.ts';
import { validateNodeSelector } from '../../../validation/pod-spec/affinity.ts';
import { semanticEqual } from '../../../validation/semantic-equal.ts';
import { submitted } from '../../../validation/submitted.ts';
import { unifiedDiff } from '../../../validation/unified-diff.ts';
import { validateAccessModes, volumeModes } from '../persistentvolumeclaim/access-modes.ts';
import { validateBasicQuantity, validateClassName, validatePositiveQuantity } from '../persistentvolumeclaim/spec-validation.ts';
import { goSource } from './source-text.ts';
import { validateVolumeSources } from './sources-validation.ts';

const reclaimPolicies = ['Delete', 'Recycle', 'Retain'];

/** Mount options as an annotation, from before `spec.mountOptions`. */
export const mountOptionsAnnotation = 'volume.beta.kubernetes.io/mount-options';

/** Types of volume for which options of mount may stand in the annotation. */
const mountable = [
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'glusterfs',
  'nfs',
  'rbd',
  'quobyte',
  'iscsi',
  'cinder',
  'cephfs',
  'azureFile',
  'vsphereVolume',
  'azureDisk',
  'photonPersistentDisk',
] as const satisfies readonly (keyof PersistentVolumeSpec)[];

/**
 * All problems of a volume. @param old undefined on create: some rules bind only new volumes. Source: upstream
 * `pkg/apis/core/validation` (ValidatePersistentVolume).
 */
export function validateVolume(volume: PersistentVolume, old: PersistentVolume | undefined): FieldError[] {
  const { metadata, spec } = volume;
  return [...validateVolumeSpec(spec, { path: 'spec', name: metadata.name, old: old?.spec }), ...validateMountOptions(volume)];
}

/** Where a volume's spec stands. */
export interface VolumeSpecPlace {
  path: string;
  /** The volume's name. Empty: inline. */
  name: string;
  /**
   * The spec stands within another object (a VolumeAttachment) and is used once: it must be a CSI volume, and has no fields for
   * binding.
   */
  inline?: boolean;
  /** What is stored, on an update. */
  old?: PersistentVolumeSpec | undefined;
}

/** The errors of a volume's spec. */
export function validateVolumeSpec(spec: PersistentVolumeSpec, place: VolumeSpecPlace): FieldError[] {
  const { path, name, inline = false, old } = place;
  const { accessModes = [], persistentVolumeReclaimPolicy: policy, volumeMode, hostPath } = spec;
  const isRoot = posix.normalize(submitted(hostPath ?? { path: '' }).path ?? '') === '/';
  const root = "may not be 'recycle' for a hostPath mount of '/'";
  return [
    ...(inline ? validateInline(spec, path) : []),
    ...(accessModes.length === 0 ? [required(`${path}.accessModes`)] : []),
    ...validateAccessModes(accessModes, `${path}.accessModes`),
    ...(inline ? [] : validateCapacity(spec, `${path}.capacity`)),
    ...validateReclaimPolicy(policy, inline, `${path}.persistentVolumeReclaimPolicy`),
    ...validateNodeAffinity(spec, inline, old?.nodeAffinity, `${path}.nodeAffinity`),
    ...validateVolumeSources(spec, path, name, inline),
    ...(isRoot && policy === 'Recycle' ? [forbiddenField(`${path}.persistentVolumeReclaimPolicy`, root)] : []),
    ...(inline
      ? forbidInline(spec.storageClassName, `${path}.storageClassName`)
      : validateClassName(spec.storageClassName, `${path}.storageClassName`)),
    ...validateVolumeMode(volumeMode, inline, `${path}.volumeMode`),
    ...(inline ? [] : validateAttributesClass(spec, path)),
  ];
}

const inlineText = 'in the context of inline volumes';
const forbidInline = (value: unknown, path: string): FieldError[] =>
  value === undefined || value === '' ? [] : [forbiddenField(path, `may not be specified ${inlineText}`)];

function validateInline({ claimRef, capacity, csi }: PersistentVolumeSpec, path: string): FieldError[] {
  return [
    ...forbidInline(claimRef, `${path}.claimRef`),
    ...(Object.keys(capacity ?? {}).length > 0 ? forbidInline(capacity, `${path}.capacity`) : []),
    ...(csi === undefined ? [required(`${path}.csi`, `has to be specified ${inlineText}`)] : []),
  ];
}

function validateReclaimPolicy(policy: string | undefined, inline: boolean, path: string): FieldError[] {
  if (!policy) return [];
  if (inline) return policy === 'Retain' ? [] : [forbiddenField(path, `may only be Retain ${inlineText}`)];
  return reclaimPolicies.includes(policy) ? [] : [notSupported(path, policy, reclaimPolicies)];
}

function validateVolumeMode(mode: string | undefined, inline: boolean, path: string): FieldError[] {
  if (mode === undefined) return [];
  const text = `may not specify volumeMode other than Filesystem ${inlineText}`;
  if (inline) return mode === 'Filesystem' ? [] : [forbiddenField(path, text)];
  return volumeModes.includes(mode) ? [] : [notSupported(path, mode, volumeModes)];
}

/** Problems of the capacity: `storage`, and no other resource. */
function validateCapacity({ capacity }: PersistentVolumeSpec, path: string): FieldError[] {
  const entries = Object.entries(capacity ?? {});
  const errors: FieldError[] = entries.length === 0 ? [required(path)] : [];
  if (ownValue(capacity ?? {}, 'storage') === undefined || entries.length > 1)
    errors.push(notSupported(path, capacity, ['storage']));
  return [
    ...errors,
    ...entries.flatMap(([name, quantity]) => [
      ...validateBasicQuantity(quantity, `${path}[${name}]`),
      ...validatePositiveQuantity(quantity, `${path}[${name}]`),
    ]),
  ];
}

/**
 * Problems of the node affinity. A stored one may have values that no label can have, because they were not checked once; an
 * update may keep it.
 */
function validateNodeAffinity(
  { nodeAffinity: affinity }: PersistentVolumeSpec,
  inline: boolean,
  old: VolumeNodeAffinity | undefined,
  path: string,
): FieldError[] {
  if (affinity === undefined) return [];
  if (inline) return forbidInline(affinity, path);
  if (affinity.required === undefined) return [required(`${path}.required`, 'must specify required node constraints')];
  return validateNodeSelector(affinity.required, !hasInvalidValue(old), `${path}.required`);
}

function hasInvalidValue(affinity: VolumeNodeAffinity | undefined): boolean {
  return (affinity?.required?.nodeSelectorTerms ?? []).some(({ matchExpressions = [] }) =>
    matchExpressions.some(({ values = [] }) => values.some((value) => isValidLabelValue(value).length > 0)),
  );
}

function validateAttributesClass({ volumeAttributesClassName: name, csi }: PersistentVolumeSpec, path: string): FieldError[] {
  if (name === undefined) return [];
  const at = `${path}.volumeAttributesClassName`;
  return [
    ...(name === '' ? [required(at, 'an empty string is disallowed')] : validateClassName(name, at)),
    ...(csi === undefined ? [required(`${path}.csi`, 'has to be specified when using volumeAttributesClassName')] : []),
  ];
}

function validateMountOptions({ metadata, spec }: PersistentVolume): FieldError[] {
  if (mountable.some((name) => spec[name] !== undefined)) return [];
  if (ownValue(metadata.annotations ?? {}, mountOptionsAnnotation) === undefined) return [];
  const text = 'may not specify mount options for this volume type';
  return [forbiddenField(`metadata.annotations.${mountOptionsAnnotation}`, text)];
}

/** Problems of an update: the source, the volume mode and, once it is set, the node affinity cannot change. */
export function validateVolumeUpdate({ spec }: PersistentVolume, { spec: old }: PersistentVolume): FieldError[] {
  const classRemoved = old.volumeAttributesClassName !== undefined && spec.volumeAttributesClassName === undefined;
  const removed = 'update from non-nil value to nil is forbidden';
  return [
    ...validateSourceKept(spec, old),
    ...validateImmutable(spec.volumeMode, old.volumeMode, 'volumeMode'),
    ...(old.nodeAffinity === undefined ? [] : validateNodeAffinityKept(spec.nodeAffinity, old.nodeAffinity)),
    ...(classRemoved ? [forbiddenField('spec.volumeAttributesClassName', removed)] : []),
  ];
}

/** The source cannot change, but the secret for expansion by the controller may be added later. */
function validateSourceKept(spec: PersistentVolumeSpec, old: PersistentVolumeSpec): FieldError[] {
  const comparable = { ...spec };
  if (spec.csi !== undefined && old.csi !== undefined && old.csi.controllerExpandSecretRef === undefined) {
    const { controllerExpandSecretRef: _, ...csi } = spec.csi;
    comparable.csi = csi;
  }
  const [before, after] = [goSource(old), goSource(comparable)];
  if (semanticEqual(before, after)) return [];
  const text = `spec.persistentvolumesource is immutable after creation\n${unifiedDiff(before, after)}`;
  return [forbiddenField('spec.persistentvolumesource', text)];
}

/** Node labels that were renamed: old key → new key. */
const renamed: ReadonlyMap<string, string> = new Map([
  [legacyZoneLabel, zoneLabel],
  [legacyRegionLabel, regionLabel],
  ['beta.kubernetes.io/os', osLabel],
  ['beta.kubernetes.io/arch', archLabel],
  ['beta.kubernetes.io/instance-type', instanceTypeLabel],
]);

/** The node affinity cannot change, but a renamed label key may be replaced by its new name. */
function validateNodeAffinityKept(affinity: VolumeNodeAffinity | undefined, old: VolumeNodeAffinity): FieldError[] {
  const expected = structuredClone(old);
  expected.required?.nodeSelectorTerms?.forEach((term, index) => {
    const now = affinity?.required?.nodeSelectorTerms?.[index];
    for (const list of ['matchExpressions', 'matchFields'] as const)
      term[list]?.forEach((requirement, at) => {
        const key = now?.[list]?.[at]?.key;
        if (key !== undefined && renamed.get(requirement.key) === key) requirement.key = key;
      });
  });
  if (affinity !== undefined && semanticEqual(affinity, expected)) return [];
  const shown = affinity === undefined ? null : goAffinity(affinity);
  return [invalidValue('nodeAffinity', shown, 'field is immutable, except for updating from beta label to GA')];
}

/** As Go's internal types print it. */
function goAffinity({ required: selector }: VolumeNodeAffinity): object {
  const requirements = (list: { key: string; operator: string; values?: string[] | undefined }[] | undefined) =>
    list?.map(({ key, operator, values }) => ({ Key: key, Operator: operator, Values: values ?? null })) ?? null;
  const terms = selector?.nodeSelectorTerms?.map(({ matchExpressions, matchFields }) => ({
    MatchExpressions: requirements(matchExpressions),
    MatchFields: requirements(matchFields),
  }));
  return { Required: selector === undefined ? null : { NodeSelectorTerms: terms ?? null } };
}
