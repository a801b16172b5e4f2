/**
 * Values of CEL.
 *
 * int is a bigint, double a number; bool, string and null are themselves; bytes are a Uint8Array. All else has a class of its own.
 *
 * Source: cel-spec `doc/langdef.md` (Values).
 */

/** The value of a literal. */
export type Constant = bigint | Uint | number | boolean | string | null | Uint8Array;

/** Any value that an expression may have while it is evaluated. */
export type Value = Constant | Duration | Timestamp | Optional | TypeValue | ListValue | MapValue | Opaque;

/** An unsigned 64-bit integer. */
export class Uint {
  readonly value: bigint;
  constructor(value: bigint) {
    this.value = value;
  }
}

/** A length of time, in nanoseconds. */
export class Duration {
  readonly nanos: bigint;
  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
}

/** A moment, in nanoseconds since 1970. */
export class Timestamp {
  readonly nanos: bigint;
  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
}

/** A value or none. */
export class Optional {
  static readonly none = new Optional(undefined);
  readonly value: Value | undefined;
  private constructor(value: Value | undefined) {
    this.value = value;
  }
  static of(value: Value): Optional {
    return new Optional(value);
  }
}

/** A type as a value: `type(1)`, `int`. */
export class TypeValue {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** A value of a type that a library declares (Quantity, IP, URL, …). Subclasses hold the content. */
export abstract class Opaque {
  /** The declared name of the type: `kubernetes.Quantity`. */
  abstract readonly typeName: string;
  /** Whether the other value, of the same type, is equal. */
  abstract equals(other: Opaque): boolean;
}

/** A list. Elements may be converted lazily. */
export abstract class ListValue {
  abstract readonly size: number;
  /** @param index from 0, below {@link size} */
  abstract at(index: number): Value;
  *[Symbol.iterator](): Generator<Value> {
    for (let index = 0; index < this.size; index++) yield this.at(index);
  }
}

/** A list of values. */
export class NativeList extends ListValue {
  readonly items: readonly Value[];
  constructor(items: readonly Value[]) {
    super();
    this.items = items;
  }
  get size(): number {
    return this.items.length;
  }
  at(index: number): Value {
    return this.items[index] as Value;
  }
}

/** Keys are int, uint, bool or string; 1, 1u and 1.0 are the same key. */
export abstract class MapValue {
  abstract readonly size: number;
  /** The type's name for an object with declared fields; undefined for a map. */
  readonly typeName: string | undefined = undefined;
  abstract get(key: Value): Value | undefined;
  abstract keys(): Iterable<Value>;
  has(key: Value): boolean {
    return this.get(key) !== undefined;
  }
}

/** A string that identifies a map key; equal keys have the same string. Undefined when the value cannot be a key. */
export function keyOf(key: Value): string | undefined {
  switch (typeof key) {
    case 'string':
      return `s${key}`;
    case 'bigint':
      return `n${key}`;
    case 'boolean':
      return `b${key}`;
    case 'number':
      return Number.isInteger(key) ? `n${BigInt(key)}` : undefined;
    default:
      return key instanceof Uint ? `n${key.value}` : undefined;
  }
}

/** A map of values. */
export class NativeMap extends MapValue {
  /** By {@link keyOf}. */
  readonly entries: ReadonlyMap<string, readonly [key: Value, value: Value]>;
  constructor(entries: ReadonlyMap<string, readonly [Value, Value]>) {
    super();
    this.entries = entries;
  }
  get size(): number {
    return this.entries.size;
  }
  get(key: Value): Value | undefined {
    const id = keyOf(key);
    return id === undefined ? undefined : this.entries.get(id)?.[1];
  }
  *keys(): Generator<Value> {
    for (const [key] of this.entries.values()) yield key;
  }
}

/** An object that an expression has made: `Name{field: value}`. */
export class NativeObject extends NativeMap {
  override readonly typeName: string;
  constructor(typeName: string, entries: ReadonlyMap<string, readonly [Value, Value]>) {
    super(entries);
    this.typeName = typeName;
  }
}

/** The name of a value's type, as `type()` gives it and messages show it. */
export function typeNameOf(value: Value): string {
  switch (typeof value) {
    case 'bigint':
      return 'int';
    case 'number':
      return 'double';
    case 'boolean':
      return 'bool';
    case 'string':
      return 'string';
    default:
      break;
  }
  if (value === null) return 'null_type';
  if (value instanceof Uint) return 'uint';
  if (value instanceof Uint8Array) return 'bytes';
  if (value instanceof ListValue) return 'list';
  if (value instanceof MapValue) return value.typeName ?? 'map';
  if (value instanceof Duration) return 'google.protobuf.Duration';
  if (value instanceof Timestamp) return 'google.protobuf.Timestamp';
  if (value instanceof Optional) return 'optional_type';
  if (value instanceof TypeValue) return 'type';
  return value.typeName;
}

/** An evaluation error: `no such key: x`. */
export class CelError {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

/** The evaluation exceeded its cost limit. The expression cannot ignore this error. */
export class CelCostError extends CelError {
  constructor() {
    super('operation cancelled: actual cost limit exceeded');
  }
}

/** The size of a value for `size()` and for costs: code points, bytes or elements; 1 for other values. */
export function sizeOf(value: Value): number {
  if (typeof value === 'string') return codePoints(value);
  if (value instanceof Uint8Array) return value.length;
  if (value instanceof ListValue || value instanceof MapValue) return value.size;
  if (value instanceof Optional && value.value !== undefined) return sizeOf(value.value);
  return 1;
}

/** Cached lengths of long strings. Expressions may read them repeatedly at a constant cost. */
const longTexts = new Map<string, number>();
const longText = 1_024;
const maxLongTexts = 64;

/** The number of code points of a text. */
export function codePoints(text: string): number {
  if (text.length < longText) return countCodePoints(text);
  let count = longTexts.get(text);
  if (count === undefined) {
    count = countCodePoints(text);
    if (longTexts.size >= maxLongTexts) longTexts.clear();
    longTexts.set(text, count);
  }
  return count;
}

function countCodePoints(text: string): number {
  let count = text.length;
  for (let index = 0; index < text.length - 1; index++) {
    const code = text.charCodeAt(index);
    if (code >= 0xd800 && code < 0xdc00) {
      count--;
      index++;
    }
  }
  return count;
}
