/** PersistentVolumeClaims. Source: upstream `pkg/apis/core/validation/validation.go`. */
import { type FieldError, forbiddenField, invalidValue, notSupported, required } from '#api/field-error.ts';
import type { Quantity } from '#api/json.ts';
import { validateLabelSelector } from '#api/labels.ts';
import { isQualifiedName } from '#api/names.ts';
import { validateImmutable } from '#api/object-meta.ts';
import { ownValue } from '#api/own-value.ts';
import { compareQuantity } from '#api/quantity.ts';
import { classAnnotation } from '#api/storage/claim-classes.ts';
import type { PersistentVolumeClaim, PersistentVolumeClaimSpec } from '#api/types.generated.ts';
import { goShape } from '../../../validation/go-shape.ts';
import { validateResourceQuantity } from '../../../validation/pod-spec/resources.ts';
import { semanticEqual } from '../../../validation/semantic-equal.ts';
import { unifiedDiff } from '../../../validation/unified-diff.ts';
import { isNativeResource } from '../pod/resources.ts';
import { validateBasicQuantity, validateClaimSpec } from './spec-validation.ts';

const resizeStatuses = [
  'ControllerResizeInProgress',
  'ControllerResizeInfeasible',
  'NodeResizeInProgress',
  'NodeResizeInfeasible',
  'NodeResizePending',
].sort();

/**
 * All problems of a claim. @param old undefined on create. Source: upstream `pkg/apis/core/validation`
 * (ValidatePersistentVolumeClaim).
 */
export function validateClaim({ spec }: PersistentVolumeClaim, old: PersistentVolumeClaim | undefined): FieldError[] {
  if (old === undefined) return validateClaimSpec(spec, 'spec');
  const { selector, dataSource, dataSourceRef } = old.spec;
  return validateClaimSpec(spec, 'spec', {
    selector: validateLabelSelector(selector, '').length > 0,
    dataSourceGroup: dataSource?.apiGroup !== undefined || dataSourceRef?.apiGroup !== undefined,
  });
}

const storageOf = (requests: Record<string, Quantity> | undefined): Quantity => ownValue(requests ?? {}, 'storage') ?? 0;

/**
 * Problems of an update: an existing claim may be bound to a volume, grow, and change its attributes class; nothing else may
 * change.
 */
export function validateClaimUpdate(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): FieldError[] {
  return [
    ...validateClassAnnotation(claim, old),
    ...validateSpecKept(comparable(claim, old), old.spec),
    ...validateShrinking(claim, old),
    ...validateImmutable(claim.spec.volumeMode, old.spec.volumeMode, 'volumeMode'),
    ...validateAttributesClass(claim, old),
  ];
}

/** Whether the update only moves the class name from the old annotation to the field. */
function movesIntoField(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): boolean {
  const before = old.metadata.annotations?.[classAnnotation];
  const now = claim.metadata.annotations?.[classAnnotation];
  return (
    before !== undefined &&
    old.spec.storageClassName === undefined &&
    claim.spec.storageClassName === before &&
    (now === undefined || now === before)
  );
}

function validateClassAnnotation(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): FieldError[] {
  if (movesIntoField(claim, old)) return [];
  const now = claim.metadata.annotations?.[classAnnotation] ?? '';
  if (now === (old.metadata.annotations?.[classAnnotation] ?? '')) return [];
  return [invalidValue(`metadata.annotations.${classAnnotation}`, now, 'field is immutable')];
}

/** The new spec, with everything that may change set back to the old value. */
function comparable(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): PersistentVolumeClaimSpec {
  const spec: PersistentVolumeClaimSpec = { ...claim.spec };
  if (!old.spec.volumeName && spec.volumeName !== undefined) spec.volumeName = old.spec.volumeName;
  const annotation = old.metadata.annotations?.[classAnnotation];
  const isUpgrade = spec.storageClassName !== undefined && old.spec.storageClassName === undefined;
  if (movesIntoField(claim, old) || (isUpgrade && (annotation === undefined || annotation === spec.storageClassName)))
    delete spec.storageClassName;
  if (claim.status?.phase !== 'Bound') return spec;
  if (spec.resources?.requests !== undefined) {
    const storage = storageOf(old.spec.resources?.requests);
    spec.resources = { ...spec.resources, requests: { ...spec.resources.requests, storage } };
  }
  if (old.spec.volumeAttributesClassName === undefined) delete spec.volumeAttributesClassName;
  else spec.volumeAttributesClassName = old.spec.volumeAttributesClassName;
  return spec;
}

