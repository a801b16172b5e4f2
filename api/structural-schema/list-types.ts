/**
 * Uniqueness: the items of a set, and the keys of a list that is a map.
 *
 * Source: apiextensions-apiserver `pkg/apiserver/schema/listtype/validation.go`.
 */
import { duplicate, type FieldError, invalidValue } from '../field-error.ts';
import type { JsonValue } from '../json.ts';
import { isJsonObject } from '../json.ts';
import { canonicalJson, childPath, keyPath, type StructuralSchema } from './structural-schema.ts';

/** What occurs twice in the sets and maps of a value. */
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
  secondOccurrences(list).map((index) => duplicate(keyPath(path, index), list[index]));

function validateMap(list: readonly JsonValue[], keys: readonly string[], path: string): FieldError[] {
  const wrong = list.findIndex((item) => item !== null && !isJsonObject(item));
  if (wrong >= 0) return [invalidValue(keyPath(path, wrong), list[wrong], 'must be an object for an array of list-type map')];
  const found = list.map((item) => {
    const given = isJsonObject(item) ? keys.filter((key) => Object.hasOwn(item, key)).map((key) => [key, item[key]]) : [];
    return Object.fromEntries(given) as JsonValue;
  });
  return secondOccurrences(found).map((index) => duplicate(keyPath(path, index), found[index]));
}

/** The indexes at which an item occurs the second time. */
function secondOccurrences(list: readonly JsonValue[]): number[] {
  if (list.length < 2) return [];
  const times = new Map<unknown, number>();
  return [...list.keys()].filter((index) => {
    const item = list[index];
    // An object of its own keeps texts of containers apart from strings that look like them.
    const id = isContainer(item) ? `{${canonicalJson(item)}` : typeof item === 'string' ? `"${item}` : item;
    const count = (times.get(id) ?? 0) + 1;
    times.set(id, count);
    return count === 2;
  });
}
