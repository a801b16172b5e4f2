/**
 * Errors of single fields, with upstream's texts; collected by validation and reported together as one `Invalid` Status.
 *
 * Source: apimachinery `pkg/util/validation/field/errors.go`.
 */

import { escapeHtml } from './go-json.ts';
import { stringifyExact } from './int64.ts';

/** One cause of an `Invalid` Status: a path such as `spec.ports[0].port`, a reason, a message. */
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

/** More errors than anybody reads; of a list of a hundred thousand mistakes the rest is the same. */
const maxErrors = 1000;
/** Of all messages together: an error may show a value that is as large as the whole object. */
const maxMessageLength = 1024 * 1024;

/** Validation that is under way, for {@link collectFieldErrors}; it is synchronous, so there is one at most. */
let collecting: { errors: FieldError[]; messageLength: number } | undefined;

/** Ends a validation that has found enough. */
class EnoughErrors extends Error {}

/** The errors that `validate` returns; where it finds very many, it is stopped, and the first ones are all. */
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

function found(error: FieldError): FieldError {
  if (collecting === undefined) return error;
  collecting.errors.push(error);
  collecting.messageLength += error.message.length;
  if (collecting.errors.length >= maxErrors || collecting.messageLength > maxMessageLength) throw new EnoughErrors();
  return error;
}

/** A value as upstream prints it inside a message: strings quoted, `null` for nothing, objects as Go's JSON, which is safe in HTML. */
function show(value: unknown): string {
  if (value === undefined || value === null) return 'null';
  const text = stringifyExact(value);
  if (typeof value !== 'object') return text;
  return escapeHtml(text);
}

export const required = (field: string, detail = ''): FieldError =>
  found({
    field,
    reason: 'FieldValueRequired',
    message: detail === '' ? 'Required value' : `Required value: ${detail}`,
  });
export const invalidValue = (field: string, value: unknown, detail: string): FieldError =>
  found({
    field,
    reason: 'FieldValueInvalid',
    message: detail === '' ? `Invalid value: ${show(value)}` : `Invalid value: ${show(value)}: ${detail}`,
  });
export const forbiddenField = (field: string, detail: string): FieldError =>
  found({
    field,
    reason: 'FieldValueForbidden',
    message: detail === '' ? 'Forbidden' : `Forbidden: ${detail}`,
  });
export const duplicate = (field: string, value: unknown): FieldError =>
  found({
    field,
    reason: 'FieldValueDuplicate',
    message: `Duplicate value: ${show(value)}`,
  });
/** `supported` is printed in the order given: upstream sorts where it holds a set, and lists by hand elsewhere. */
export const notSupported = (field: string, value: unknown, supported: readonly string[]): FieldError =>
  found({
    field,
    reason: 'FieldValueNotSupported',
    message: `Unsupported value: ${show(value)}: supported values: ${supported.map((one) => JSON.stringify(one)).join(', ')}`,
  });
export const fieldNotFound = (field: string, value: unknown): FieldError =>
  found({
    field,
    reason: 'FieldValueNotFound',
    message: `Not found: ${show(value)}`,
  });
/** The server could not find out. */
export const internalFieldError = (field: string, why: string): FieldError => ({
  field,
  reason: 'InternalError',
  message: `Internal error: ${why}`,
});
export const tooLong = (field: string, maxBytes: number): FieldError =>
  found({
    field,
    reason: 'FieldValueTooLong',
    message: `Too long: may not be more than ${maxBytes} ${maxBytes === 1 ? 'byte' : 'bytes'}`,
  });
export const tooMany = (field: string, count: number, max: number): FieldError =>
  found({
    field,
    reason: 'FieldValueTooMany',
    message: `Too many: ${count}: must have at most ${max} ${max === 1 ? 'item' : 'items'}`,
  });
