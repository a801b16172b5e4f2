/**
 * Uniqueness: the items of a set, and the keys of a list that is a map.
 *
 * Source: apiextensions-apiserver `pkg/apiserver/schema/listtype/validation.go`.
 */
import { duplicate, type FieldError, invalidValue } from '../field-error.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { isJsonObject } from '../json.ts';
import { canonicalJson, childPath, keyPath, type StructuralSchema } from './structural-schema.ts';

/** Finds duplicates in the sets and maps of a value. */
export function validateListTypes(value: JsonValue, schema: StructuralSchema | undefined, path = ''): FieldError[] {
  const errors: FieldError[] = [];
  collect(value, schema, path, errors);
  return errors;
}

function collect(value: JsonValue, schema: StructuralSchema | undefined, path: string, errors: FieldError[]): void {
  if (schema === undefined) return;
  if (Array.isArray(value)) {
    if (schema.listType === 'set') errors.push(...validateSet(value, path));
    else if (schema.listType === 'map') errors.push(...validateMap(value, schema.listMapKeys, path));
    const { items } = schema;
    if (items !== undefined)
      for (const [index, item] of value.entries()) if (isContainer(item)) collect(item, items, keyPath(path, index), errors);
    return;
  }
  if (!isJsonObject(value)) return;
  for (const key of Object.keys(value)) {
    const member = value[key] as JsonValue;
    if (!isContainer(member)) continue;
    const property = schema.property(key);
    if (property !== undefined) collect(member, property, childPath(path, key), errors);
    else collect(member, schema.additional, keyPath(path, key), errors);
  }
}

const isContainer = (value: unknown): boolean => typeof value === 'object' && value !== null;

const validateSet = (list: readonly JsonValue[], path: string): FieldError[] =>
  secondOccurrences(list, identityOf).map((index) => duplicate(keyPath(path, index), list[index]));

function validateMap(list: readonly JsonValue[], keys: readonly string[], path: string): FieldError[] {
  const wrong = list.findIndex((item) => item !== null && !isJsonObject(item));
  if (wrong >= 0) return [invalidValue(keyPath(path, wrong), list[wrong], 'must be an object for an array of list-type map')];
  const idOf = (item: JsonValue): string =>
    keys.map((key) => (isJsonObject(item) && Object.hasOwn(item, key) ? identityOf(item[key]) : '')).join('\0');
  return secondOccurrences(list, idOf).map((index) => duplicate(keyPath(path, index), keysOf(list[index], keys)));
}

/** The keys that an item has. */
function keysOf(item: JsonValue | undefined, keys: readonly string[]): JsonObject {
  const given = isJsonObject(item) ? keys.filter((key) => Object.hasOwn(item, key)).map((key) => [key, item[key]]) : [];
  return Object.fromEntries(given) as JsonObject;
}

/** A text that only equal values have. */
function identityOf(value: JsonValue | undefined): string {
  if (isContainer(value)) return canonicalJson(value);
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

/** The indexes at which an item occurs the second time. */
function secondOccurrences(list: readonly JsonValue[], idOf: (item: JsonValue) => string): number[] {
  if (list.length < 2) return [];
  const times = new Map<string, number>();
  const found: number[] = [];
  for (const [index, item] of list.entries()) {
    const id = idOf(item);
    const count = (times.get(id) ?? 0) + 1;
    times.set(id, count);
    if (count === 2) found.push(index);
  }
  return found;
}