/** Fields that are pointers to strings in Go: an empty string is not the same as an absent one. */
const pointers = ['storageClassName', 'volumeMode', 'volumeAttributesClassName'] as const;

function validateSpecKept(spec: PersistentVolumeClaimSpec, old: PersistentVolumeClaimSpec): FieldError[] {
  if (pointers.every((field) => spec[field] === old[field]) && semanticEqual(spec, old)) return [];
  const [before, after] = [old, spec].map((one) => goShape(one, 'persistentVolumeClaimSpec'));
  const text = 'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';
  return [forbiddenField('spec', `${text}\n${unifiedDiff(before, after)}`)];
}

/** Problems of a smaller request: only a failed expansion may be taken back, and only to more than the present capacity. */
function validateShrinking(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): FieldError[] {
  const size = storageOf(claim.spec.resources?.requests);
  if (compareQuantity(size, storageOf(old.spec.resources?.requests)) >= 0) return [];
  if (compareQuantity(size, storageOf(old.status?.capacity)) > 0) return [];
  return [forbiddenField('spec.resources.requests.storage', 'field can not be less than status.capacity')];
}

function validateAttributesClass({ spec }: PersistentVolumeClaim, { spec: old, status }: PersistentVolumeClaim): FieldError[] {
  const { volumeAttributesClassName: name } = spec;
  if (name === old.volumeAttributesClassName || status?.currentVolumeAttributesClassName === undefined || name) return [];
  const what = name === undefined ? 'nil' : 'empty string';
  const text = `update to ${what} is forbidden when status.currentVolumeAttributesClassName is not nil`;
  return [forbiddenField('spec.volumeAttributesClassName', text)];
}

/**
 * Problems of a written status: access modes, capacity, allocated resources and their states. Source: upstream
 * `pkg/apis/core/validation` (ValidatePersistentVolumeClaimStatusUpdate).
 */
export function validateClaimStatus({ spec, status = {} }: PersistentVolumeClaim): FieldError[] {
  const { capacity = {}, allocatedResourceStatuses = {}, allocatedResources = {} } = status;
  const statusesAt = 'status.allocatedResourceStatuses';
  const allocatedAt = 'status.allocatedResources';
  return [
    ...((spec.accessModes ?? []).length === 0 ? [required('Spec.accessModes')] : []),
    ...Object.entries(capacity).flatMap(([name, quantity]) => validateBasicQuantity(quantity, `status.capacity[${name}]`)),
    ...Object.entries(allocatedResourceStatuses).flatMap(([name, value]) => [
      ...validateResourceKey(name, statusesAt),
      ...(resizeStatuses.includes(value) ? [] : [notSupported(statusesAt, name, resizeStatuses)]),
    ]),
    ...Object.entries(allocatedResources).flatMap(([name, quantity]) => {
      const key = validateResourceKey(name, allocatedAt);
      if (key.length > 0) return key;
      const at = `${allocatedAt}[${name}]`;
      const negative = validateBasicQuantity(quantity, at);
      return negative.length > 0 ? negative : validateResourceQuantity('storage', quantity, at);
    }),
  ];
}

/** Problems of a resource name of a status: of Kubernetes' own resources only `storage` is allowed. */
function validateResourceKey(name: string, path: string): FieldError[] {
  const errors = isQualifiedName(name).map((text) => invalidValue(path, name, text));
  if (errors.length > 0 || !isNativeResource(name) || name === 'storage') return errors;
  return [notSupported(path, name, ['storage'])];
}
