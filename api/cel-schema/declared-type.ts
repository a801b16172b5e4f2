/**
 * The CEL types of a schema, and the largest possible size of their values.
 *
 * Fields are converted lazily, when an expression uses them, so the type of a large schema costs nothing at first.
 *
 * Source: apiserver `pkg/cel/common/schemas.go` (SchemaDeclType), `pkg/cel/types.go`, `pkg/cel/limits.go`.
 */
import type { SizeEstimator } from '../cel/cost-range.ts';
import type { Field, ListIdentity, Type } from '../cel/types.ts';
import * as types from '../cel/types.ts';
import { escapeName, isReserved } from './escaping.ts';
import { parseBytes, parseDate, parseDateTime, parseFormatDuration } from './formatted-values.ts';
import { type SchemaNode, withTypeAndObjectMeta } from './schema-node.ts';

/** Size limit of a request in bytes. No value can be larger. Source: apiserver `pkg/apis/cel/config.go` */
export const maxRequestBytes = 3 * 1024 * 1024;

/** A type with the limits of its schema. */
export interface DeclaredType {
  readonly type: Type;
  /** Maximum number of items (lists), entries (maps) or bytes (strings); 0 for other types. */
  readonly maxElements: number;
  /** Smallest size of a value in JSON, in bytes. */
  readonly minBytes: number;
  /** Type of a list's items or of a map's values. */
  readonly element?: DeclaredType;
  /** Type of a map's keys. */
  readonly key?: DeclaredType;
  /** Fields of an object, by their CEL names. */
  readonly fields?: ReadonlyMap<string, DeclaredType>;
}

const simple = (type: Type, minBytes: number, maxElements = 0): DeclaredType => ({ type, minBytes, maxElements });
const stringKey = simple(types.stringType, 2);

/**
 * The type of a schema's values. Undefined when the schema declares no type; expressions cannot use such values.
 * @param isResource the value is a resource, which always has `apiVersion`, `kind` and `metadata`
 * @param name name of an object's type for messages; the types of its fields are named `<name>.<field>`
 */
export function declaredType(given: SchemaNode, isResource: boolean, name = 'selfType'): DeclaredType | undefined {
  if (given.isIntOrString)
    return simple(types.dynType, 1, given.maxLength === undefined ? maxRequestBytes - 2 : bytesOf(given.maxLength));
  const node = isResource ? withTypeAndObjectMeta(given) : given;
  switch (node.type) {
    case 'array':
      return listOf(node, name);
    case 'object':
      return node.additional === undefined ? objectOf(node, name) : mapOf(node, node.additional, name);
    case 'string':
      return textOf(node);
    case 'boolean':
      return simple(types.boolType, 4);
    case 'number':
      return simple(types.doubleType, 1);
    case 'integer':
      return simple(types.intType, 1);
    default:
      return undefined;
  }
}

const declared = (node: SchemaNode, name: string): DeclaredType | undefined => declaredType(node, node.isEmbeddedResource, name);

function listOf(node: SchemaNode, name: string): DeclaredType | undefined {
  const element = node.items === undefined ? undefined : declared(node.items, `${name}.@idx`);
  if (element === undefined) return undefined;
  // JSON has brackets around the list and a comma after each item.
  const maxElements = atLeastZero(node.maxItems) ?? Math.floor((maxRequestBytes - 2) / (element.minBytes + 1));
  return { type: types.listType(element.type, identityOf(node)), minBytes: 2, maxElements, element };
}

function identityOf({ listType, listMapKeys }: SchemaNode): ListIdentity | undefined {
  if (listType === 'set') return 'set';
  return listType === 'map' ? listMapKeys.map((key) => escapeName(key) ?? key) : undefined;
}

function mapOf({ maxProperties }: SchemaNode, values: SchemaNode, name: string): DeclaredType | undefined {
  const element = declared(values, `${name}.@elem`);
  if (element === undefined) return undefined;
  // JSON needs at least two quotes, a colon and a comma for each entry.
  const maxElements = atLeastZero(maxProperties) ?? Math.floor((maxRequestBytes - 2) / (element.minBytes + 6));
  return { type: types.mapType(types.stringType, element.type), minBytes: 2, maxElements, key: stringKey, element };
}

function objectOf(node: SchemaNode, name: string): DeclaredType {
  return new ObjectType(node, name);
}

