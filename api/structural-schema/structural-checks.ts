/**
 * Whether a schema is structural: every field has a type outside of junctors, and junctors only add checks of values.
 *
 * Source: apiextensions-apiserver `pkg/apiserver/schema/{validation,complete,convert}.go`.
 */
import { type FieldError, forbiddenField, invalidValue, required } from '../field-error.ts';
import type { JsonValue } from '../json.ts';
import { isJsonObject } from '../json.ts';
import { sameJson } from '../meta.ts';
import { ownValue } from '../own-value.ts';
import type { JSONSchemaProps } from '../types.generated.ts';
import { patternError } from './patterns.ts';
import { childPath, keyPath } from './structural-schema.ts';

type Level = 'root' | 'item' | 'field';

/** Why a schema cannot be structural at all. Undefined: it can. */
export function unsupportedReason(schema: JSONSchemaProps | undefined): string | undefined {
  if (schema === undefined) return undefined;
  const unsupported = (name: string): string => `OpenAPIV3Schema '${name}' is not supported`;
  if (isSet(schema.id)) return unsupported('id');
  if (isSet(schema.$schema)) return unsupported('schema');
  if (isSet(schema.$ref)) return unsupported('$ref');
  if (isSet(schema.patternProperties)) return unsupported('patternProperties');
  if (isSet(schema.dependencies)) return unsupported('dependencies');
  if (schema.additionalItems !== undefined && schema.additionalItems !== null) return unsupported('additionalItems');
  if (isSet(schema.definitions)) return unsupported('definitions');
  if (schema['x-kubernetes-preserve-unknown-fields'] === false)
    return "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined";
  if (Array.isArray(schema.items) && schema.items.length > 0) return "OpenAPIV3Schema 'items' must be a schema, but is an array";
  const parts = [
    schema.not,
    ...(schema.allOf ?? []),
    ...(schema.anyOf ?? []),
    ...(schema.oneOf ?? []),
    asSchema(schema.items),
    ...Object.values(schema.properties ?? {}),
    asSchema(schema.additionalProperties),
  ];
  for (const part of parts) {
    const reason = unsupportedReason(part);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

/** The schema of items or values, where it is one schema. */
export const asSchema = (value: JsonValue | undefined): JSONSchemaProps | undefined =>
  isJsonObject(value) ? (value as JSONSchemaProps) : undefined;

/** Whether Go has anything else than the zero there. */
function isSet(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === false) return false;
  return typeof value !== 'object' || Object.keys(value).length > 0;
}

/** The errors of a schema that is not structural, sorted. Only for one that {@link unsupportedReason} finds nothing in. */
export function validateStructural(schema: JSONSchemaProps, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const checks = new StructuralChecks(errors);
  checks.invariants(schema, 'root', path);
  checks.completeness(schema, schema, path, path);
  const text = ({ field, message }: FieldError): string => `${field}: ${message}`;
  return errors.sort((a, b) => (text(a) < text(b) ? -1 : 1));
}

class StructuralChecks {
  readonly #errors: FieldError[];
  constructor(errors: FieldError[]) {
    this.#errors = errors;
  }

  #forbid(path: string, detail: string): void {
    this.#errors.push(forbiddenField(path, detail));
  }

  invariants(schema: JSONSchemaProps, level: Level, path: string): void {
    const { type = '', properties = {}, additionalProperties } = schema;
    const items = asSchema(schema.items);
    if (type === 'array' && items === undefined) this.#errors.push(required(childPath(path, 'items'), 'must be specified'));
    if (items !== undefined) this.invariants(items, 'item', childPath(path, 'items'));
    for (const [name, property] of Object.entries(properties))
      this.invariants(property, 'field', keyPath(childPath(path, 'properties'), name));
    if (additionalProperties !== undefined && additionalProperties !== null) {
      const at = childPath(path, 'additionalProperties');
      if (level === 'root') this.#forbid(at, 'must not be used at the root');
      const values = asSchema(additionalProperties);
      if (values !== undefined) this.invariants(values, 'field', at);
    }
    this.#extensions(schema, path);
    this.#valueValidation(schema, isIntOrString(schema.anyOf), isIntOrString(schema.allOf?.[0]?.anyOf), level, path);
    this.#type(schema, level, path);
    this.#resource(schema, level, path);
  }

  #extensions(schema: JSONSchemaProps, path: string): void {
    if (schema['x-kubernetes-int-or-string'] !== true) return;
    for (const name of ['x-kubernetes-preserve-unknown-fields', 'x-kubernetes-embedded-resource'] as const)
      if (schema[name] === true)
        this.#errors.push(invalidValue(childPath(path, name), true, 'must be false if x-kubernetes-int-or-string is true'));
  }

  #type(schema: JSONSchemaProps, level: Level, path: string): void {
    const { type = '' } = schema;
    const at = childPath(path, 'type');
    const isEmbedded = schema['x-kubernetes-embedded-resource'] === true;
    if (isEmbedded && type !== 'object') {
      const detail = 'must be object if x-kubernetes-embedded-resource is true';
      this.#errors.push(type === '' ? required(at, detail) : invalidValue(at, type, detail));
    } else if (
      type === '' &&
      schema['x-kubernetes-int-or-string'] !== true &&
      schema['x-kubernetes-preserve-unknown-fields'] !== true
    )
      this.#errors.push(required(at, emptyType[level]));
    if (isEmbedded && schema.additionalProperties !== undefined && schema.additionalProperties !== null)
      this.#forbid(childPath(path, 'additionalProperties'), 'must not be used if x-kubernetes-embedded-resource is set');
    if (level === 'root' && type !== '' && type !== 'object')
      this.#errors.push(invalidValue(at, type, 'must be object at the root'));
  }

  /** The fields of a resource that need no schema. */
  #resource(schema: JSONSchemaProps, level: Level, path: string): void {
    const isEmbedded = schema['x-kubernetes-embedded-resource'] === true;
    const isResource = level === 'root' || isEmbedded;
    const at = (name: string): string => keyPath(childPath(path, 'properties'), name);
    for (const name of ['kind', 'apiVersion']) {
      const property = ownValue(schema.properties, name);
      if (isResource && property !== undefined && property.type !== 'string')
        this.#errors.push(invalidValue(childPath(at(name), 'type'), property.type ?? '', 'must be string'));
    }
    const metadata = ownValue(schema.properties, 'metadata');
    if (metadata !== undefined) {
      if (isResource && metadata.type !== 'object')
        this.#errors.push(invalidValue(childPath(at('metadata'), 'type'), metadata.type ?? '', 'must be object'));
      if (level === 'root' && !saysOnlyNames(metadata))
        this.#forbid(
          at('metadata'),
          'must not specify anything other than name and generateName, but metadata is implicitly specified',
        );
    }
    if (isEmbedded && schema['x-kubernetes-preserve-unknown-fields'] !== true && !isSet(schema.properties)) {
      const detail = 'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields';
      this.#errors.push(required(childPath(path, 'properties'), detail));
    }
  }

  #valueValidation(schema: JSONSchemaProps, skipsAnyOf: boolean, skipsFirstAllOf: boolean, level: Level, path: string): void {
    const junctor = (name: string, index: number): string => keyPath(childPath(path, name), index);
    if (!skipsAnyOf)
      for (const [index, branch] of (schema.anyOf ?? []).entries()) this.#nested(branch, false, level, junctor('anyOf', index));
    for (const [index, branch] of (schema.allOf ?? []).entries())
      this.#nested(branch, skipsFirstAllOf && index === 0, level, junctor('allOf', index));
    for (const [index, branch] of (schema.oneOf ?? []).entries()) this.#nested(branch, false, level, junctor('oneOf', index));
    if (schema.not !== undefined) this.#nested(schema.not, false, level, childPath(path, 'not'));
    const { pattern = '' } = schema;
    const wrong = pattern === '' ? undefined : patternError(pattern);
    if (wrong !== undefined)
      this.#errors.push(
        invalidValue(childPath(path, 'pattern'), pattern, `must be a valid regular expression, but isn't: ${wrong}`),
      );
  }

  #nested(schema: JSONSchemaProps, skipsAnyOf: boolean, level: Level, path: string): void {
    this.#valueValidation(schema, skipsAnyOf, false, level, path);
    const items = asSchema(schema.items);
    if (items !== undefined) this.#nested(items, false, level, childPath(path, 'items'));
    for (const [name, property] of Object.entries(schema.properties ?? {}))
      this.#nested(property, false, 'field', keyPath(childPath(path, 'properties'), name));
    const { additionalProperties } = schema;
    if (isJsonObject(additionalProperties) || additionalProperties === true)
      this.#forbid(childPath(path, 'additionalProperties'), 'must be undefined to be structural');
    for (const [name, detail] of forbiddenInJunctors) {
      const value = (schema as Readonly<Record<string, unknown>>)[name];
      const isGiven = detail === 'undefined' ? value !== undefined && value !== null : isSet(value);
      if (isGiven) this.#forbid(childPath(path, name), `must be ${detail} to be structural`);
    }
    if (ownValue(schema.properties, 'metadata') !== undefined)
      this.#forbid(keyPath(childPath(path, 'properties'), 'metadata'), 'must not be specified in a nested context');
  }

  /** @param valuePath where the check of the value stands @param structure undefined: there is nothing that it could be about */
  completeness(value: JSONSchemaProps, structure: JSONSchemaProps, path: string, valuePath: string): void {
    if (value.not !== undefined) this.#nestedCompleteness(value.not, structure, path, childPath(valuePath, 'not'));
    for (const junctor of ['allOf', 'anyOf', 'oneOf'] as const)
      for (const [index, branch] of (value[junctor] ?? []).entries())
        this.#nestedCompleteness(branch, structure, path, keyPath(childPath(valuePath, junctor), index));
  }

  #nestedCompleteness(value: JSONSchemaProps, structure: JSONSchemaProps | undefined, path: string, valuePath: string): void {
    if (structure === undefined) {
      this.#errors.push(required(path, `because it is defined in ${valuePath}`));
      return;
    }
    this.completeness(value, structure, path, valuePath);
    const items = asSchema(value.items);
    if (items !== undefined)
      this.#nestedCompleteness(items, asSchema(structure.items), childPath(path, 'items'), childPath(valuePath, 'items'));
    for (const [name, property] of Object.entries(value.properties ?? {}))
      this.#nestedCompleteness(
        property,
        ownValue(structure.properties, name),
        keyPath(childPath(path, 'properties'), name),
        keyPath(childPath(valuePath, 'properties'), name),
      );
  }
}

