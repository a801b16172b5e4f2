/**
 * Checks of the schema of a version when a CustomResourceDefinition is written.
 *
 * Source: apiextensions-apiserver `pkg/apis/apiextensions/validation/validation.go` (validateCustomResourceDefinitionValidation,
 * ValidateCustomResourceDefinitionOpenAPISchema).
 */
import { type FieldError, forbiddenField, invalidValue, notSupported, required } from '../field-error.ts';
import { isJsonObject } from '../json.ts';
import { ownValue } from '../own-value.ts';
import type { JSONSchemaProps } from '../types.generated.ts';
import { validateDefaults } from './default-checks.ts';
import { costError, RuleChecks, RuleScope, ruleTextErrors, schemaCostLimit } from './rule-checks.ts';
import { asSchema, unsupportedReason, validateStructural } from './structural-checks.ts';
import { childPath, keyPath, metaFields, parseStructuralSchema } from './structural-schema.ts';

/**
 * The requirements of a schema. A requirement that the stored schema does not meet is not enforced for a new one of the same
 * CustomResourceDefinition.
 */
export interface SchemaCheckOptions {
  /** The status subresource is enabled: then the root may have only what does not concern the status. */
  hasStatus?: boolean;
  requireStructural?: boolean;
  requirePrunedDefaults?: boolean;
  requireAtomicSets?: boolean;
  requireMapKeys?: boolean;
  requireKnownTypes?: boolean;
  /** The schema has not changed: its rules may cost what they did. */
  isUnchanged?: boolean;
}

/**
 * The errors of a schema.
 * @param path of the schema: `spec.versions[0].schema.openAPIV3Schema`, or `spec.validation.openAPIV3Schema`, as upstream calls it where all
 * versions have the same
 */
export function validateCustomResourceSchema(
  schema: JSONSchemaProps,
  path: string,
  options: SchemaCheckOptions = {},
): FieldError[] {
  const { hasStatus = false, requireStructural = true, requirePrunedDefaults = true } = options;
  const errors = hasStatus ? rootErrors(schema, path) : [];
  if (schema.nullable === true) errors.push(forbiddenField(childPath(path, 'nullable'), 'nullable cannot be true at the root'));
  const unsupported = requireStructural ? unsupportedReason(schema) : undefined;
  let rules: RuleChecks | undefined;
  if (requireStructural && unsupported === undefined) {
    const structural = validateStructural(schema, path);
    const wrong =
      structural.length > 0 ? structural : validateDefaults(parseStructuralSchema(schema), path, requirePrunedDefaults);
    errors.push(...wrong);
    if (wrong.length === 0) rules = new RuleChecks(options.isUnchanged === true);
  }
  const checks = new SchemaChecks(options, rules);
  checks.check(schema, path, {
    isRoot: true,
    isInMeta: false,
    noDefaults: undefined,
    scope: rules === undefined ? undefined : new RuleScope(1),
    uncorrelatable: undefined,
  });
  errors.push(...checks.errors, ...checks.ruleErrors);
  // Most unsupported schemas have a better error from the checks above.
  if (errors.length === 0 && unsupported !== undefined) errors.push(invalidValue(path, '', unsupported));
  if (rules !== undefined && rules.totalCost > schemaCostLimit) {
    const detail = 'contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema';
    errors.push(...rules.mostExpensive.map(({ path: at }) => forbiddenField(at, detail)));
    const what = 'x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema';
    errors.push(forbiddenField(path, costError(what, rules.totalCost, schemaCostLimit)));
  }
  return errors;
}

/** Go's names of the fields that the root may have besides a status. */
const rootFields: ReadonlyMap<string, string> = new Map(
  'description type format title maximum exclusiveMaximum minimum exclusiveMinimum maxLength minLength pattern maxItems minItems uniqueItems multipleOf required items properties externalDocs example'
    .split(' ')
    .map((name) => [name, name.charAt(0).toUpperCase() + name.slice(1)] as const)
    .concat([
      ['x-kubernetes-preserve-unknown-fields', 'XPreserveUnknownFields'],
      ['x-kubernetes-validations', 'XValidations'],
    ]),
);

