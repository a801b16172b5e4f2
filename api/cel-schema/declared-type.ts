/**
 * Types that expressions see of a schema, and how large values of them can be.
 *
 * Fields are looked at when an expression comes to them: a type of a large schema costs nothing before.
 *
 * Source: apiserver `pkg/cel/common/schemas.go` (SchemaDeclType), `pkg/cel/types.go`, `pkg/cel/limits.go`.
 */
import type { SizeEstimator } from '../cel/cost-range.ts';
import type { Field, ListIdentity, Type } from '../cel/types.ts';
import * as types from '../cel/types.ts';
import { escapeName, isReserved } from './escaping.ts';
import { parseBytes, parseDate, parseDateTime, parseFormatDuration } from './formatted-values.ts';
import { type SchemaNode, withTypeAndObjectMeta } from './schema-node.ts';

/** The largest request: no value of it is larger, in bytes. Source: apiserver `pkg/apis/cel/config.go` */
export const maxRequestBytes = 3 * 1024 * 1024;

/** A type with what its schema says of its values. */
export interface DeclaredType {
  readonly type: Type;
  /** Of lists items, of maps keys, of texts bytes; 0 where there is nothing to count. */
  readonly maxElements: number;
  /** The fewest bytes that a value takes in JSON. */
  readonly minBytes: number;
  /** Of the items of a list, and of the values of a map. */
  readonly element?: DeclaredType;
  /** Of the keys of a map. */
  readonly key?: DeclaredType;
  /** Fields of an object, by their CEL names. */
  readonly fields?: ReadonlyMap<string, DeclaredType>;
}

const simple = (type: Type, minBytes: number, maxElements = 0): DeclaredType => ({ type, minBytes, maxElements });
const stringKey = simple(types.stringType, 2);

/**
 * The type of a schema's values. Undefined: expressions do not see them, because nothing is said about their type.
 * @param isResource the value is a resource, which has a name whatever the schema says
 * @param name of an object's type, as messages show it; the types of its fields have names below it
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
  // Brackets around all, a comma after each.
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
  // Of each the key's quotes and two characters, a colon and a comma.
  const maxElements = atLeastZero(maxProperties) ?? Math.floor((maxRequestBytes - 2) / (element.minBytes + 6));
  return { type: types.mapType(types.stringType, element.type), minBytes: 2, maxElements, key: stringKey, element };
}

function objectOf(node: SchemaNode, name: string): DeclaredType {
  return new ObjectType(node, name);
}

/** An object whose fields are made when they are asked for. */
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

  /** Braces, and all that must be there and is not filled in by the server. */
  get minBytes(): number {
    if (this.#minBytes !== undefined) return this.#minBytes;
    // A type that contains itself must not need itself: then it has no values.
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

/** How large the parts of a variable can be, for estimates of costs. @param root the type of all variables */
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

/** How often at most values of a type can be in one request, if nothing limits it. @param minBytes of one */
export const maxCardinality = (minBytes: number): number => Math.floor(maxRequestBytes / (minBytes + 1));
