/**
 * JSON in annotations, as Go's encoding/json reads it into the API's internal types, whose fields go by any case; the errors are Go's.
 *
 * Source: upstream `pkg/apis/core/helper/helpers.go` (GetTaintsFromNodeAnnotations, GetTolerationsFromPodAnnotations).
 */

import { DecodeError, parseJson } from '#api/codec/json.ts';
import { isInt64 } from '#api/int64.ts';
import type { JsonObject, JsonValue } from '#api/json.ts';
import { canonicalTime, TimeError } from '#api/time.ts';

/** Thrown for a text that is no JSON or has a value of another type; the message is that of Go's encoding/json. */
export class AnnotationError extends Error {
  override name = 'AnnotationError';
}

/** One field of a Go struct that an annotation's JSON is read into. */
export interface GoField {
  /** As Go's errors name it. */
  name: string;
  kind: 'string' | 'bool' | 'int64' | 'time';
  goType: string;
}

/** The value of the annotation. @throws AnnotationError */
export function annotationValue(text: string): JsonValue {
  try {
    return parseJson(text);
  } catch (error) {
    if (error instanceof DecodeError) throw new AnnotationError(error.message, { cause: error });
    throw error;
  }
}

/** The elements of a list of structs; null is an empty one. @throws AnnotationError */
export function goList(value: JsonValue, into: string): JsonValue[] {
  if (value === null) return [];
  if (!Array.isArray(value)) throw mismatch(value, into);
  return value;
}

/** A struct's fields by their API names; null is one without any. @throws AnnotationError */
export function goStruct(value: JsonValue, into: string): JsonObject {
  if (value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value)) throw mismatch(value, into);
  return value;
}

/** The struct's known fields, checked, by the names that the API gives them: `timeAdded` for `TimeAdded`. @throws AnnotationError */
export function goFields(struct: JsonObject, place: string, fields: readonly GoField[]): JsonObject {
  const read: JsonObject = {};
  for (const [key, value] of Object.entries(struct)) {
    const field = fields.find(({ name }) => name.toLowerCase() === key.toLowerCase());
    if (field === undefined || value === null || value === undefined) continue;
    checkField(value, field, `Go struct field ${place}.${field.name}`);
    read[field.name.charAt(0).toLowerCase() + field.name.slice(1)] = value;
  }
  return read;
}

/** The value under a key of any case. */
export const anyCase = (struct: JsonObject, name: string): JsonValue =>
  Object.entries(struct).findLast(([key]) => key.toLowerCase() === name.toLowerCase())?.[1] ?? null;

function checkField(value: JsonValue, { kind, goType }: GoField, place: string): void {
  if (kind === 'int64') {
    if (typeof value === 'number' && !isInt64(value))
      throw new AnnotationError(`json: cannot unmarshal number ${value} into ${place} of type ${goType}`);
    if (!isInt64(value)) throw mismatch(value, goType, place);
  } else if (kind === 'time') checkTime(value);
  else if (typeof value !== (kind === 'bool' ? 'boolean' : 'string')) throw mismatch(value, goType, place);
}

function checkTime(value: JsonValue): void {
  if (typeof value !== 'string') throw mismatch(value, 'string');
  try {
    canonicalTime(value);
  } catch (error) {
    if (error instanceof TimeError) throw new AnnotationError(error.message, { cause: error });
    throw error;
  }
}

function mismatch(value: JsonValue, goType: string, place = 'Go value'): AnnotationError {
  const kind = Array.isArray(value)
    ? 'array'
    : typeof value === 'boolean'
      ? 'bool'
      : typeof value === 'bigint'
        ? 'number'
        : typeof value;
  return new AnnotationError(`json: cannot unmarshal ${kind} into ${place} of type ${goType}`);
}
