/**
 * What a claim asks for: in a PersistentVolumeClaim, in the template of a StatefulSet, and in a pod's ephemeral volume.
 *
 * Source: upstream `pkg/apis/core/validation/validation.go` (ValidatePersistentVolumeClaimSpec, ValidatePersistentVolumeClaimTemplate).
 */
import { type FieldError, forbiddenField, invalidValue, notSupported, required } from '#api/field-error.ts';
import type { Quantity } from '#api/json.ts';
import { validateAnnotations, validateLabelSelector, validateLabels } from '#api/labels.ts';
import { isDns1123Subdomain, nameIsDnsLabel, nameIsDnsSubdomain } from '#api/names.ts';
import { ownValue } from '#api/own-value.ts';
import { canonicalQuantity, compareQuantity, toNumber } from '#api/quantity.ts';
import type {
  ObjectMeta,
  PersistentVolumeClaimSpec,
  PersistentVolumeClaimTemplate,
  TypedObjectReference,
} from '#api/types.generated.ts';
import type { Submitted } from '../../../validation/submitted.ts';
import { requireFields } from '../../../validation/volumes/fields.ts';
import { validateAccessModes, volumeModes } from './access-modes.ts';

/** What an update may keep although a new claim may not have it. */
export interface ClaimSpecAllowances {
  /** Label selectors that the stored claim has, valid or not. */
  selector?: boolean;
  /** API groups of data sources: earlier versions did not check them. */
  dataSourceGroup?: boolean;
}

/** The errors of a claim's spec. */
export function validateClaimSpec(
  spec: Submitted<PersistentVolumeClaimSpec>,
  path: string,
  allowed: ClaimSpecAllowances = {},
): FieldError[] {
  const { accessModes = [], selector, storageClassName, volumeMode, volumeAttributesClassName } = spec;
  return [
    ...(accessModes.length === 0 ? [required(`${path}.accessModes`, 'at least 1 access mode is required')] : []),
    ...(allowed.selector === true ? [] : validateLabelSelector(selector, `${path}.selector`)),
    ...validateAccessModes(accessModes, `${path}.accessModes`),
    ...validateRequest(ownValue(spec.resources?.requests ?? {}, 'storage'), `${path}.resources[storage]`),
    ...validateClassName(storageClassName, `${path}.storageClassName`),
    ...(volumeMode === undefined || volumeModes.includes(volumeMode)
      ? []
      : [notSupported(`${path}.volumeMode`, volumeMode, volumeModes)]),
    ...validateDataSources(spec, path, allowed.dataSourceGroup === true),
    ...validateClassName(volumeAttributesClassName, `${path}.volumeAttributesClassName`),
  ];
}

/** Problems of a storage class name. Absent or empty is allowed: no class. */
export function validateClassName(name: string | undefined, path: string): FieldError[] {
  return name ? nameIsDnsSubdomain(name, false).map((text) => invalidValue(path, name, text)) : [];
}

/** Zero or more; it is printed in whole units. */
export function validateBasicQuantity(quantity: Quantity, path: string): FieldError[] {
  const units = toNumber(quantity);
  return units < 0 ? [invalidValue(path, units, 'must be a valid resource quantity')] : [];
}

/** More than zero. */
export function validatePositiveQuantity(quantity: Quantity, path: string): FieldError[] {
  if (compareQuantity(quantity, 0) > 0) return [];
  return [invalidValue(path, canonicalQuantity(quantity), 'must be greater than zero')];
}

const validateRequest = (quantity: Quantity | undefined, path: string): FieldError[] =>
  quantity === undefined ? [required(path)] : validatePositiveQuantity(quantity, path);

function validateDataSources(
  { dataSource, dataSourceRef }: Submitted<PersistentVolumeClaimSpec>,
  path: string,
  anyGroup: boolean,
): FieldError[] {
  const errors: FieldError[] = [];
  if (dataSource !== undefined) errors.push(...validateDataSource(dataSource, `${path}.dataSource`, anyGroup));
  if (dataSourceRef !== undefined) {
    const { namespace } = dataSourceRef;
    const at = `${path}.dataSourceRef`;
    errors.push(...validateDataSource(dataSourceRef, at, anyGroup));
    if (namespace)
      errors.push(...nameIsDnsLabel(namespace, false).map((text) => invalidValue(`${at}.namespace`, namespace, text)));
  }
  if (dataSource === undefined || dataSourceRef === undefined) return errors;
  // Upstream prints its own path object here by mistake, which as JSON is empty.
  if (dataSourceRef.namespace)
    errors.push(invalidValue(path, {}, 'may not be specified when dataSourceRef.namespace is specified'));
  else if (
    dataSource.apiGroup !== dataSourceRef.apiGroup ||
    dataSource.kind !== dataSourceRef.kind ||
    dataSource.name !== dataSourceRef.name
  )
    errors.push(invalidValue(path, {}, 'must match dataSourceRef'));
  return errors;
}

function validateDataSource(source: Submitted<TypedObjectReference>, path: string, anyGroup: boolean): FieldError[] {
  const { kind = '', apiGroup = '' } = source;
  const errors = requireFields(source, path, 'name', 'kind');
  if (apiGroup === '' && kind !== 'PersistentVolumeClaim')
    errors.push(invalidValue(path, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup"));
  if (apiGroup !== '' && !anyGroup)
    errors.push(...isDns1123Subdomain(apiGroup).map((text) => invalidValue(`${path}.apiGroup`, apiGroup, text)));
  return errors;
}

/** Fields of `metadata` in Go's order, under the names that upstream's errors give them. */
const metadataFields: readonly [field: keyof ObjectMeta, shown: string][] = [
  ['name', 'name'],
  ['generateName', 'generateName'],
  ['namespace', 'namespace'],
  ['selfLink', 'selfLink'],
  ['uid', 'uID'],
  ['resourceVersion', 'resourceVersion'],
  ['generation', 'generation'],
  ['creationTimestamp', 'creationTimestamp'],
  ['deletionTimestamp', 'deletionTimestamp'],
  ['deletionGracePeriodSeconds', 'deletionGracePeriodSeconds'],
  ['ownerReferences', 'ownerReferences'],
  ['finalizers', 'finalizers'],
  ['managedFields', 'managedFields'],
];

/** Problems of a template's metadata: only labels and annotations reach the object, so nothing else may be set. */
export function validateTemplateMetadata(metadata: ObjectMeta | undefined, path: string): FieldError[] {
  const isSet = (value: unknown): boolean => value !== undefined && value !== null && value !== '' && value !== 0;
  return [
    ...validateAnnotations(metadata?.annotations, `${path}.annotations`),
    ...validateLabels(metadata?.labels, `${path}.labels`),
    ...metadataFields.flatMap(([field, shown]) =>
      isSet(metadata?.[field]) ? [forbiddenField(`${path}.${shown}`, 'cannot be set')] : [],
    ),
  ];
}

/** Problems of the claim template of a pod's ephemeral volume. */
export function validateClaimTemplate(template: Submitted<PersistentVolumeClaimTemplate>, path: string): FieldError[] {
  return [
    ...validateTemplateMetadata(template.metadata, `${path}.metadata`),
    ...validateClaimSpec(template.spec ?? {}, `${path}.spec`),
  ];
}
