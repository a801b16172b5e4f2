/**
 * Checks values against the value validations of a schema: types, ranges, patterns, formats, junctors.
 *
 * On update, a value that was already wrong and has not changed is let through (ratcheting).
 *
 * Source: kube-openapi `pkg/validation/validate` (the order of checks, their results and messages, also where these are odd);
 * apiextensions-apiserver `pkg/apiserver/validation/ratcheting.go`.
 */
import { codePoints } from '../cel/values.ts';
import { hasFormat, isKnownFormat, supportedFormat } from '../formats/formats.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { sameJson } from '../meta.ts';
import type { Correlation } from './correlation.ts';
import { isGoInteger, isNearlyWhole } from './json-numbers.ts';
import { validateNumber } from './number-validation.ts';
import { matchesPattern } from './patterns.ts';
import type { StructuralSchema } from './structural-schema.ts';
import { Result, type ValueError } from './value-errors.ts';

/** Whose schemas are meant: those of custom resources, or the defaults within them, which are taken as they are written. */
export type SchemaForm = 'served' | 'written';

/** Checks a value. @param correlation with the old value, on update */
export function validateValue(
  value: JsonValue,
  schema: StructuralSchema,
  { correlation, form = 'served' }: { correlation?: Correlation | undefined; form?: SchemaForm } = {},
): readonly ValueError[] {
  const result = new Result();
  new Validation(form).check(value, schema, '', correlation, result);
  return result.errors;
}

type TypeName = 'boolean' | 'string' | 'integer' | 'number' | 'array' | 'object' | 'null';

/** The type of a value, and the format that Go's type of it implies. */
function typeOf(value: JsonValue | bigint): [type: TypeName, format: string] {
  switch (typeof value) {
    case 'boolean':
      return ['boolean', ''];
    case 'string':
      return ['string', ''];
    case 'number':
      return isGoInteger(value) ? ['integer', 'int64'] : ['number', 'float64'];
    case 'bigint':
      return ['integer', 'int64'];
    default:
      if (value === null) return ['null', ''];
      return [Array.isArray(value) ? 'array' : 'object', ''];
  }
}

class Validation {
  readonly #form: SchemaForm;
  constructor(form: SchemaForm) {
    this.#form = form;
  }

  #types(schema: StructuralSchema): readonly string[] {
    if (schema.isIntOrString && this.#form === 'served') return intOrString;
    return schema.type === '' ? [] : [schema.type];
  }

  /** A part of a value, which is let through if it is what it was. */
  check(value: JsonValue, schema: StructuralSchema, path: string, correlation: Correlation | undefined, result: Result): void {
    if (correlation?.isUnchanged !== true) this.#against(value, schema, path, correlation, result);
  }

