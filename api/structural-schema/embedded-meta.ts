/**
 * `apiVersion`, `kind` and `metadata` of resources that are embedded in others (`x-kubernetes-embedded-resource`): brought into the form of
 * ObjectMeta, and checked.
 *
 * Source: apiextensions-apiserver `pkg/apiserver/schema/objectmeta/{algorithm,coerce,validation}.go`.
 */
import { DecodeError, decodeJson } from '../codec/json.ts';
import { type FieldError, invalidValue, required } from '../field-error.ts';
import { stringifyExact } from '../int64.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { isJsonObject } from '../json.ts';
import { isDns1035Label, nameIsPathSegment } from '../names.ts';
import { validateGenericMeta } from '../object-meta.ts';
import type { ObjectMeta } from '../types.generated.ts';
import { childPath, keyPath, type StructuralSchema } from './structural-schema.ts';

/** How the metadata of a resource within a value is read. */
export interface CoerceOptions {
  /** Whether the value itself is an embedded resource, even if the schema does not say so. */
  isResourceRoot?: boolean;
  /** For stored objects: drops malformed metadata. Otherwise it is an error. */
  dropInvalid?: boolean;
  /** Path of the value, for errors. */
  path?: string;
}

/** Metadata as ObjectMeta reads it. */
export interface DecodedMeta {
  metadata: JsonObject;
  /** The paths of fields that ObjectMeta has not, within the metadata: `labels.a`. */
  unknown: string[];
}

/** @throws DecodeError with Go's text */
export function decodeObjectMeta(metadata: JsonValue): DecodedMeta {
  const { object, problems } = decodeJson(stringifyExact(metadata), 'meta/v1.ObjectMeta', 'Strict');
  const unknown = problems.map((problem) => /^unknown field (".*")$/.exec(problem)?.[1]);
  return { metadata: object, unknown: unknown.filter((path) => path !== undefined).map((path) => JSON.parse(path) as string) };
}

/** Metadata without the fields that cannot be read. Undefined: it is no object. */
export function decodeObjectMetaLeniently(metadata: JsonValue): DecodedMeta | undefined {
  const whole = tryDecode(metadata);
  if (whole !== undefined || !isJsonObject(metadata)) return whole;
  const kept: DecodedMeta = { metadata: {}, unknown: [] };
  for (const [name, member] of Object.entries(metadata)) {
    const field = tryDecode(Object.fromEntries([[name, member]]));
    if (field === undefined) continue;
    Object.assign(kept.metadata, field.metadata);
    kept.unknown.push(...field.unknown);
  }
  return kept;
}

