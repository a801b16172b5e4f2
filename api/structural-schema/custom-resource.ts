/**
 * Checks custom resources against the schema of their version: values, embedded resources, list types, and then the rules.
 *
 * Source: apiextensions-apiserver `pkg/registry/customresource/{strategy,status_strategy,validator}.go`.
 */
import { type FieldError, invalidValue, LongValidation } from '../field-error.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { atOnce, type Steps } from '../steps.ts';
import { Correlation } from './correlation.ts';
import { validateEmbeddedMeta } from './embedded-meta.ts';
import { validateListTypes } from './list-types.ts';
import { hasRules, validateRules } from './rule-validation.ts';
import type { StructuralSchema } from './structural-schema.ts';
import { noPath, toFieldErrors } from './value-errors.ts';
import { validateValue } from './value-validation.ts';

/** How a custom resource is validated; all is optional. */
export interface CustomResourceOptions {
  /** Errors that the caller has found already. With certain errors, rules are not evaluated. They are not part of the result. */
  found?: readonly FieldError[];
  /** The write is to the status, and nothing else has been changed. */
  isStatus?: boolean;
  /** Gets failures of rules that were let through because the value has not changed. */
  warn?: (text: string) => void;
}

/**
 * The errors of a custom resource in the version of its schema. The resource's own metadata is not validated.
 * @param old the stored object, in the same version; undefined: the object is new
 */
export function validateCustomResource(
  value: JsonObject,
  old: JsonObject | undefined,
  schema: StructuralSchema,
  options: CustomResourceOptions = {},
): FieldError[] {
  return atOnce(validateCustomResourceSteps(value, old, schema, options));
}

/**
 * Like {@link validateCustomResource}, as long as that is quick.
 * @throws LongValidation that also gives what the caller has `found`
 */
export function validateBriefly(
  value: JsonObject,
  old: JsonObject | undefined,
  schema: StructuralSchema,
  options: CustomResourceOptions = {},
): FieldError[] {
  const steps = validateCustomResourceSteps(value, old, schema, options);
  const step = steps.next();
  if (step.done === true) return step.value;
  const { found = [] } = options;
  throw new LongValidation(
    (function* () {
      return [...found, ...(yield* steps)];
    })(),
  );
}

/** Like {@link validateCustomResource}, with turns for others between expensive rules. */
export function* validateCustomResourceSteps(
  value: JsonObject,
  old: JsonObject | undefined,
  schema: StructuralSchema,
  { found = [], isStatus = false, warn }: CustomResourceOptions = {},
): Steps<FieldError[]> {
  const correlation = old === undefined ? undefined : new Correlation(value, old, schema);
  const errors: FieldError[] = isStatus
    ? validateStatus(value, schema, correlation)
    : [...toFieldErrors(validateValue(value, schema, { correlation })), ...validateEmbeddedMeta(value, schema)];
  const repeated = validateListTypes(value, schema);
  // Duplicates that the old object has stay valid.
  const isNew = repeated.length > 0 && (old === undefined || validateListTypes(old, schema).length === 0);
  if (isNew) errors.push(...repeated);
  if (!hasRules(schema)) return errors;
  if ([...found, ...errors].some(({ reason }) => blocking.has(reason))) return [...errors, unchecked()];
  const { errors: failed } = yield* validateRules(value, old, schema, { isResource: true, correlation, warn });
  return [...errors, ...failed];
}

function validateStatus(value: JsonObject, schema: StructuralSchema, correlation: Correlation | undefined): FieldError[] {
  const status: JsonValue | undefined = value['status'];
  const statusSchema = schema.property('status');
  if (status === undefined || statusSchema === undefined) return [];
  return toFieldErrors(validateValue(status, statusSchema, { correlation: correlation?.key('status') }), 'status');
}

/** With these the value may not have the types that rules rely on. */
const blocking: ReadonlySet<string> = new Set([
  'FieldValueNotSupported',
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
]);

const unchecked = (): FieldError =>
  invalidValue(
    noPath,
    null,
    'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
  );
