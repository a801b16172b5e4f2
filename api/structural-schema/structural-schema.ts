/**
 * A structural schema: the `openAPIV3Schema` of a version of a CustomResourceDefinition, as the server works with it.
 *
 * Nothing is parsed ahead. A node stands on the JSON that the CustomResourceDefinition holds anyway, and its children come into being when
 * an object that is read or checked has a value there: the schemas of a platform have ten thousand fields, of which objects use a few.
 *
 * Source: apiextensions-apiserver `pkg/apiserver/schema/structural.go`, `convert.go`; kubernetes.io, "Specifying a structural schema".
 */
import type { SchemaNode } from '../cel-schema/schema-node.ts';
import { copyJson } from '../copy-json.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { isJsonObject } from '../json.ts';
import { ownValue } from '../own-value.ts';
import type { JSONSchemaProps, ValidationRule } from '../types.generated.ts';

const noRules: readonly ValidationRule[] = [];
const noNodes: readonly StructuralSchema[] = [];
const noDefaults: readonly (readonly [string, StructuralSchema])[] = [];

/** One node of a schema. Immutable: its JSON is never changed. */
export class StructuralSchema implements SchemaNode {
  /** The schema in the CustomResourceDefinition. */
  readonly json: JSONSchemaProps;
  /** `object`, `array`, `string`, `number`, `integer`, `boolean`; empty: any value. */
  readonly type: string;
  readonly isNullable: boolean;
  /** `x-kubernetes-preserve-unknown-fields` */
  readonly preservesUnknown: boolean;
  /** `x-kubernetes-embedded-resource` */
  readonly isEmbeddedResource: boolean;
  /** `x-kubernetes-int-or-string` */
  readonly isIntOrString: boolean;
  #items: StructuralSchema | null | undefined;
  #additional: StructuralSchema | null | undefined;
  #properties: Map<string, StructuralSchema> | undefined;
  #defaulted: readonly (readonly [string, StructuralSchema])[] | undefined;
  #branches: Map<'allOf' | 'anyOf' | 'oneOf', readonly StructuralSchema[]> | undefined;
  #not: StructuralSchema | null | undefined;

  constructor(json: JSONSchemaProps) {
    this.json = json;
    this.type = json.type ?? '';
    this.isNullable = json.nullable === true;
    this.preservesUnknown = json['x-kubernetes-preserve-unknown-fields'] === true;
    this.isEmbeddedResource = json['x-kubernetes-embedded-resource'] === true;
    this.isIntOrString = json['x-kubernetes-int-or-string'] === true;
  }

  /** The schema of a list's items. Undefined also where there are several, which no structural schema has. */
  get items(): StructuralSchema | undefined {
    this.#items ??= isJsonObject(this.json.items) ? new StructuralSchema(this.json.items as JSONSchemaProps) : null;
    return this.#items ?? undefined;
  }

  /** The schema of a map's values. */
  get additional(): StructuralSchema | undefined {
    const { additionalProperties } = this.json;
    this.#additional ??= isJsonObject(additionalProperties)
      ? new StructuralSchema(additionalProperties as JSONSchemaProps)
      : null;
    return this.#additional ?? undefined;
  }

  /** Whether `additionalProperties` is given: as a schema, or as true or false. */
  get hasAdditional(): boolean {
    return this.json.additionalProperties !== undefined && this.json.additionalProperties !== null;
  }

  /** Names of declared fields. */
  get propertyNames(): readonly string[] {
    return Object.keys(this.json.properties ?? {});
  }

  get hasProperties(): boolean {
    for (const _name in this.json.properties) return true;
    return false;
  }

  /** The schema of a declared field. */
  property(name: string): StructuralSchema | undefined {
    const known = this.#properties?.get(name);
    if (known !== undefined) return known;
    const json = ownValue(this.json.properties, name);
    if (json === undefined) return undefined;
    const made = new StructuralSchema(json);
    this.#properties ??= new Map();
    this.#properties.set(name, made);
    return made;
  }