  /** Whether a value fits one of several schemas. */
  #branch(value: JsonValue, schema: StructuralSchema, path: string, correlation: Correlation | undefined): Result {
    const result = new Result();
    this.#against(value, schema, path, correlation, result);
    return result;
  }

  #against(value: JsonValue, schema: StructuralSchema, path: string, correlation: Correlation | undefined, result: Result): void {
    const types = this.#types(schema);
    if (value === null) {
      if (types.length > 0 && !types.includes('null') && !schema.isNullable) result.add(wrongType(path, types.join(','), 'null'));
      else result.matches++;
      this.#enum(value, schema, path, result);
      return;
    }
    const [type, valueFormat] = typeOf(value);
    const written = schema.json.format ?? '';
    const format = this.#form === 'served' && written !== '' ? supportedFormat(written, types) : written;
    if (types.length > 0 || format !== '') {
      const error = typeError(value, type, valueFormat, types, format, path);
      if (error === undefined) result.matches++;
      else result.add(error);
      result.matches++;
    }
    this.#junctors(value, schema, path, correlation, result);
    result.matches++;
    switch (type) {
      case 'string':
        this.#string(value as string, schema, path, result);
        if (format !== '' && isKnownFormat(format)) {
          if (!hasFormat(value as string, format)) result.add(wrongType(path, format, value as string));
          result.matches++;
        }
        break;
      case 'integer':
      case 'number':
        validateNumber(value as number, schema.json, types, format, path, result);
        result.matches += 2;
        break;
      case 'array':
        this.#array(value as JsonValue[], schema, path, correlation, result);
        result.matches += 2;
        break;
      default:
        break;
    }
    this.#enum(value, schema, path, result);
    result.matches++;
    if (type === 'object') {
      this.#object(value as JsonObject, schema, path, correlation, result);
      result.matches++;
    }
    result.matches++;
  }

  #string(value: string, { json }: StructuralSchema, path: string, result: Result): void {
    const { maxLength, minLength, pattern } = json;
    result.matches++;
    const length = maxLength === undefined && minLength === undefined ? 0 : codePoints(value);
    if (maxLength !== undefined && length > maxLength) {
      const message = `${path} in body should be at most ${maxLength} chars long`;
      result.add({ kind: 'tooLong', path, message, value, valid: maxLength });
    } else if (minLength !== undefined && length < minLength) {
      result.add({ kind: 'invalid', path, message: `${path} in body should be at least ${minLength} chars long`, value });
    } else if (pattern !== undefined && pattern !== '') {
      const wrong = matchesPattern(value, pattern);
      if (wrong !== undefined) result.add({ kind: 'invalid', path, message: `${path} in body should match '${wrong}'`, value });
    }
  }

  #enum(value: JsonValue, { json }: StructuralSchema, path: string, result: Result): void {
    const { enum: allowed } = json;
    if (allowed === undefined || allowed.length === 0) return;
    if (value !== null && allowed.some((one) => isEnumValue(value, one))) return;
    result.add({
      kind: 'enum',
      path,
      message: `${path} in body should be one of ${allowed.map(enumText).join(' ')}`,
      value,
      valid: allowed,
    });
  }

  #array(
    list: readonly JsonValue[],
    { json, items }: StructuralSchema,
    path: string,
    correlation: Correlation | undefined,
    result: Result,
  ): void {
    if (items !== undefined)
      for (const [index, item] of list.entries()) this.check(item, items, `${path}[${index}]`, correlation?.index(index), result);
    const { minItems, maxItems } = json;
    const { length } = list;
    if (minItems !== undefined && length < minItems)
      result.add({ kind: 'invalid', path, message: `${path} in body should have at least ${minItems} items`, value: length });
    if (maxItems !== undefined && length > maxItems) {
      const message = `${path} in body should have at most ${maxItems} items`;
      result.add({ kind: 'tooMany', path, message, value: length, valid: maxItems });
    }
  }

  #object(
    object: JsonObject,
    schema: StructuralSchema,
    path: string,
    correlation: Correlation | undefined,
    result: Result,
  ): void {
    const { json, additional } = schema;
    const { minProperties, maxProperties } = json;
    const keys = Object.keys(object);
    if (minProperties !== undefined && keys.length < minProperties) {
      const message = `${path} in body should have at least ${minProperties} properties`;
      result.add({ kind: 'invalid', path, message, value: keys.length });
    }
    if (maxProperties !== undefined && keys.length > maxProperties) {
      const message = `${path} in body should have at most ${maxProperties} properties`;
      result.add({ kind: 'tooMany', path, message, value: keys.length, valid: maxProperties });
    }
    for (const key of keys) {
      const property = schema.property(key);
      const at = path === '' ? key : `${path}.${key}`;
      if (property !== undefined) {
        // apiVersion and kind cannot differ, because both objects are in the requested version.
        const isTypeMeta = path === '' && (key === 'kind' || key === 'apiVersion');
        this.check(object[key] as JsonValue, property, at, isTypeMeta ? undefined : correlation?.key(key), result);
      } else if (json.additionalProperties === false) {
        result.add({ kind: 'invalid', path, message: `${path}.${key} in body is a forbidden property`, value: key });
      } else if (additional !== undefined)
        this.check(object[key] as JsonValue, additional, `${path}.${key}`, correlation?.key(key), result);
    }
    for (const name of schema.required)
      if (!Object.hasOwn(object, name))
        result.add({ kind: 'required', path: `${path}.${name}`, message: `${path}.${name} in body is required` });
  }

  #junctors(
    value: JsonValue,
    schema: StructuralSchema,
    path: string,
    correlation: Correlation | undefined,
    result: Result,
  ): void {
    const { json } = schema;
    if (json.anyOf !== undefined) this.#anyOf(value, schema.branches('anyOf'), path, correlation, result);
    if (json.oneOf !== undefined) this.#oneOf(value, schema.branches('oneOf'), path, correlation, result);
    if (json.allOf !== undefined) this.#allOf(value, schema.branches('allOf'), path, correlation, result);
    if (schema.not !== undefined && this.#branch(value, schema.not, path, correlation).isValid)
      result.add(loose(path, 'must not validate the schema (not)'));
    result.matches++;
  }

  #anyOf(
    value: JsonValue,
    branches: readonly StructuralSchema[],
    path: string,
    correlation: Correlation | undefined,
    result: Result,
  ): void {
    if (branches.length === 0) return;
    let best: Result | undefined;
    for (const branch of branches) {
      const tried = this.#branch(value, branch, path, correlation);
      if (tried.isValid) return result.merge(tried);
      if (best === undefined || tried.matches > best.matches) best = tried;
    }
    result.add(loose(path, 'must validate at least one schema (anyOf)'));
    if (best !== undefined) result.merge(best);
  }

  #oneOf(
    value: JsonValue,
    branches: readonly StructuralSchema[],
    path: string,
    correlation: Correlation | undefined,
    result: Result,
  ): void {
    if (branches.length === 0) return;
    let best: Result | undefined;
    let first: Result | undefined;
    let valid = 0;
    for (const branch of branches) {
      const tried = this.#branch(value, branch, path, correlation);
      if (tried.isValid) {
        valid++;
        best = undefined;
        first ??= tried;
      } else if (valid === 0 && (best === undefined || tried.matches > best.matches)) best = tried;
    }
    if (valid === 1) return result.merge(first as Result);
    const found = valid === 0 ? 'Found none valid' : `Found ${valid} valid alternatives`;
    result.add(loose(path, `must validate one and only one schema (oneOf). ${found}`));
    if (best !== undefined) result.merge(best);
  }

  #allOf(
    value: JsonValue,
    branches: readonly StructuralSchema[],
    path: string,
    correlation: Correlation | undefined,
    result: Result,
  ): void {
    let valid = 0;
    for (const branch of branches) {
      const tried = this.#branch(value, branch, path, correlation);
      if (tried.isValid) valid++;
      result.merge(tried);
    }
    if (valid === branches.length) return;
    result.add(loose(path, `must validate all the schemas (allOf)${valid === 0 ? '. None validated' : ''}`));
  }
}

