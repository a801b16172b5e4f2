/**
 * Checks that a value has the shape of its type, as Go does when it decodes. After this check, code may rely on the types of
 * fields, but not on their values. It is for objects that did not come from our decoder: another version or another program may
 * have written the store.
 */
import { isJsonObject } from '#api/json.ts';
import { parseDuration } from '../duration.ts';
import { isInt64 } from '../int64.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { canonicalQuantity, QuantityError } from '../quantity.ts';
import { canonicalMicroTime, canonicalTime, TimeError } from '../time.ts';
import { type FieldType, typeFacts } from './facts.ts';
import { fillZeros, zeroOf } from './zeros.ts';

/** The value does not have the shape of its type. The message names the field. */
export class ShapeError extends Error {
  override name = 'ShapeError';
}

/**
 * Checks an object and completes it in place: removes nulls, and adds the structs that Go always has. Unknown fields stay.
 * @param typeName for example `core/v1.Pod`
 * @throws ShapeError
 */
export function shape(typeName: string, object: unknown): void {
  if (!isJsonObject(object)) throw new ShapeError(`the value is ${nameOf(object)}, not an object`);
  shapeStruct(typeName, object, '');
}

/** Checks one struct. `path` is built only for an error or a nested value, because most objects are right and there are many. */
function shapeStruct(typeName: string, object: JsonObject, path: string): void {
  const { byName } = typeFacts(typeName);
  for (const name of Object.keys(object)) {
    const field = byName.get(name);
    if (field === undefined) continue;
    const value = object[name];
    if (value === null || value === undefined) delete object[name];
    else object[name] = shaped(field.type, value, path === '' ? name : `${path}.${name}`);
  }
  fillZeros(typeName, object);
}

function shaped(type: FieldType, value: JsonValue, path: string): JsonValue {
  switch (type.kind) {
    case 'ref':
      if (!isJsonObject(value)) throw mismatch(path, value, 'an object');
      shapeStruct(type.name, value, path);
      return value;
    case 'list':
      if (!Array.isArray(value)) throw mismatch(path, value, 'a list');
      value.forEach((item, index) => {
        value[index] = element(type.item, item, `${path}[${index}]`);
      });
      return value;
    case 'map':
      if (!isJsonObject(value)) throw mismatch(path, value, 'a map');
      for (const key of Object.keys(value)) {
        const item = value[key];
        if (type.value.kind === 'string' && typeof item === 'string') continue;
        const next = element(type.value, item ?? null, `${path}[${key}]`);
        // Assigns only a changed value: an assignment to the key `__proto__` would be lost.
        if (next !== item)
          Object.defineProperty(value, key, { value: next, enumerable: true, writable: true, configurable: true });
      }
      return value;
    default:
      checkScalar(type.kind, value, path);
      return value;
  }
}

const element = (type: FieldType, value: JsonValue, path: string): JsonValue =>
  value === null ? (zeroOf(type) ?? null) : shaped(type, value, path);

function checkScalar(kind: Exclude<FieldType['kind'], 'ref' | 'list' | 'map'>, value: JsonValue, path: string): void {
  switch (kind) {
    case 'string':
    case 'bytes':
      if (typeof value !== 'string') throw mismatch(path, value, 'a string');
      return;
    case 'bool':
      if (typeof value !== 'boolean') throw mismatch(path, value, 'true or false');
      return;
    case 'int32':
      if (!isInt32(value)) throw mismatch(path, value, 'a 32-bit integer');
      return;
    case 'int64':
      if (!isInt64(value)) throw mismatch(path, value, 'an integer');
      return;
    case 'double':
      if (typeof value !== 'number') throw mismatch(path, value, 'a number');
      return;
    case 'intstr':
      if (typeof value !== 'string' && !isInt32(value)) throw mismatch(path, value, 'a 32-bit integer or a string');
      return;
    case 'quantity':
    case 'time':
    case 'microtime':
      checkText(kind, value, path);
      return;
    case 'duration':
      checkDuration(value, path);
      return;
    case 'fieldsV1':
    case 'raw':
    case 'json':
    case 'any':
      return;
  }
}

function checkDuration(value: JsonValue, path: string): void {
  if (typeof value !== 'string') throw mismatch(path, value, 'a duration');
  try {
    parseDuration(value);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ShapeError(`${path}: ${error.message}`, { cause: error });
  }
}

function checkText(kind: 'quantity' | 'time' | 'microtime', value: JsonValue, path: string): void {
  if (kind === 'quantity' && typeof value !== 'string' && typeof value !== 'number') throw mismatch(path, value, 'a quantity');
  if (kind !== 'quantity' && typeof value !== 'string') throw mismatch(path, value, 'a time');
  try {
    if (kind === 'quantity') canonicalQuantity(value as string | number);
    else if (kind === 'time') canonicalTime(value as string);
    else canonicalMicroTime(value as string);
  } catch (error) {
    if (error instanceof QuantityError || error instanceof TimeError)
      throw new ShapeError(`${path}: ${error.message}`, { cause: error });
    throw error;
  }
}

const isInt32 = (value: JsonValue): boolean => typeof value === 'number' && (value | 0) === value;

const nameOf = (value: unknown): string => (Array.isArray(value) ? 'a list' : value === null ? 'null' : `a ${typeof value}`);

const mismatch = (path: string, value: JsonValue, wanted: string): ShapeError =>
  new ShapeError(`${path} is ${nameOf(value)}, not ${wanted}`);
