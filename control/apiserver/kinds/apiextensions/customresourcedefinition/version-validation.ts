/**
 * The parts of one version: subresources, printer columns, selectable fields, deprecation.
 *
 * Source: apiextensions-apiserver `pkg/apis/apiextensions/validation/validation.go`, `pkg/apiserver/schema/cel/validation.go` (ValidFieldPath).
 */
import { duplicate, type FieldError, forbiddenField, invalidField, invalidValue, required, tooMany } from '#api/field-error.ts';
import { isJsonObject } from '#api/json.ts';
import { ownValue } from '#api/own-value.ts';
import type {
  CustomResourceColumnDefinition,
  CustomResourceDefinitionVersion,
  CustomResourceSubresources,
  JSONSchemaProps,
  SelectableField,
} from '#api/types.generated.ts';

const columnTypes = ['boolean', 'date', 'integer', 'number', 'string'];
const columnFormats = new Set(['int32', 'int64', 'float', 'double', 'byte', 'date', 'date-time', 'password']);
const maxSelectableFields = 8;

/** A path in dots: `.spec.replicas`. */
function validateSimplePath(path: string, field: string): FieldError[] {
  return path.startsWith('.') ? [] : [invalidValue(field, path, 'must be a simple json path starting with .')];
}

/** `subresources` of a version. */
export function validateSubresources(subresources: CustomResourceSubresources | undefined, path: string): FieldError[] {
  const { scale } = subresources ?? {};
  if (scale === undefined) return [];
  const { labelSelectorPath = '' } = scale;
  return [
    ...validateReplicasPath(scale.specReplicasPath ?? '', `${path}.scale.specReplicasPath`, 'spec'),
    ...validateReplicasPath(scale.statusReplicasPath ?? '', `${path}.scale.statusReplicasPath`, 'status'),
    ...(labelSelectorPath === ''
      ? []
      : below(labelSelectorPath, `${path}.scale.labelSelectorPath`, ['spec', 'status'], 'under either .spec or .status')),
  ];
}

const validateReplicasPath = (path: string, field: string, part: string): FieldError[] =>
  path === '' ? [required(field)] : below(path, field, [part], `under .${part}`);

function below(path: string, field: string, parts: readonly string[], where: string): FieldError[] {
  const errors = validateSimplePath(path, field);
  if (errors.length > 0 || parts.some((part) => path.startsWith(`.${part}.`))) return errors;
  return [invalidValue(field, path, `should be a json path ${where}`)];
}

/** `additionalPrinterColumns` of a version. */
export function validateColumns(columns: readonly Partial<CustomResourceColumnDefinition>[] = [], path: string): FieldError[] {
  const types = `must be one of ${columnTypes.join(',')}`;
  return columns.flatMap(({ name = '', type = '', format = '', jsonPath = '' }, index) => {
    const at = `${path}[${index}]`;
    return [
      ...(name === '' ? [required(`${at}.name`)] : []),
      ...(type === ''
        ? [required(`${at}.type`, types)]
        : columnTypes.includes(type)
          ? []
          : [invalidValue(`${at}.type`, type, types)]),
      ...(format === '' || columnFormats.has(format)
        ? []
        : [invalidValue(`${at}.format`, format, `must be one of ${[...columnFormats].sort().join(',')}`)]),
      ...(jsonPath === '' ? [required(`${at}.JSONPath`)] : validateSimplePath(jsonPath, `${at}.JSONPath`)),
    ];
  });
}

/** @param isUnchanged the stored definition has the same ones, so that there may be too many */
export function validateSelectableFields(
  fields: readonly Partial<SelectableField>[] = [],
  schema: JSONSchemaProps | undefined,
  path: string,
  isUnchanged: boolean,
): FieldError[] {
  if (fields.length === 0) return [];
  if (schema === undefined) {
    const when = path.startsWith('spec.versions')
      ? '`version.schema.openAPIV3Schema` is not included'
      : 'validations.schema is included';
    return [invalidValue(path, '', `may only be set when ${when}`)];
  }
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [index, { jsonPath = '' }] of fields.entries()) {
    const at = `${path}[${index}].jsonPath`;
    if (jsonPath === '') {
      errors.push(required(at));
      continue;
    }
    const found = schemaAt(jsonPath, schema);
    if (typeof found === 'string') {
      errors.push(invalidValue(at, jsonPath, `is an invalid path: ${found}`));
      continue;
    }
    if (found.names[0] === 'metadata') errors.push(invalidValue(at, jsonPath, 'must not point to fields in metadata'));
    if (!['string', 'boolean', 'integer'].includes(found.schema.type ?? ''))
      errors.push(
        invalidValue(
          at,
          jsonPath,
          'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.',
        ),
      );
    const key = found.names.join('.');
    if (seen.has(key)) errors.push(duplicate(at, jsonPath));
    seen.add(key);
  }
  if (seen.size > maxSelectableFields && !isUnchanged) errors.push(tooMany(path, seen.size, maxSelectableFields));
  return errors;
}

