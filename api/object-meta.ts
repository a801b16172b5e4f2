/**
 * Checks of `metadata`, alike for every kind.
 *
 * Source: apimachinery `pkg/api/validation/objectmeta.go`, `pkg/apis/meta/v1/validation`.
 */
import type { FieldError } from './field-error.ts';
import { forbiddenField, invalidValue, required, tooLong } from './field-error.ts';
import { validateAnnotations, validateLabels } from './labels.ts';
import { sameJson } from './meta.ts';
import type { NameCheck } from './names.ts';
import { isQualifiedName, nameIsDnsLabel } from './names.ts';
import type { ManagedFieldsEntry, ObjectMeta, OwnerReference } from './types.generated.ts';

const FIELD_MANAGER_LIMIT = 128;
const SUBRESOURCE_LIMIT = 256;

/** How the metadata of a kind is checked. */
export interface ObjectMetaRules {
  namespaced: boolean;
  name: NameCheck;
}

/** The errors of a new object's metadata; the name has already been generated. */
export function validateObjectMeta(meta: ObjectMeta, rules: ObjectMetaRules, path = 'metadata'): FieldError[] {
  return [...validateGenericMeta(meta, rules, path), ...validateKubeFinalizers(meta.finalizers ?? [], path)];
}

/** Likewise of custom resources and of what is embedded in them, whose finalizers may be without a domain. */
export function validateGenericMeta(meta: ObjectMeta, rules: ObjectMetaRules, path = 'metadata'): FieldError[] {
  const errors: FieldError[] = [];
  const { generateName, name, namespace } = meta;
  if (generateName !== undefined && generateName !== '') {
    errors.push(...rules.name(generateName, true).map((text) => invalidValue(`${path}.generateName`, generateName, text)));
  }
  if (name === undefined || name === '') errors.push(required(`${path}.name`, 'name or generateName is required'));
  else errors.push(...rules.name(name, false).map((text) => invalidValue(`${path}.name`, name, text)));
  errors.push(...validateNamespaceOf(namespace, rules.namespaced, path));
  if ((meta.generation ?? 0) < 0)
    errors.push(invalidValue(`${path}.generation`, meta.generation, 'must be greater than or equal to 0'));
  errors.push(...validateSharedMeta(meta, path));
  errors.push(...validateFinalizers(meta.finalizers ?? [], `${path}.finalizers`));
  return errors;
}

/** Finalizers without a domain are the system's own. */
function validateKubeFinalizers(finalizers: readonly string[], path: string): FieldError[] {
  return finalizers.flatMap((name, index) => validateKubeFinalizer(name, `${path}.finalizers[${index}]`));
}

/**
 * Problems of a finalizer without a domain: only Kubernetes' own may have none. Source: upstream `pkg/apis/core/validation`
 * (ValidateFinalizerName).
 */
export function validateKubeFinalizer(name: string, path: string): FieldError[] {
  if (name.includes('/') || ['kubernetes', 'orphan', 'foregroundDeletion'].includes(name)) return [];
  return [invalidValue(path, name, 'name is neither a standard finalizer name nor is it fully qualified')];
}

function validateNamespaceOf(namespace: string | undefined, namespaced: boolean, path: string): FieldError[] {
  const given = namespace !== undefined && namespace !== '';
  if (!namespaced) return given ? [forbiddenField(`${path}.namespace`, 'not allowed on this type')] : [];
  if (!given) return [required(`${path}.namespace`)];
  return nameIsDnsLabel(namespace, false).map((text) => invalidValue(`${path}.namespace`, namespace, text));
}

/** The parts checked alike on create and update. */
function validateSharedMeta(meta: ObjectMeta, path: string): FieldError[] {
  return [
    ...validateLabels(meta.labels, `${path}.labels`),
    ...validateAnnotations(meta.annotations, `${path}.annotations`),
    ...validateOwnerReferences(meta.ownerReferences ?? [], `${path}.ownerReferences`),
    ...validateManagedFields(meta.managedFields ?? [], `${path}.managedFields`),
  ];
}

