/**
 * What expressions of mutations give, as JSON.
 *
 * Source: apiserver `pkg/cel/mutation/dynamic/objects.go` (ConvertToNative, CheckTypeNamesMatchFieldPathNames); cel-go's conversion to
 * `structpb.Value`.
 */

import { JsonList, JsonMap, JsonObject as TypedJson } from '#api/cel/json-values.ts';
import { ListValue, MapValue, NativeObject, Optional, typeNameOf, Uint, type Value } from '#api/cel/values.ts';
import type { JsonObject, JsonValue } from '#api/json.ts';

/** The result of a mutation expression cannot be applied to the object. */
export class MutationError extends Error {
  override name = 'MutationError';
}

/** Lists and maps within each other, deeper than any object is. */
const maxDepth = 200;

/** @throws MutationError for what JSON does not have */
export function toJson(value: Value, depth = 0): JsonValue {
  if (depth > maxDepth) throw new MutationError('a value is nested too deeply');
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new MutationError(`${value} cannot stand in JSON`);
    return value;
  }
  if (typeof value === 'bigint') return (Number.isSafeInteger(Number(value)) ? Number(value) : value) as JsonValue;
  if (value instanceof Uint) return toJson(value.value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (value instanceof Optional) return value.value === undefined ? null : toJson(value.value, depth + 1);
  // Copy it: the result must not share parts with the request's object.
  if (value instanceof JsonList || value instanceof JsonMap || value instanceof TypedJson)
    return structuredClone(value.json) as JsonValue;
  if (value instanceof ListValue) return [...value].map((item) => toJson(item, depth + 1));
  if (value instanceof MapValue) return mapToJson(value, depth);
  throw new MutationError(`a value of type ${typeNameOf(value)} could not marshal to JSON`);
}

function mapToJson(value: MapValue, depth: number): JsonObject {
  const json: JsonObject = {};
  for (const key of value.keys()) {
    if (typeof key !== 'string') throw new MutationError(`map key ${String(key)} is of type ${typeNameOf(key)}, not string`);
    const member = toJson(value.get(key) as Value, depth + 1);
    // A plain assignment to `__proto__` would set the prototype.
    Object.defineProperty(json, key, { value: member, enumerable: true, configurable: true, writable: true });
  }
  return json;
}

/**
 * `Object.spec{selector: Object.spec.wrong{}}`: the name of each object's type has to be the way to it. @throws MutationError that names all
 * that differ
 */
export function checkTypeNames(value: Value): void {
  const wrong = value instanceof NativeObject ? [...wrongNames(value, value.typeName)] : [];
  if (wrong.length > 0) throw new MutationError(`type mismatch: ${wrong.join('\n')}`);
}

function* wrongNames(value: Value, path: string): Generator<string> {
  if (value instanceof NativeObject && value.typeName !== path)
    yield `unexpected type name ${JSON.stringify(value.typeName)}, expected ${JSON.stringify(path)}, which matches field name path from root Object type`;
  if (value instanceof JsonList || value instanceof JsonMap || value instanceof TypedJson) return;
  if (value instanceof ListValue) for (const item of value) yield* wrongNames(item, path);
  else if (value instanceof NativeObject)
    for (const key of value.keys()) yield* wrongNames(value.get(key) as Value, `${path}.${String(key)}`);
  else if (value instanceof MapValue) for (const key of value.keys()) yield* wrongNames(value.get(key) as Value, path);
}