/** The schema of the field that a path names, or what is wrong with the path. */
function schemaAt(path: string, root: JSONSchemaProps): { names: readonly string[]; schema: JSONSchemaProps } | string {
  if (path.includes('[')) return 'array notation is not allowed';
  const [first, ...names] = path.split('.');
  if (first !== '') return `expected [ or . but got: ${first}`;
  let schema = root;
  for (const name of names) {
    if (name === '') return 'unexpected end of JSON path';
    const { properties, additionalProperties: additional } = schema;
    const next =
      properties === undefined
        ? isJsonObject(additional)
          ? (additional as JSONSchemaProps)
          : undefined
        : ownValue(properties, name);
    if (next === undefined) return 'does not refer to a valid field';
    schema = next;
  }
  return { names, schema };
}

const notPrintable = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u;

/** `deprecationWarning` of a version. */
export function validateDeprecation(version: CustomResourceDefinitionVersion, path: string): FieldError[] {
  const { deprecated = false, deprecationWarning: text } = version;
  if (text === undefined) return [];
  const at = `${path}.deprecationWarning`;
  if (!deprecated) return [invalidValue(at, text, 'can only be set for deprecated versions')];
  const bad = notPrintable.exec(text);
  return [
    ...(Buffer.byteLength(text) > 256 ? [invalidValue(at, text, 'must be <= 256 characters long')] : []),
    ...(text === '' ? [invalidValue(at, text, 'must not be an empty string')] : []),
    ...(bad === null
      ? []
      : [
          invalidValue(
            at,
            text,
            `must only contain printable UTF-8 characters; non-printable character found at index ${Buffer.byteLength(text.slice(0, bad.index))}`,
          ),
        ]),
  ];
}

/** What may stand at the root of a schema beside `status`, which is checked alone when it is written. */
const atRoot: readonly (readonly [go: string, wire: string])[] = [
  ['Description', 'description'],
  ['Type', 'type'],
  ['Format', 'format'],
  ['Title', 'title'],
  ['Maximum', 'maximum'],
  ['ExclusiveMaximum', 'exclusiveMaximum'],
  ['Minimum', 'minimum'],
  ['ExclusiveMinimum', 'exclusiveMinimum'],
  ['MaxLength', 'maxLength'],
  ['MinLength', 'minLength'],
  ['Pattern', 'pattern'],
  ['MaxItems', 'maxItems'],
  ['MinItems', 'minItems'],
  ['UniqueItems', 'uniqueItems'],
  ['MultipleOf', 'multipleOf'],
  ['Required', 'required'],
  ['Items', 'items'],
  ['Properties', 'properties'],
  ['ExternalDocs', 'externalDocs'],
  ['Example', 'example'],
  ['XPreserveUnknownFields', 'x-kubernetes-preserve-unknown-fields'],
  ['XValidations', 'x-kubernetes-validations'],
];
const namesAtRoot = new Set(atRoot.map(([, wire]) => wire));

/** The root of a schema. @param hasStatus whether the subresource status is on */
export function validateSchemaRoot(schema: JSONSchemaProps, hasStatus: boolean, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (hasStatus && schema.type !== undefined && schema.type !== '' && schema.type !== 'object')
    errors.push(
      invalidValue(
        `${path}.type`,
        schema.type,
        'only "object" is allowed as the type at the root of the schema if the status subresource is enabled',
      ),
    );
  else if (
    hasStatus &&
    Object.keys(schema).some((name) => !namesAtRoot.has(name) && isSet(schema[name as keyof JSONSchemaProps]))
  ) {
    const allowed = atRoot.map(([go]) => go).join(' ');
    const why = `only [${allowed}] fields are allowed at the root of the schema if the status subresource is enabled`;
    errors.push(invalidField(path, why));
  }
  if (schema.nullable === true) errors.push(forbiddenField(`${path}.nullable`, 'nullable cannot be true at the root'));
  return errors;
}

const isSet = (value: unknown): boolean =>
  value !== undefined && value !== false && value !== '' && value !== null && !(Array.isArray(value) && value.length === 0);