  /** The schema of the value of a key: of a declared field, else of a map's values. */
  child(key: string): StructuralSchema | undefined {
    return this.property(key) ?? this.additional;
  }

  get hasDefault(): boolean {
    return this.json.default !== undefined && this.json.default !== null;
  }

  /** A new copy of the default; null: there is none. */
  makeDefault(): JsonValue {
    return copyJson(this.json.default ?? null);
  }

  /** The declared fields that have a default. */
  get defaulted(): readonly (readonly [name: string, schema: StructuralSchema])[] {
    if (this.#defaulted === undefined) {
      const found = Object.entries(this.json.properties ?? {})
        .filter(([, json]) => json.default !== undefined && json.default !== null)
        .map(([name]) => [name, this.property(name) as StructuralSchema] as const);
      this.#defaulted = found.length === 0 ? noDefaults : found;
    }
    return this.#defaulted;
  }

  /** `atomic`, `set` or `map`; undefined: not said, which means atomic. */
  get listType(): string | undefined {
    return this.json['x-kubernetes-list-type'];
  }

  get listMapKeys(): readonly string[] {
    return this.json['x-kubernetes-list-map-keys'] ?? [];
  }

  /** `granular` or `atomic`; undefined: not said, which means granular. */
  get mapType(): string | undefined {
    return this.json['x-kubernetes-map-type'];
  }

  /** `x-kubernetes-validations` */
  get rules(): readonly ValidationRule[] {
    return this.json['x-kubernetes-validations'] ?? noRules;
  }

  get format(): string {
    return this.json.format ?? '';
  }

  get maxLength(): number | undefined {
    return this.json.maxLength;
  }

  get maxItems(): number | undefined {
    return this.json.maxItems;
  }

  get maxProperties(): number | undefined {
    return this.json.maxProperties;
  }

  get enumValues(): readonly unknown[] | undefined {
    return this.json.enum;
  }

  get required(): readonly string[] {
    return this.json.required ?? [];
  }

  /** The schemas of a junctor. */
  branches(junctor: 'allOf' | 'anyOf' | 'oneOf'): readonly StructuralSchema[] {
    const json = this.json[junctor];
    if (json === undefined || json.length === 0) return noNodes;
    this.#branches ??= new Map();
    let made = this.#branches.get(junctor);
    if (made === undefined) {
      made = json.map((branch) => new StructuralSchema(branch));
      this.#branches.set(junctor, made);
    }
    return made;
  }

  /** The schema that a value must not have. */
  get not(): StructuralSchema | undefined {
    this.#not ??= this.json.not === undefined ? null : new StructuralSchema(this.json.not);
    return this.#not ?? undefined;
  }

  /** The same schema as that of an embedded resource: `apiVersion`, `kind` and `metadata` are always there. */
  asResource(): StructuralSchema {
    if (this.isEmbeddedResource) return this;
    return new StructuralSchema({ ...this.json, 'x-kubernetes-embedded-resource': true });
  }
}

/**
 * A schema of a version, to be kept and shared: nothing of it is parsed before it is used.
 * @param openAPIV3Schema as the CustomResourceDefinition holds it, never changed afterwards; undefined: a schema that says nothing
 */
export function parseStructuralSchema(openAPIV3Schema: JSONSchemaProps | undefined): StructuralSchema {
  return new StructuralSchema(openAPIV3Schema ?? {});
}

/** The members of resources that need no schema. */
export const metaFields: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata']);

/** A path of fields as messages show it: `spec.items[0].name`. */
export const childPath = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`);

/** A path of a map's value or a list's item. */
export const keyPath = (path: string, key: string | number): string => `${path}[${key}]`;

/** JSON with its members sorted, so that equal values have equal texts. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(sorted(value), (_key, one: unknown) => (typeof one === 'bigint' ? `${one}n` : one));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  // JavaScript sorts keys that look like numbers, so entries are used to keep the order.
  const entries = Object.entries(value as JsonObject).map(([key, member]) => [key, sorted(member)] as const);
  return { entries: entries.sort(([a], [b]) => (a < b ? -1 : 1)) };
}