function rootErrors(schema: JSONSchemaProps, path: string): FieldError[] {
  if (schema.type !== undefined && schema.type !== '' && schema.type !== 'object') {
    const detail = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled';
    return [invalidValue(childPath(path, 'type'), schema.type, detail)];
  }
  const others = Object.entries(schema).filter(([name, value]) => !rootFields.has(name) && isGiven(value));
  if (others.length === 0) return [];
  const names = [...rootFields.values()].join(' ');
  const detail = `only [${names}] fields are allowed at the root of the schema if the status subresource is enabled`;
  return [invalidValue(path, schema, detail)];
}

function isGiven(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === false) return false;
  return typeof value !== 'object' || Object.keys(value).length > 0;
}

const knownTypes = ['array', 'boolean', 'integer', 'number', 'object', 'string'];

/** Where a part of a schema stands. */
interface Place {
  isRoot: boolean;
  /** Whether it is part of a resource's metadata, apiVersion or kind. */
  isInMeta: boolean;
  /** Why there may be no defaults. */
  noDefaults: string | undefined;
  /** Undefined when rules are not allowed, or not checked. */
  scope: RuleScope | undefined;
  /** The enclosing part in which values cannot be matched with old values. */
  uncorrelatable: string | undefined;
}

class SchemaChecks {
  readonly errors: FieldError[] = [];
  readonly ruleErrors: FieldError[] = [];
  readonly #options: SchemaCheckOptions;
  readonly #rules: RuleChecks | undefined;

  constructor(options: SchemaCheckOptions, rules: RuleChecks | undefined) {
    this.#options = options;
    this.#rules = rules;
  }