function validateOwnerReferences(references: readonly OwnerReference[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  let controller: string | undefined;
  for (const reference of references) {
    errors.push(...validateOwnerReference(reference, path));
    if (reference.controller !== true) continue;
    const name = `${reference.kind}/${reference.name}`;
    if (controller === undefined) controller = name;
    else {
      const text = `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${name}`;
      errors.push(invalidValue(path, references, text));
    }
  }
  return errors;
}

function validateOwnerReference(reference: OwnerReference, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if ((reference.apiVersion ?? '') === '') errors.push(invalidValue(`${path}.apiVersion`, '', 'version must not be empty'));
  for (const key of ['kind', 'name', 'uid'] as const) {
    if ((reference[key] ?? '') === '') errors.push(invalidValue(`${path}.${key}`, '', 'must not be empty'));
  }
  if (reference.apiVersion === 'v1' && reference.kind === 'Event') {
    errors.push(invalidValue(path, reference, '/v1, Kind=Event is disallowed from being an owner'));
  }
  return errors;
}

/** `orphan` and `foregroundDeletion` exclude each other. */
function validateFinalizers(finalizers: readonly string[], path: string): FieldError[] {
  const errors = finalizers.flatMap((name) => isQualifiedName(name).map((text) => invalidValue(path, name, text)));
  if (finalizers.includes('orphan') && finalizers.includes('foregroundDeletion')) {
    errors.push(invalidValue(path, finalizers, 'finalizer orphan and foregroundDeletion cannot be both set'));
  }
  return errors;
}

/** The errors of who set what. */
export function validateManagedFields(entries: readonly ManagedFieldsEntry[], path: string): FieldError[] {
  return entries.flatMap((entry, index) => {
    const errors: FieldError[] = [];
    const at = `${path}[${index}]`;
    if (entry.operation !== 'Apply' && entry.operation !== 'Update') {
      errors.push(invalidValue(`${at}.operation`, entry.operation ?? '', 'must be `Apply` or `Update`'));
    }
    if ((entry.fieldsType ?? '') !== '' && entry.fieldsType !== 'FieldsV1') {
      errors.push(invalidValue(`${at}.fieldsType`, entry.fieldsType, 'must be `FieldsV1`'));
    }
    if (Buffer.byteLength(entry.manager ?? '') > FIELD_MANAGER_LIMIT) errors.push(tooLong(`${at}.manager`, FIELD_MANAGER_LIMIT));
    if (Buffer.byteLength(entry.subresource ?? '') > SUBRESOURCE_LIMIT)
      errors.push(tooLong(`${at}.subresource`, SUBRESOURCE_LIMIT));
    return errors;
  });
}

/** The errors of an update's metadata: identity is immutable, and a deleted object takes no new finalizers. */
export function validateObjectMetaUpdate(meta: ObjectMeta, old: ObjectMeta, path = 'metadata'): FieldError[] {
  return [...validateGenericMetaUpdate(meta, old, path), ...validateKubeFinalizers(meta.finalizers ?? [], path)];
}

/** Likewise of custom resources, whose finalizers may be without a domain. */
export function validateGenericMetaUpdate(meta: ObjectMeta, old: ObjectMeta, path = 'metadata'): FieldError[] {
  const errors: FieldError[] = [];
  if (old.deletionTimestamp !== undefined)
    errors.push(...validateNoNewFinalizers(meta.finalizers ?? [], old.finalizers ?? [], path));
  if ((meta.resourceVersion ?? '') === '')
    errors.push(invalidValue(`${path}.resourceVersion`, '', 'must be specified for an update'));
  if ((meta.generation ?? 0) < (old.generation ?? 0))
    errors.push(invalidValue(`${path}.generation`, meta.generation ?? 0, 'must not be decremented'));
  for (const key of [
    'name',
    'namespace',
    'uid',
    'creationTimestamp',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
  ] as const) {
    errors.push(...validateImmutable(meta[key], old[key], `${path}.${key}`));
  }
  errors.push(...validateSharedMeta(meta, path));
  return errors;
}

function validateNoNewFinalizers(finalizers: readonly string[], old: readonly string[], path: string): FieldError[] {
  const known = new Set(old);
  const extra = [...new Set(finalizers)].filter((name) => !known.has(name)).sort();
  if (extra.length === 0) return [];
  const shown = `[]string{${extra.map((name) => JSON.stringify(name)).join(', ')}}`;
  const text = `no new finalizers can be added if the object is being deleted, found new finalizers ${shown}`;
  return [forbiddenField(`${path}.finalizers`, text)];
}

/** One error, `field is immutable`, where the values differ. */
export function validateImmutable(value: unknown, old: unknown, path: string): FieldError[] {
  return sameJson(value, old) ? [] : [invalidValue(path, value, 'field is immutable')];
}