const emptyType: Readonly<Record<Level, string>> = {
  root: 'must not be empty at the root',
  item: 'must not be empty for specified array items',
  field: 'must not be empty for specified object fields',
};

/** Keywords about structure, and their required values inside of a junctor. */
const forbiddenInJunctors: readonly (readonly [name: string, wanted: string])[] = [
  ['type', 'empty'],
  ['default', 'undefined'],
  ['title', 'empty'],
  ['description', 'empty'],
  ['nullable', 'false'],
  ['x-kubernetes-preserve-unknown-fields', 'false'],
  ['x-kubernetes-embedded-resource', 'false'],
  ['x-kubernetes-int-or-string', 'false'],
  ['x-kubernetes-list-map-keys', 'empty'],
  ['x-kubernetes-list-type', 'undefined'],
  ['x-kubernetes-map-type', 'undefined'],
  ['x-kubernetes-validations', 'empty'],
];

/** `anyOf: [{type: integer}, {type: string}]`, which is allowed although it names types. */
function isIntOrString(anyOf: readonly JSONSchemaProps[] | undefined): boolean {
  const given = (schema: JSONSchemaProps | undefined): object =>
    Object.fromEntries(Object.entries(schema ?? {}).filter(([, value]) => isSet(value) || typeof value === 'number'));
  return anyOf?.length === 2 && sameJson(anyOf.map(given), [{ type: 'integer' }, { type: 'string' }]);
}

/** A schema may constrain only the names in a resource's metadata. */
function saysOnlyNames(metadata: JSONSchemaProps): boolean {
  const { type: _type, default: _default, properties = {}, ...others } = metadata;
  const hasOthers = Object.values(others).some((value) => isSet(value) || typeof value === 'number');
  return !hasOthers && Object.keys(properties).every((name) => name === 'name' || name === 'generateName');
}
