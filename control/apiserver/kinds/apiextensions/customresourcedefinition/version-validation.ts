/**
 * The parts of one version: subresources, printer columns, selectable fields, deprecation.
 *
 * Source: apiextensions-apiserver `pkg/apis/apiextensions/validation/validation.go`.
 */
import { duplicate, type FieldError, invalidValue, required, tooMany } from '#api/field-error.ts';
import { FieldPathError, type FoundField, findField } from '#api/structural-schema/field-path.ts';
import { parseStructuralSchema, type StructuralSchema } from '#api/structural-schema/structural-schema.ts';
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
  const root = parseStructuralSchema(schema);
  const seen = new Set<string>();
  for (const [index, { jsonPath = '' }] of fields.entries()) {
    const at = `${path}[${index}].jsonPath`;
    if (jsonPath === '') {
      errors.push(required(at));
      continue;
    }
    const found = fieldAt(jsonPath, root);
    if (found instanceof FieldPathError) {
      errors.push(invalidValue(at, jsonPath, `is an invalid path: ${found.message}`));
      continue;
    }
    if (/^metadata\b/.test(found.path)) errors.push(invalidValue(at, jsonPath, 'must not point to fields in metadata'));
    if (!['string', 'boolean', 'integer'].includes(found.schema.type))
      errors.push(
        invalidValue(
          at,
          jsonPath,
          'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.',
        ),
      );
    if (seen.has(found.path)) errors.push(duplicate(at, jsonPath));
    seen.add(found.path);
  }
  if (seen.size > maxSelectableFields && !isUnchanged) errors.push(tooMany(path, seen.size, maxSelectableFields));
  return errors;
}

function fieldAt(jsonPath: string, root: StructuralSchema): FoundField | FieldPathError {
  try {
    return findField(jsonPath, root, { allowArrayNotation: false });
  } catch (error) {
    if (error instanceof FieldPathError) return error;
    throw error;
  }
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
