/**
 * JSON as CEL values, converted lazily when an expression reads them.
 *
 * Source: apiserver `pkg/cel/common/values.go`.
 */
import { IdentityList } from './identity-lists.ts';
import type { Type } from './types.ts';
import { ListValue, MapValue, type Value } from './values.ts';

/** A JSON array. Elements are converted when they are read. */
export class JsonList extends ListValue {
  readonly json: readonly unknown[];
  /** Type of the elements. */
  readonly type: Type | undefined;
  constructor(json: readonly unknown[], element: Type | undefined) {
    super();
    this.json = json;
    this.type = element;
  }
  get size(): number {
    return this.json.length;
  }
  at(index: number): Value {
    return fromJson(this.json[index], this.type);
  }
}

/** A JSON object as a map. Members are converted when they are read. */
export class JsonMap extends MapValue {
  readonly json: Readonly<Record<string, unknown>>;
  /** Type of the values. */
  readonly type: Type | undefined;
  constructor(json: Readonly<Record<string, unknown>>, value: Type | undefined) {
    super();
    this.json = json;
    this.type = value;
  }
  get size(): number {
    return memberCount(this.json);
  }
  override has(key: Value): boolean {
    return typeof key === 'string' && Object.hasOwn(this.json, key);
  }
  get(key: Value): Value | undefined {
    return typeof key === 'string' && Object.hasOwn(this.json, key) ? fromJson(this.json[key], this.type) : undefined;
  }
  keys(): Iterable<Value> {
    return Object.keys(this.json);
  }
}

/** A JSON object with declared fields, by their CEL names. A field that is absent or null does not exist. */
export class JsonObject extends MapValue {
  readonly json: Readonly<Record<string, unknown>>;
  readonly type: Type;
  override readonly typeName: string;
  constructor(json: Readonly<Record<string, unknown>>, type: Type) {
    super();
    this.json = json;
    this.type = type;
    this.typeName = type.name;
  }
  /** Number of members of the JSON object, including undeclared ones. */
  get size(): number {
    return memberCount(this.json);
  }
  get(key: Value): Value | undefined {
    const field = typeof key === 'string' ? this.type.fields?.get(key) : undefined;
    if (field === undefined || !Object.hasOwn(this.json, field.property)) return undefined;
    const value = this.json[field.property];
    return value === undefined || (value === null && !field.nullable) ? undefined : fromJson(value, field.type);
  }
  /** The names of members that have no declaration. */
  undeclared(): string[] {
    const declared = declaredBy(this.type);
    return Object.keys(this.json).filter((name) => !declared.has(name));
  }
  *keys(): Generator<Value> {
    for (const name of this.type.fields?.keys() ?? []) if (this.get(name) !== undefined) yield name;
  }
}

/** Cached member counts of large objects, because expressions may read them repeatedly. */
const memberCounts = new WeakMap<object, number>();
const manyMembers = 64;

function memberCount(json: Readonly<Record<string, unknown>>): number {
  const known = memberCounts.get(json);
  if (known !== undefined) return known;
  const { length } = Object.keys(json);
  if (length >= manyMembers) memberCounts.set(json, length);
  return length;
}

const declaredMembers = new WeakMap<Type, ReadonlySet<string>>();

/** The members that a type declares. */
function declaredBy(type: Type): ReadonlySet<string> {
  let declared = declaredMembers.get(type);
  if (declared === undefined) {
    declared = new Set([...(type.fields?.values() ?? [])].map(({ property }) => property));
    declaredMembers.set(type, declared);
  }
  return declared;
}

/**
 * Converts JSON to a value. Without a type, or with type dyn, whole numbers become int and others double.
 * @param json as the codecs give it: numbers beyond 2^53 as bigint
 */
export function fromJson(json: unknown, type?: Type): Value {
  switch (typeof json) {
    case 'string':
      return type?.parse === undefined ? json : type.parse(json);
    case 'number':
      return type?.kind === 'double' || !Number.isInteger(json) ? json : BigInt(json);
    case 'bigint':
      return type?.kind === 'double' ? Number(json) : json;
    case 'boolean':
      return json;
    case 'object':
      if (json === null) return null;
      if (Array.isArray(json)) return listFromJson(json, type?.kind === 'list' ? type : undefined);
      if (type?.fields !== undefined) return new JsonObject(json as Record<string, unknown>, type);
      return new JsonMap(json as Record<string, unknown>, type?.kind === 'map' ? type.params[1] : undefined);
    default:
      throw new TypeError(`a ${typeof json} is no JSON`);
  }
}

function listFromJson(json: readonly unknown[], type: Type | undefined): ListValue {
  const list = new JsonList(json, type?.params[0]);
  return type?.identity === undefined ? list : new IdentityList(list, type.identity);
}