  #forbid(path: string, detail: string): void {
    this.errors.push(forbiddenField(path, detail));
  }

  check(schema: JSONSchemaProps, path: string, place: Place): void {
    const before = this.errors.length;
    this.#standard(schema, path, place);
    if (schema.uniqueItems === true)
      this.#forbid(
        childPath(path, 'uniqueItems'),
        'uniqueItems cannot be set to true since the runtime complexity becomes quadratic',
      );
    this.#additionalProperties(schema, path, place);
    this.#properties(schema, path, place);
    this.#junctors(schema, path, place);
    this.#items(schema, path, place);
    if (schema['x-kubernetes-preserve-unknown-fields'] === false)
      this.errors.push(invalidValue(childPath(path, 'x-kubernetes-preserve-unknown-fields'), false, 'must be true or undefined'));
    this.#mapType(schema, path);
    this.#listType(schema, path);
    this.#listMap(schema, path);
    if (this.#options.requireMapKeys !== false) this.errors.push(...mapKeyErrors(schema, path));
    this.errors.push(...ruleTextErrors(schema, path));
    // Messages about rules are of no use as long as the types are wrong that they are about.
    if (this.errors.length === before && place.scope !== undefined && this.#rules !== undefined)
      this.ruleErrors.push(...this.#rules.check(schema, path, place.scope, place.isRoot, place.uncorrelatable));
  }

  #standard(schema: JSONSchemaProps, path: string, { noDefaults, isInMeta }: Place): void {
    const { type = '' } = schema;
    if (this.#options.requireKnownTypes !== false && type !== '' && !knownTypes.includes(type))
      this.errors.push(notSupported(childPath(path, 'type'), type, knownTypes));
    if (schema.default !== undefined && schema.default !== null && noDefaults !== undefined)
      this.#forbid(childPath(path, 'default'), `must not be set ${noDefaults}`);
    if (isGiven(schema.id)) this.#forbid(childPath(path, 'id'), 'id is not supported');
    if (schema.additionalItems !== undefined && schema.additionalItems !== null)
      this.#forbid(childPath(path, 'additionalItems'), 'additionalItems is not supported');
    for (const name of ['patternProperties', 'definitions'] as const)
      if (isGiven(schema[name])) this.#forbid(childPath(path, name), `${name} is not supported`);
    if (schema.dependencies !== undefined) this.#forbid(childPath(path, 'dependencies'), 'dependencies is not supported');
    if (schema.$ref !== undefined) this.#forbid(childPath(path, '$ref'), '$ref is not supported');
    if (type === 'null') this.#forbid(childPath(path, 'type'), 'type cannot be set to null, use nullable as an alternative');
    if (Array.isArray(schema.items) && schema.items.length > 0)
      this.#forbid(childPath(path, 'items'), 'items must be a schema object and not an array');
    if (isInMeta && schema['x-kubernetes-embedded-resource'] === true)
      this.#forbid(childPath(path, 'x-kubernetes-embedded-resource'), 'must not be used inside of resource meta');
  }

  #additionalProperties(schema: JSONSchemaProps, path: string, place: Place): void {
    const { additionalProperties } = schema;
    if (additionalProperties === undefined || additionalProperties === null) return;
    const at = childPath(path, 'additionalProperties');
    if (isGiven(schema.properties) && additionalProperties !== true)
      this.#forbid(at, 'additionalProperties and properties are mutual exclusive');
    const values = asSchema(additionalProperties);
    if (values === undefined) return;
    // Which fields pruning would drop from such a default depends on the key, which is unknown.
    const noDefaults = place.isInMeta ? 'inside additionalProperties applying to object metadata' : place.noDefaults;
    this.check(values, at, { ...place, isRoot: false, noDefaults, scope: place.scope?.child(schema) });
  }

  #properties(schema: JSONSchemaProps, path: string, place: Place): void {
    const mapType = schema['x-kubernetes-map-type'];
    const isCorrelatable = mapType === undefined || mapType === 'granular' || mapType === 'atomic';
    const isResource = place.isRoot || schema['x-kubernetes-embedded-resource'] === true;
    for (const [name, property] of Object.entries(schema.properties ?? {})) {
      const isMeta = isResource && metaFields.has(name);
      this.check(property, keyPath(childPath(path, 'properties'), name), {
        isRoot: false,
        isInMeta: place.isInMeta || isMeta,
        noDefaults: isMeta && place.isRoot ? `in top-level ${name}` : place.noDefaults,
        scope: place.scope?.child(schema),
        uncorrelatable: place.uncorrelatable ?? (isCorrelatable ? undefined : path),
      });
    }
  }

  #junctors(schema: JSONSchemaProps, path: string, place: Place): void {
    const nested = { ...place, isRoot: false, scope: undefined };
    if (schema.not !== undefined) this.check(schema.not, childPath(path, 'not'), nested);
    for (const junctor of ['allOf', 'oneOf', 'anyOf'] as const)
      for (const [index, branch] of (schema[junctor] ?? []).entries())
        this.check(branch, keyPath(childPath(path, junctor), index), nested);
    for (const [name, definition] of Object.entries(schema.definitions ?? {}))
      this.check(definition, keyPath(childPath(path, 'definitions'), name), nested);
    for (const [name, dependency] of Object.entries(schema.dependencies ?? {}))
      if (isJsonObject(dependency))
        this.check(dependency as JSONSchemaProps, keyPath(childPath(path, 'dependencies'), name), nested);
  }

  #items(schema: JSONSchemaProps, path: string, place: Place): void {
    const uncorrelatable = place.uncorrelatable ?? (schema['x-kubernetes-list-type'] === 'map' ? undefined : path);
    const at = childPath(path, 'items');
    const check = (items: JSONSchemaProps, itemPath: string): void =>
      this.check(items, itemPath, { ...place, isRoot: false, scope: place.scope?.child(schema), uncorrelatable });
    const items = asSchema(schema.items);
    if (items !== undefined) check(items, at);
    if (Array.isArray(schema.items))
      for (const [index, one] of schema.items.entries()) check(one as JSONSchemaProps, keyPath(at, index));
  }

  #mapType({ type = '', 'x-kubernetes-map-type': mapType }: JSONSchemaProps, path: string): void {
    if (mapType === undefined) return;
    if (type !== 'object') this.errors.push(typeError(type, path, 'must be object if x-kubernetes-map-type is specified'));
    if (mapType !== 'atomic' && mapType !== 'granular')
      this.errors.push(notSupported(childPath(path, 'x-kubernetes-map-type'), mapType, ['atomic', 'granular']));
  }

  #listType(schema: JSONSchemaProps, path: string): void {
    const { type = '', 'x-kubernetes-list-type': listType } = schema;
    if (listType === undefined) return;
    const items = asSchema(schema.items);
    if (type !== 'array') this.errors.push(typeError(type, path, 'must be array if x-kubernetes-list-type is specified'));
    else if (this.#options.requireAtomicSets !== false && listType === 'set' && items !== undefined) {
      const detail = 'must be atomic as item of a list with x-kubernetes-list-type=set';
      const at = childPath(path, 'items');
      const itemListType = items['x-kubernetes-list-type'];
      if (items.type === 'array' && itemListType !== undefined && itemListType !== 'atomic')
        this.errors.push(invalidValue(childPath(at, 'x-kubernetes-list-type'), itemListType, detail));
      if (items.type === 'object' && items['x-kubernetes-map-type'] !== 'atomic')
        this.errors.push(invalidValue(childPath(at, 'x-kubernetes-map-type'), itemListType ?? null, detail));
    }
    if (!['atomic', 'set', 'map'].includes(listType))
      this.errors.push(notSupported(childPath(path, 'x-kubernetes-list-type'), listType, ['atomic', 'set', 'map']));
  }

  #listMap(schema: JSONSchemaProps, path: string): void {
    const listType = schema['x-kubernetes-list-type'];
    const keys = schema['x-kubernetes-list-map-keys'] ?? [];
    const typePath = childPath(path, 'x-kubernetes-list-type');
    if (keys.length > 0 && listType !== 'map') {
      const detail = 'must be map if x-kubernetes-list-map-keys is non-empty';
      this.errors.push(listType === undefined ? required(typePath, detail) : invalidValue(typePath, listType, detail));
    }
    if (listType !== 'map') return;
    const keysPath = childPath(path, 'x-kubernetes-list-map-keys');
    const itemsPath = childPath(path, 'items');
    if (keys.length === 0) this.errors.push(required(keysPath, 'must not be empty if x-kubernetes-list-type is map'));
    const items = asSchema(schema.items);
    if (schema.items === undefined || schema.items === null)
      this.errors.push(required(itemsPath, 'must have a schema if x-kubernetes-list-type is map'));
    else if (items === undefined)
      this.errors.push(invalidValue(itemsPath, schema.items, 'must only have a single schema if x-kubernetes-list-type is map'));
    else if (items.type !== 'object')
      this.errors.push(
        invalidValue(
          childPath(itemsPath, 'type'),
          items.type ?? '',
          "must be object if parent array's x-kubernetes-list-type is map",
        ),
      );
    else this.#mapKeys(items, keys, path);
  }

  #mapKeys(items: JSONSchemaProps, keys: readonly string[], path: string): void {
    const keysPath = childPath(path, 'x-kubernetes-list-map-keys');
    for (const [index, key] of keys.entries()) {
      const property = ownValue(items.properties, key);
      if (property === undefined) this.errors.push(invalidValue(keysPath, keys, 'entries must all be names of item properties'));
      else if (property.type === 'array' || property.type === 'object') {
        const at = childPath(keyPath(childPath(childPath(path, 'items'), 'properties'), key), 'type');
        const detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
        this.errors.push(invalidValue(at, items.type ?? '', detail));
      }
      if (keys.indexOf(key) < index) this.errors.push(invalidValue(keysPath, keys, 'must not contain duplicate entries'));
    }
  }
}

