/**
 * Equality and order of values.
 *
 * Source: cel-spec `doc/langdef.md` (Equality, Ordering).
 */
import { sameJson } from '../meta.ts';
import { IdentityList } from './identity-lists.ts';
import { JsonList, JsonMap, JsonObject } from './json-values.ts';
import type { Type } from './types.ts';
import {
  CelError,
  Duration,
  ListValue,
  MapValue,
  Opaque,
  Optional,
  Timestamp,
  TypeValue,
  typeNameOf,
  Uint,
  type Value,
} from './values.ts';

/** Numbers are equal across types, everything else only within its type. */
export function equal(a: Value, b: Value): boolean {
  if (a === b) return true;
  const numbers = asNumbers(a, b);
  if (numbers !== undefined) return compareNumbers(...numbers) === 0;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  if (isJson(a) && isJson(b) && a.type === b.type) return equalJson(a, b);
  if (a instanceof ListValue) return b instanceof ListValue && equalLists(a, b);
  if (a instanceof MapValue) return b instanceof MapValue && equalMaps(a, b);
  if (a instanceof Duration) return b instanceof Duration && a.nanos === b.nanos;
  if (a instanceof Timestamp) return b instanceof Timestamp && a.nanos === b.nanos;
  if (a instanceof TypeValue) return b instanceof TypeValue && a.name === b.name;
  if (a instanceof Optional) {
    if (!(b instanceof Optional)) return false;
    return a.value === undefined || b.value === undefined ? a.value === b.value : equal(a.value, b.value);
  }
  return a instanceof Opaque && b instanceof Opaque && a.typeName === b.typeName && a.equals(b);
}

type Json = JsonList | JsonMap | JsonObject;
const isJson = (value: Value): value is Json =>
  value instanceof JsonList || value instanceof JsonMap || value instanceof JsonObject;

/**
 * Results of comparing large values. Expressions may compare them repeatedly at a cost that does not depend on their depth, so each pair is
 * compared only once.
 */
const compared = new WeakMap<object, WeakMap<object, { type: Type | undefined; result: boolean }>>();
const manyValues = 256;

/** Compares JSON of one type: first as plain JSON, which is fast, then as CEL values. */
function equalJson(a: Json, b: Json): boolean {
  if (a.json === b.json) return true;
  const known = compared.get(a.json)?.get(b.json);
  if (known !== undefined && known.type === a.type) return known.result;
  const counter = { values: 0 };
  const result = sameValues(a.json, b.json, counter) || equalContainers(a, b);
  if (counter.values < manyValues) return result;
  let others = compared.get(a.json);
  if (others === undefined) {
    others = new WeakMap();
    compared.set(a.json, others);
  }
  others.set(b.json, { type: a.type, result });
  return result;
}

const equalContainers = (a: Json, b: Json): boolean =>
  a instanceof ListValue ? b instanceof ListValue && equalLists(a, b) : b instanceof MapValue && equalMaps(a, b);

/** Whether two JSON values are the same. Counts the compared values. */
function sameValues(a: unknown, b: unknown, counter: { values: number }): boolean {
  counter.values++;
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b))
    return (
      Array.isArray(a) &&
      Array.isArray(b) &&
      a.length === b.length &&
      a.every((item, index) => sameValues(item, b[index], counter))
    );
  const [left, right] = [a as Readonly<Record<string, unknown>>, b as Readonly<Record<string, unknown>>];
  const keys = Object.keys(left);
  return (
    keys.length === Object.keys(right).length &&
    keys.every((key) => Object.hasOwn(right, key) && sameValues(left[key], right[key], counter))
  );
}

function equalLists(a: ListValue, b: ListValue): boolean {
  if (a.size !== b.size) return false;
  if (a instanceof IdentityList) return haveSameItems(a, b);
  for (let index = 0; index < a.size; index++) if (!equal(a.at(index), b.at(index))) return false;
  return true;
}

function equalMaps(a: MapValue, b: MapValue): boolean {
  if (a.size !== b.size || a.typeName !== b.typeName) return false;
  if (a instanceof JsonObject && b instanceof JsonObject && !haveSameOthers(a, b)) return false;
  for (const key of a.keys()) {
    const other = b.get(key);
    if (other === undefined || !equal(a.get(key) as Value, other)) return false;
  }
  return true;
}

/** The order of sets and maps does not count. */
function haveSameItems(a: IdentityList, b: ListValue): boolean {
  for (const item of b) {
    const counterpart = a.counterpart(item);
    if (counterpart === undefined || (a.isMap && !equal(counterpart, item))) return false;
  }
  return true;
}

/** Whether undeclared members that both objects have are the same. Expressions cannot access them, but equality includes them. */
function haveSameOthers(a: JsonObject, b: JsonObject): boolean {
  const others = a.undeclared();
  return others.every((name) => !Object.hasOwn(b.json, name) || sameJson(a.json[name], b.json[name]));
}

type Numeric = bigint | number;

function numeric(value: Value): Numeric | undefined {
  if (typeof value === 'bigint' || typeof value === 'number') return value;
  return value instanceof Uint ? value.value : undefined;
}

function asNumbers(a: Value, b: Value): [Numeric, Numeric] | undefined {
  const left = numeric(a);
  if (left === undefined) return undefined;
  const right = numeric(b);
  return right === undefined ? undefined : [left, right];
}

/** -1, 0 or 1; NaN: not comparable. An integer is compared with a double as the double that is nearest to it. */
function compareNumbers(a: Numeric, b: Numeric): number {
  if (typeof a !== typeof b) return compareNumbers(Number(a), Number(b));
  if (a < b) return -1;
  if (a > b) return 1;
  return a === b ? 0 : Number.NaN;
}

/** -1, 0 or 1, or NaN when one is NaN. @throws CelError for types that have no order */
export function compare(a: Value, b: Value): number {
  const numbers = asNumbers(a, b);
  if (numbers !== undefined) return compareNumbers(...numbers);
  // UTF-8 bytes have the order of code points, UTF-16 units have not.
  if (typeof a === 'string' && typeof b === 'string') return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b));
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b);
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b);
  if (a instanceof Duration && b instanceof Duration) return compareNumbers(a.nanos, b.nanos);
  if (a instanceof Timestamp && b instanceof Timestamp) return compareNumbers(a.nanos, b.nanos);
  throw new CelError(`no such overload: ${typeNameOf(a)} compared with ${typeNameOf(b)}`);
}
