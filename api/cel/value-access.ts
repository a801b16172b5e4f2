/**
 * Reads parts of values during an evaluation: fields, elements and keys.
 *
 * Source: cel-go `interpreter/attributes.go`, with its error texts.
 */
import type { Frame } from './evaluation.ts';
import { JsonObject } from './json-values.ts';
import { CelError, ListValue, MapValue, Optional, typeNameOf, Uint, type Value } from './values.ts';

/** @throws CelError for a value that is not a bool */
export const asBool = (value: Value): boolean => {
  if (typeof value !== 'boolean') throw new CelError('no such overload');
  return value;
};

/** The keys of a map for a loop. @throws CelError for an object: only loops with two variables can iterate over its fields */
export function keysOf(range: Value, isTwo: boolean): Value[] {
  if (range instanceof MapValue && (isTwo || !(range instanceof JsonObject))) return [...range.keys()];
  throw new CelError(`got '${typeNameOf(range)}', expected iterable type`);
}

/** The value as a map or object. @throws CelError when it has no fields */
export function fieldsOf(value: Value): MapValue {
  if (value instanceof MapValue) return value;
  throw new CelError('no such overload');
}

/** Selects a field of an optional. Costs only when there is a value. */
export function optionalField(frame: Frame, { value }: Optional, field: string): Optional {
  const found = value === undefined ? undefined : fieldsOf(value).get(field);
  if (found === undefined) return Optional.none;
  frame.charge(1);
  return Optional.of(found);
}

/** An element of a list or map; undefined when there is none. @throws CelError for a value that has no elements */
export function elementAt(container: Value, key: Value): Value | undefined {
  if (container instanceof MapValue) return container.get(key);
  if (!(container instanceof ListValue)) throw new CelError('no such overload');
  const number = key instanceof Uint ? key.value : key;
  if (typeof number !== 'bigint' && !(typeof number === 'number' && Number.isInteger(number)))
    throw new CelError(`unsupported index type '${typeNameOf(key)}' in list`);
  return number >= 0 && number < container.size ? container.at(Number(number)) : undefined;
}

/** A value's text in messages. */
export function plainText(value: Value): string {
  if (value instanceof Uint) return String(value.value);
  return typeof value === 'object' ? typeNameOf(value) : String(value);
}