const intOrString: readonly string[] = ['integer', 'string'];

const loose = (path: string, text: string): ValueError => ({ kind: 'loose', path, message: `${JSON.stringify(path)} ${text}` });

const wrongType = (path: string, wanted: string, found: string): ValueError => ({
  kind: 'type',
  path,
  message: `${path} in body must be of type ${wanted}: ${JSON.stringify(found)}`,
  value: found,
});

/** Whether the type is right. Formatted schemas let through any text and list: their format is checked for itself. */
function typeError(
  value: JsonValue,
  type: TypeName,
  valueFormat: string,
  types: readonly string[],
  format: string,
  path: string,
): ValueError | undefined {
  const isText = type === 'string' || type === 'array';
  const isWhole = type === 'number' && isNearlyWhole(value as number) && types.includes('integer');
  const fits = types.includes(type) || isWhole || (type === 'integer' && types.includes('number'));
  if (!isText && format !== '' && !fits && valueFormat !== format) return wrongType(path, format, valueFormat);
  const wantsNumber = types.includes('number') || types.includes('integer');
  if ((!wantsNumber && format !== '' && isText) || fits) return undefined;
  return wrongType(path, types.join(','), type);
}

/** Go compares after it has converted the value to the type of the allowed one, which cuts off fractions. */
function isEnumValue(value: JsonValue, allowed: JsonValue): boolean {
  if (typeof value === 'number' && typeof allowed === 'number')
    return value === allowed || (isGoInteger(allowed) && !isGoInteger(value) && Math.trunc(value) === allowed);
  return isContainer(value) ? isContainer(allowed) && sameJson(value, allowed) : value === allowed;
}

const isContainer = (value: unknown): boolean => typeof value === 'object' && value !== null;

const enumText = (value: unknown): string => (isContainer(value) ? JSON.stringify(value) : String(value));
