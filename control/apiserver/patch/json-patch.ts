/**
 * JSON patch (RFC 6902) and JSON merge patch (RFC 7386) of an object.
 *
 * Source: apiserver `pkg/endpoints/handlers/patch.go` (limits and error answers).
 */
import { applyPatch, type Operation } from 'rfc6902';
import type { JsonObject, JsonValue } from '#api/json.ts';
import { badRequest, failure, requestTooLarge } from '#api/status.ts';

const maxOperations = 10_000;

/** @throws ApiError 400 for what is no patch, 422 for one that does not fit the object (a failed `test`, a missing path) */
export function applyJsonPatch(current: JsonObject, patch: JsonValue): JsonObject {
  if (!Array.isArray(patch)) throw badRequest('a JSON patch is a list of operations');
  if (patch.length > maxOperations) {
    throw requestTooLarge(`The allowed maximum operations in a JSON patch is ${maxOperations}, got ${patch.length}`);
  }
  if (!patch.every(isOperation)) throw unprocessable();
  const patched = structuredClone(current);
  const operations: unknown[] = structuredClone(patch);
  for (const problem of applyPatch(patched, operations as Operation[])) if (problem !== null) throw unprocessable();
  return patched;
}

/** Merges recursively; a null deletes, and everything that is not an object replaces. */
export function applyMergePatch(current: JsonObject, patch: JsonValue): JsonObject {
  if (!isObject(patch)) throw badRequest('Invalid JSON Patch');
  return mergeInto(current, patch);
}

/** What upstream answers to a well-formed patch that cannot be applied. */
export function unprocessable(): ReturnType<typeof failure> {
  return failure(422, 'Invalid', 'the server rejected our request due to an error in our request', {});
}

function mergeInto(current: JsonValue | undefined, patch: JsonObject): JsonObject {
  const merged: JsonObject = isObject(current) ? { ...current } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = isObject(value) ? mergeInto(merged[key], value) : value;
  }
  return merged;
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A pointer that does not begin at the root points nowhere, and the whole document is no place for an operation either. */
function isOperation(value: JsonValue): boolean {
  if (!isObject(value) || typeof value['op'] !== 'string') return false;
  return [value['path'] ?? '', value['from'] ?? '/'].every((pointer) => typeof pointer === 'string' && pointer.startsWith('/'));
}