const typeError = (type: string, path: string, detail: string): FieldError =>
  type === '' ? required(childPath(path, 'type'), detail) : invalidValue(childPath(path, 'type'), type, detail);

/** The keys of a list that is a map must always be there. Items of sets and maps are not null. */
export function mapKeyErrors(schema: JSONSchemaProps, path: string): FieldError[] {
  const listType = schema['x-kubernetes-list-type'];
  const items = asSchema(schema.items);
  if (items === undefined || (listType !== 'set' && listType !== 'map')) return [];
  const errors: FieldError[] = [];
  const at = childPath(path, 'items');
  if (items.nullable === true)
    errors.push(forbiddenField(childPath(at, 'nullable'), `cannot be nullable when x-kubernetes-list-type is ${listType}`));
  if (listType === 'set') return errors;
  for (const key of schema['x-kubernetes-list-map-keys'] ?? []) {
    const property = ownValue(items.properties, key);
    if (property === undefined) continue;
    const propertyPath = keyPath(childPath(at, 'properties'), key);
    const isThere = items.required?.includes(key) === true || (property.default !== undefined && property.default !== null);
    if (!isThere) {
      const detail = 'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property';
      errors.push(required(childPath(propertyPath, 'default'), detail));
    }
    if (property.nullable === true) {
      const detail = 'this property is in x-kubernetes-list-map-keys, so it cannot be nullable';
      errors.push(forbiddenField(childPath(propertyPath, 'nullable'), detail));
    }
  }
  return errors;
}