/** An object type whose fields are created on first use. */
class ObjectType implements DeclaredType {
  readonly type: Type;
  readonly maxElements = 0;
  readonly #node: SchemaNode;
  readonly #name: string;
  #fields: ReadonlyMap<string, DeclaredType> | undefined;
  #typeFields: ReadonlyMap<string, Field> | undefined;
  #minBytes: number | undefined;

  constructor(node: SchemaNode, name: string) {
    this.#node = node;
    this.#name = name;
    const typeFields = (): ReadonlyMap<string, Field> => this.#fieldTypes();
    this.type = {
      kind: 'struct',
      name,
      params: [],
      get fields() {
        return typeFields();
      },
    };
  }

  get fields(): ReadonlyMap<string, DeclaredType> {
    if (this.#fields === undefined) this.#makeFields();
    return this.#fields as ReadonlyMap<string, DeclaredType>;
  }

  #fieldTypes(): ReadonlyMap<string, Field> {
    if (this.#typeFields === undefined) this.#makeFields();
    return this.#typeFields as ReadonlyMap<string, Field>;
  }

  #makeFields(): void {
    const fields = new Map<string, DeclaredType>();
    const typeFields = new Map<string, Field>();
    for (const property of this.#node.propertyNames) {
      const escaped = escapeName(property);
      if (escaped === undefined) continue;
      const found = declared(this.#node.property(property) as SchemaNode, `${this.#name}.${escaped}`);
      if (found === undefined) continue;
      fields.set(escaped, found);
      typeFields.set(escaped, { type: found.type, property });
      if (isReserved(property)) typeFields.set(property, { type: found.type, property });
    }
    this.#fields = fields;
    this.#typeFields = typeFields;
  }

  /** Braces, and all required fields without a default. */
  get minBytes(): number {
    if (this.#minBytes !== undefined) return this.#minBytes;
    // Set a value before the recursion: a type may contain itself.
    this.#minBytes = 2;
    let bytes = 2;
    for (const name of new Set(this.#node.required)) {
      const property = this.#node.property(name);
      if (property === undefined || property.hasDefault) continue;
      const type = declared(property, '');
      if (type !== undefined) bytes += Buffer.byteLength(name) + type.minBytes + 4;
    }
    this.#minBytes = bytes;
    return bytes;
  }
}

const dateBytes = 12;
const longestTimeBytes = 32;
const shortestDateTimeBytes = 21;
const shortestDurationBytes = 3;

function textOf({ format, maxLength, enumValues }: SchemaNode): DeclaredType {
  switch (format) {
    case 'byte':
      return simple({ ...types.bytesType, parse: parseBytes }, 2, atLeastZero(maxLength) ?? maxRequestBytes - 2);
    case 'duration':
      return simple({ ...types.durationType, parse: parseFormatDuration }, shortestDurationBytes, longestTimeBytes);
    case 'date':
      return simple({ ...types.timestampType, parse: parseDate }, dateBytes, dateBytes);
    case 'date-time':
      return simple({ ...types.timestampType, parse: parseDateTime }, shortestDateTimeBytes, longestTimeBytes);
    default:
      break;
  }
  if (maxLength !== undefined) return simple(types.stringType, 2, bytesOf(maxLength));
  if (enumValues === undefined || enumValues.length === 0) return simple(types.stringType, 2, maxRequestBytes - 2);
  const lengths = enumValues.map((value) => (typeof value === 'string' ? Buffer.byteLength(value) : 0));
  return simple(types.stringType, 2, Math.max(...lengths));
}

/** `maxLength` counts characters, of up to four bytes. */
const bytesOf = (maxLength: number): number => Math.max(0, maxLength) * 4;

const atLeastZero = (value: number | undefined): number | undefined => (value === undefined ? undefined : Math.max(0, value));

/** Estimates the size of parts of variables, for cost estimates. @param root the type that contains all variables */
export const sizeEstimator =
  (root: DeclaredType): SizeEstimator =>
  (path) => {
    if (path.length === 0) return undefined;
    let at: DeclaredType | undefined = root;
    for (const name of path.slice(1)) {
      if (name === '@items' || name === '@values') at = at?.element;
      else if (name === '@keys') at = at?.key;
      else at = at?.fields?.get(name);
      if (at === undefined) return undefined;
    }
    return { min: 0, max: at.maxElements };
  };

/** The maximum number of values of a type in one request. @param minBytes smallest size of one value */
export const maxCardinality = (minBytes: number): number => Math.floor(maxRequestBytes / (minBytes + 1));
