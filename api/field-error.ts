/**
 * Errors of single fields, with upstream's texts. Validation collects them, and the client gets all of them in one `Invalid`
 * Status.
 *
 * Source: apimachinery `pkg/util/validation/field/errors.go`.
 */

import { escapeHtml } from './go-json.ts';
import { stringifyExact } from './int64.ts';
import type { Steps } from './steps.ts';

/** One cause of an `Invalid` Status: the path of the field (`spec.ports[0].port`), a reason and a message. */
export interface FieldError {
  field: string;
  reason:
    | 'FieldValueNotFound'
    | 'FieldValueRequired'
    | 'FieldValueDuplicate'
    | 'FieldValueInvalid'
    | 'FieldValueNotSupported'
    | 'FieldValueForbidden'
    | 'FieldValueTooLong'
    | 'FieldValueTooMany'
    | 'InternalError'
    | 'FieldValueTypeInvalid';
  message: string;
}

/** Limit of errors, because an object may have a list of a hundred thousand invalid items. */
const maxErrors = 1000;
/** Limit of the length of all messages together. A message may contain a value as large as the whole object. */
const maxMessageLength = 1024 * 1024;

/** A part of a validation. The parts of one are done in their order. */
export type Check = () => FieldError[];

/** The errors of all parts. */
export const allErrors = (checks: readonly Check[]): FieldError[] => checks.flatMap((check) => check());

/** The validation that {@link collectFieldErrors} runs now. Validation is synchronous, so there is at most one. */
let collecting: { errors: FieldError[]; messageLength: number } | undefined;

/** Thrown to stop a validation that has found enough errors. */
class EnoughErrors extends Error {}

/** Runs `validate` and returns its errors. When there are very many, it is stopped, and the errors found so far are returned. */
export function collectFieldErrors(validate: () => FieldError[]): FieldError[] {
  const run = { errors: [] as FieldError[], messageLength: 0 };
  collecting = run;
  try {
    return validate();
  } catch (error) {
    if (error instanceof EnoughErrors) return run.errors;
    throw error;
  } finally {
    collecting = undefined;
  }
}

/** Thrown by a validation that takes long, for whoever can let others in between its steps. They give all errors, or none. */
export class LongValidation extends Error {
  override name = 'LongValidation';
  readonly steps: Steps<FieldError[]>;
  constructor(steps: Steps<FieldError[]>) {
    super('the validation takes long');
    this.steps = steps;
  }
}

function found(error: FieldError): FieldError {
  if (collecting === undefined) return error;
  collecting.errors.push(error);
  collecting.messageLength += error.message.length;
  if (collecting.errors.length >= maxErrors || collecting.messageLength > maxMessageLength) throw new EnoughErrors();
  return error;
}

/**
 * A value as upstream prints it inside a message: strings quoted, `null` for nothing, objects as Go's JSON with HTML characters
 * escaped.
 */
function show(value: unknown): string {
  if (value === undefined || value === null) return 'null';
  const text = stringifyExact(value);
  if (typeof value !== 'object') return text;
  return escapeHtml(text);
}

/** The field is missing (FieldValueRequired). */
export const required = (field: string, detail = ''): FieldError =>
  found({
    field,
    reason: 'FieldValueRequired',
    message: detail === '' ? 'Required value' : `Required value: ${detail}`,
  });
/** The value is malformed or not allowed (FieldValueInvalid). */
export const invalidValue = (field: string, value: unknown, detail: string): FieldError =>
  found({
    field,
    reason: 'FieldValueInvalid',
    message: detail === '' ? `Invalid value: ${show(value)}` : `Invalid value: ${show(value)}: ${detail}`,
  });
/** The field is invalid as a whole, and its value is not shown (FieldValueInvalid; upstream's OmitValueType). */
export const invalidField = (field: string, detail: string): FieldError =>
  found({ field, reason: 'FieldValueInvalid', message: `Invalid value: ${detail}` });
/** The value has the wrong type (FieldValueTypeInvalid). */
export const typeInvalid = (field: string, value: unknown, detail: string): FieldError =>
  found({ field, reason: 'FieldValueTypeInvalid', message: `Invalid value: ${show(value)}: ${detail}` });
/** The field must not be set (FieldValueForbidden). */
export const forbiddenField = (field: string, detail: string): FieldError =>
  found({
    field,
    reason: 'FieldValueForbidden',
    message: detail === '' ? 'Forbidden' : `Forbidden: ${detail}`,
  });
/** The value appears more than once (FieldValueDuplicate). */
export const duplicate = (field: string, value: unknown): FieldError =>
  found({
    field,
    reason: 'FieldValueDuplicate',
    message: `Duplicate value: ${show(value)}`,
  });
/**
 * The value is not one of `supported` (FieldValueNotSupported). They are printed in the given order: upstream sorts them only
 * when it holds them in a set.
 */
export const notSupported = (field: string, value: unknown, supported: readonly string[]): FieldError =>
  found({
    field,
    reason: 'FieldValueNotSupported',
    message: `Unsupported value: ${show(value)}: supported values: ${supported.map((one) => JSON.stringify(one)).join(', ')}`,
  });
/** The value refers to an object that does not exist (FieldValueNotFound). */
export const fieldNotFound = (field: string, value: unknown): FieldError =>
  found({
    field,
    reason: 'FieldValueNotFound',
    message: `Not found: ${show(value)}`,
  });
/** The server could not check the field (InternalError). */
export const internalFieldError = (field: string, why: string): FieldError => ({
  field,
  reason: 'InternalError',
  message: `Internal error: ${why}`,
});
/** The value has more than `maxBytes` bytes (FieldValueTooLong). */
export const tooLong = (field: string, maxBytes: number): FieldError =>
  found({
    field,
    reason: 'FieldValueTooLong',
    message: `Too long: may not be more than ${maxBytes} ${maxBytes === 1 ? 'byte' : 'bytes'}`,
  });
/** The list has more than `max` items (FieldValueTooMany). */
export const tooMany = (field: string, count: number, max: number): FieldError =>
  found({
    field,
    reason: 'FieldValueTooMany',
    message: `Too many: ${count}: must have at most ${max} ${max === 1 ? 'item' : 'items'}`,
  });
