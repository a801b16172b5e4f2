/**
 * Defaulting: absent fields get the default of their schema; nulls where none may be are removed or become the default.
 *
 * Source: apiextensions-apiserver `pkg/apiserver/schema/defaulting/{algorithm,prunenulls}.go`.
 */
import type { JsonValue } from '../json.ts';
import { isJsonObject } from '../json.ts';
import { setOwn } from '../own-value.ts';
import type { StructuralSchema } from './structural-schema.ts';

/** Fills in defaults in place. A null counts as absent unless the schema is nullable. Does nothing when done again. */
export function applyDefaults(value: JsonValue, schema: StructuralSchema | undefined): void {
  if (schema === undefined) return;
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items === undefined) return;
    for (const [index, item] of value.entries()) {
      if (item === null && !items.isNullable) value[index] = items.makeDefault();
      applyDefaults(value[index] as JsonValue, items);
    }
    return;
  }
  if (!isJsonObject(value)) return;
  for (const [name, property] of schema.defaulted) {
    const isAbsent = !Object.hasOwn(value, name) || (value[name] === null && !property.isNullable);
    if (isAbsent) setOwn(value, name, property.makeDefault());
  }
  for (const key of Object.keys(value)) {
    const property = schema.property(key);
    if (property !== undefined) {
      applyDefaults(value[key] as JsonValue, property);
      continue;
    }
    const { additional } = schema;
    if (additional === undefined) continue;
    if (value[key] === null && !additional.isNullable) setOwn(value, key, additional.makeDefault());
    applyDefaults(value[key] as JsonValue, additional);
  }
}

/** Removes nulls in place, of fields that may not be null and have no default. Nulls in lists stay. */
export function dropNulls(value: JsonValue, schema: StructuralSchema | undefined): void {
  if (Array.isArray(value)) {
    const items = schema?.items;
    if (items !== undefined) for (const item of value) dropNulls(item, items);
    return;
  }
  if (schema === undefined || !isJsonObject(value)) return;
  for (const key of Object.keys(value)) {
    const child = schema.child(key);
    if (child === undefined) continue;
    if (value[key] === null && !child.isNullable && !child.hasDefault) delete value[key];
    else dropNulls(value[key] as JsonValue, child);
  }
}
