/**
 * Checks of a patched object: a patch can put in anything, so the result is decoded and checked like a request body.
 *
 * Source: apiserver `pkg/endpoints/handlers/patch.go` (Invalid with the path `patch`, and what it shows as the value).
 */

import { DecodeError, decodeJson, type FieldValidation, strictDecodingText } from '#api/codec/json.ts';
import { invalidValue } from '#api/field-error.ts';
import { parseExact } from '#api/int64.ts';
import type { JsonObject } from '#api/json.ts';
import type { KubeObject } from '#api/meta.ts';
import { type ApiError, badRequest, invalid } from '#api/status.ts';
import type { ExpectedType } from '../rest/request-body.ts';
import { conversionError } from './go-conversion.ts';

/** What is known of the patch besides the object that came out of it. */
export interface PatchFacts {
  /** What strict decoding found in the patch document. */
  problems: readonly string[];
  /** A strategic patch as JSON, which errors show instead of the patched object. */
  strategic?: string;
}

/**
 * Decodes the patched object, as strictly as `fieldValidation` asks.
 * @param text the patched object as JSON
 * @throws ApiError 422 for unknown fields (`Strict`) and values of the wrong type, 400 for another kind
 */
export function decodePatched(
  text: string,
  type: ExpectedType,
  validation: FieldValidation,
  { problems: patchProblems, strategic }: PatchFacts,
  warn: (message: string) => void,
): KubeObject {
  const raw = parseExact(text) as JsonObject;
  const refuse = (why: string): ApiError => refusePatched(text, why, strategic);
  if (raw['apiVersion'] !== type.apiVersion || raw['kind'] !== type.kind) {
    throw badRequest(
      `the patch makes the object a ${String(raw['kind'])} of ${String(raw['apiVersion'])}, but this is a ${type.kind} of ${type.apiVersion}`,
    );
  }
  try {
    const decoded = decodeJson(text, type.type, validation);
    const { object } = decoded;
    const problems = validation === 'Ignore' ? [] : [...patchProblems, ...decoded.problems];
    if (problems.length > 0 && validation === 'Strict') throw refuse(strictDecodingText(problems));
    for (const problem of problems) warn(problem);
    object['metadata'] ??= {};
    return object as unknown as KubeObject;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    const converted = strategic === undefined ? undefined : conversionError(raw, { kind: 'ref', name: type.type });
    throw refuse(converted ?? error.message);
  }
}

/** The error for a patched object that cannot be. @param text the object as JSON @param strategic see {@link PatchFacts} */
export function refusePatched(text: string, why: string, strategic?: string): ApiError {
  const shown = strategic === undefined ? text : goText(parseExact(strategic));
  return invalid({ group: '', name: '' }, '', [invalidValue('patch', shown, why)]);
}

/** A value as Go's `%+v` prints it: `map[spec:map[replicas:3]]`. */
function goText(value: unknown): string {
  if (value === null || value === undefined) return '<nil>';
  if (Array.isArray(value)) return `[${value.map(goText).join(' ')}]`;
  if (typeof value !== 'object') return String(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `map[${entries.map(([key, inner]) => `${key}:${goText(inner)}`).join(' ')}]`;
}
