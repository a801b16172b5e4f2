/**
 * Pruning: fields that a schema does not declare are dropped.
 *
 * Source: apiextensions-apiserver `pkg/apiserver/schema/pruning/algorithm.go`.
 */
import type { JsonObject, JsonValue } from '../json.ts';
import { isJsonObject } from '../json.ts';
import { childPath, keyPath, metaFields, type StructuralSchema } from './structural-schema.ts';

/**
 * Drops unknown fields in place.
 * @param isResourceRoot `apiVersion`, `kind` and `metadata` of the value itself stay, as those of embedded resources
 * @returns the paths of what was dropped, sorted: `spec.items[0].colour`
 */
export function pruneUnknownFields(
  value: JsonValue,
  schema: StructuralSchema | undefined,
  { isResourceRoot = false }: { isResourceRoot?: boolean } = {},
): string[] {
  const dropped: string[] = [];
  prune(value, schema, '', isResourceRoot, dropped);
  return dropped.sort();
}

function prune(value: JsonValue, schema: StructuralSchema | undefined, path: string, isRoot: boolean, dropped: string[]): void {
  if (schema?.preservesUnknown === true) prunePreserving(value, schema, path, isRoot, dropped);
  else if (Array.isArray(value))
    for (const [index, item] of value.entries()) {
      if (isContainer(item)) prune(item, schema?.items, keyPath(path, index), false, dropped);
    }
  else if (isJsonObject(value)) pruneObject(value, schema, path, isRoot, dropped);
}

function pruneObject(
  object: JsonObject,
  schema: StructuralSchema | undefined,
  path: string,
  isRoot: boolean,
  dropped: string[],
): void {
  const isResource = isRoot || schema?.isEmbeddedResource === true;
  for (const key of Object.keys(object)) {
    if (isResource && metaFields.has(key)) continue;
    const property = schema?.property(key);
    const isKnown = property !== undefined || schema?.hasAdditional === true;
    if (isKnown) {
      const member = object[key] as JsonValue;
      if (isContainer(member)) prune(member, property ?? schema?.additional, childPath(path, key), false, dropped);
      continue;
    }
    if (path !== '' || !metaFields.has(key)) dropped.push(childPath(path, key));
    delete object[key];
  }
}

/** Where unknown fields are kept, those below declared fields are dropped all the same. */
function prunePreserving(
  value: JsonValue,
  schema: StructuralSchema | undefined,
  path: string,
  isRoot: boolean,
  dropped: string[],
): void {
  if (schema === undefined) return;
  if (Array.isArray(value)) {
    if (schema.items === undefined) return;
    for (const [index, item] of value.entries())
      if (isContainer(item)) prunePreserving(item, schema.items, keyPath(path, index), false, dropped);
    return;
  }
  if (!isJsonObject(value)) return;
  const isResource = isRoot || schema.isEmbeddedResource;
  for (const key of Object.keys(value)) {
    if (isResource && metaFields.has(key)) continue;
    const property = schema.property(key);
    if (property === undefined && !schema.hasAdditional) continue;
    const member = value[key] as JsonValue;
    if (isContainer(member)) prune(member, property ?? schema.additional, childPath(path, key), false, dropped);
  }
}

const isContainer = (value: unknown): boolean => typeof value === 'object' && value !== null;