function tryDecode(metadata: JsonValue): DecodedMeta | undefined {
  try {
    return decodeObjectMeta(metadata);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/**
 * Brings embedded resources into form, in place: unknown fields of metadata are dropped.
 * @returns the first error, and the paths of what was dropped, sorted
 */
export function coerceEmbeddedMeta(
  value: JsonValue,
  schema: StructuralSchema | undefined,
  { isResourceRoot = false, dropInvalid = false, path = '' }: CoerceOptions = {},
): { error: FieldError | undefined; unknown: string[] } {
  const coercion = new Coercion(dropInvalid);
  coercion.coerce(value, schema, path, isResourceRoot);
  return { error: coercion.error, unknown: coercion.unknown.sort() };
}

class Coercion {
  readonly #dropInvalid: boolean;
  readonly unknown: string[] = [];
  error: FieldError | undefined;

  constructor(dropInvalid: boolean) {
    this.#dropInvalid = dropInvalid;
  }

  coerce(value: JsonValue, schema: StructuralSchema | undefined, path: string, isRoot: boolean): void {
    if (this.error !== undefined) return;
    if (Array.isArray(value)) {
      if (schema?.items === undefined) return;
      for (const [index, item] of value.entries())
        if (isContainer(item)) this.coerce(item, schema.items, keyPath(path, index), false);
      return;
    }
    if (!isJsonObject(value)) return;
    if (isRoot || schema?.isEmbeddedResource === true) this.#resource(value, path);
    if (schema === undefined) return;
    for (const key of Object.keys(value)) {
      const member = value[key] as JsonValue;
      if (!isContainer(member)) continue;
      const property = schema.property(key);
      if (property !== undefined) this.coerce(member, property, childPath(path, key), false);
      else if (schema.additional !== undefined) this.coerce(member, schema.additional, keyPath(path, key), false);
    }
  }

  #resource(object: JsonObject, path: string): void {
    for (const name of ['apiVersion', 'kind']) {
      const member = object[name];
      if (member === undefined || typeof member === 'string') continue;
      if (this.#dropInvalid) delete object[name];
      else this.error ??= invalidValue(childPath(path, name), member, 'must be a string');
    }
    const { metadata } = object;
    if (metadata === undefined) return;
    const at = childPath(path, 'metadata');
    try {
      const decoded = this.#dropInvalid ? decodeObjectMetaLeniently(metadata) : decodeObjectMeta(metadata);
      if (decoded === undefined) return;
      object['metadata'] = decoded.metadata;
      this.unknown.push(...decoded.unknown.map((field) => `${at}.${field}`));
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.error ??= invalidValue(at, metadata, error.message);
    }
  }
}

/** The errors of embedded resources. @param isResourceRoot the value itself is one */
export function validateEmbeddedMeta(
  value: JsonValue,
  schema: StructuralSchema | undefined,
  path = '',
  isResourceRoot = false,
): FieldError[] {
  const errors: FieldError[] = [];
  collect(value, schema, path, isResourceRoot, errors);
  return errors;
}

function collect(
  value: JsonValue,
  schema: StructuralSchema | undefined,
  path: string,
  isRoot: boolean,
  errors: FieldError[],
): void {
  if (Array.isArray(value)) {
    const items = schema?.items;
    if (items === undefined) return;
    for (const [index, item] of value.entries()) if (isContainer(item)) collect(item, items, keyPath(path, index), false, errors);
    return;
  }
  if (!isJsonObject(value)) return;
  if (isRoot || schema?.isEmbeddedResource === true) errors.push(...validateResource(value, path));
  if (schema === undefined) return;
  for (const key of Object.keys(value)) {
    const member = value[key] as JsonValue;
    if (!isContainer(member)) continue;
    const property = schema.property(key);
    if (property !== undefined) collect(member, property, childPath(path, key), false, errors);
    else if (schema.additional !== undefined) collect(member, schema.additional, keyPath(path, key), false, errors);
  }
}

const isContainer = (value: unknown): boolean => typeof value === 'object' && value !== null;

function validateResource(object: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const name of ['apiVersion', 'kind'] as const) {
    const value = object[name];
    const at = childPath(path, name);
    if (value === undefined) errors.push(required(at));
    else if (typeof value !== 'string') errors.push(invalidValue(at, value, 'must be a string'));
    else if (value === '') errors.push(invalidValue(at, value, 'must not be empty'));
    else
      errors.push(
        ...(name === 'kind' ? kindErrors(value) : apiVersionErrors(value)).map((text) => invalidValue(at, value, text)),
      );
  }
  if (object['metadata'] !== undefined) errors.push(...validateMeta(object['metadata'], childPath(path, 'metadata')));
  return errors;
}

function kindErrors(kind: string): string[] {
  const errors = isDns1035Label(kind.toLowerCase());
  return errors.length === 0 ? [] : [`may have mixed case, but should otherwise match: ${errors.join(',')}`];
}

const apiVersionErrors = (apiVersion: string): string[] =>
  apiVersion.split('/').length > 2 ? [`unexpected GroupVersion string: ${apiVersion}`] : [];

function validateMeta(metadata: JsonValue, path: string): FieldError[] {
  try {
    const meta = decodeObjectMeta(metadata).metadata as unknown as ObjectMeta;
    const namespaced = (meta.namespace ?? '') !== '';
    // A name is not required here.
    const named = (meta.name ?? '') === '' ? { ...meta, name: 'fakename' } : meta;
    return validateGenericMeta(named, { namespaced, name: nameIsPathSegment }, path);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return [invalidValue(path, metadata, error.message)];
  }
}
