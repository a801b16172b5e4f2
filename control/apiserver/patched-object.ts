/**
 * What comes out of a patch is checked like a body: a patch may have put in anything.
 *
 * Source: apiserver `pkg/endpoints/handlers/patch.go` (Invalid with the path `patch`, and what it shows as the value).
 */
import { DecodeError, decodeJson, type FieldValidation, strictDecodingText } from '#api/codec/json.ts';
import { invalidValue } from '#api/field-error.ts';
import type { JsonObject } from '#api/json.ts';
import type { KubeObject } from '#api/meta.ts';
import { type ApiError, badRequest, invalid } from '#api/status.ts';
import type { ExpectedType } from './request-body.ts';

/**
 * @param shown the value that an error names: the patched object as JSON, or a strategic patch as Go prints a map
 * @throws ApiError 422 for unknown fields (`Strict`) and values of the wrong type, 400 for another kind
 */
export function decodePatched(
  raw: JsonObject,
  type: ExpectedType,
  validation: FieldValidation,
  shown: string | undefined,
  warn: (message: string) => void,
): KubeObject {
  const text = JSON.stringify(raw);
  const refuse = (why: string): ApiError => invalid({ group: '', name: '' }, '', [invalidValue('patch', shown ?? text, why)]);
  if (raw['apiVersion'] !== type.apiVersion || raw['kind'] !== type.kind) {
    throw badRequest(
      `the patch makes the object a ${String(raw['kind'])} of ${String(raw['apiVersion'])}, but this is a ${type.kind} of ${type.apiVersion}`,
    );
  }
  try {
    const { object, problems } = decodeJson(text, type.type, validation);
    if (problems.length > 0 && validation === 'Strict') throw refuse(strictDecodingText(problems));
    for (const problem of problems) warn(problem);
    object['metadata'] ??= {};
    return object as unknown as KubeObject;
  } catch (error) {
    if (error instanceof DecodeError) throw refuse(error.message);
    throw error;
  }
}

/** A value as Go's `%+v` prints it: `map[spec:map[replicas:3]]`. */
export function goText(value: unknown): string {
  if (value === null || value === undefined) return '<nil>';
  if (Array.isArray(value)) return `[${value.map(goText).join(' ')}]`;
  if (typeof value !== 'object') return String(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `map[${entries.map(([key, inner]) => `${key}:${goText(inner)}`).join(' ')}]`;
}
