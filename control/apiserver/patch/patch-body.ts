/**
 * Decoding of patch documents, before they meet an object.
 *
 * Source: apiserver `pkg/endpoints/handlers/patch.go` (applyJSPatch, strategicPatchObject).
 */

import { DecodeError, parseJsonStrict } from '#api/codec/json.ts';
import type { JsonObject, JsonValue } from '#api/json.ts';
import { isJsonObject } from '#api/json.ts';
import { type ApiError, badRequest } from '#api/status.ts';
import type { PatchContentType } from './patch.ts';

/** A patch as it was sent. */
export interface PatchDocument {
  patch: JsonValue;
  /** What strict decoding finds: keys that stand twice, members that an operation of a JSON patch does not have. */
  problems: string[];
}

/** Go's strict decoder lists so many problems at most. */
const maxProblems = 100;
const operationMembers = ['op', 'path', 'from', 'value'];

/** Decodes a patch body. @throws ApiError 400 for a body that is no JSON, is nested too deeply, or has not the form of such a patch */
export function decodePatch(body: Uint8Array, contentType: PatchContentType): PatchDocument {
  const refuse = (why: string): ApiError =>
    badRequest(contentType === 'application/strategic-merge-patch+json' ? why : `error decoding patch: ${why}`);
  try {
    const { value: patch, problems } = parseJsonStrict(body);
    if (contentType !== 'application/json-patch+json') {
      if (!isJsonObject(patch))
        throw refuse(`json: cannot unmarshal ${kindOf(patch)} into Go value of type map[string]interface {}`);
      return { patch, problems };
    }
    const mismatch = operationsMismatch(patch);
    if (mismatch !== undefined) throw refuse(`json: cannot unmarshal ${mismatch}`);
    const unknown = (patch as JsonObject[]).flatMap((operation, index) =>
      Object.keys(operation)
        .filter((member) => !operationMembers.includes(member))
        .map((member) => `unknown field "[${index}].${member}"`),
    );
    return { patch, problems: [...problems, ...unknown].slice(0, maxProblems).map((problem) => `json patch ${problem}`) };
  } catch (error) {
    if (error instanceof DecodeError) throw refuse(error.message);
    throw error;
  }
}

/** Go's error text for a value that is no list of operations; undefined: it is one. */
function operationsMismatch(patch: JsonValue): string | undefined {
  if (!Array.isArray(patch)) return `${kindOf(patch)} into Go value of type []handlers.jsonPatchOp`;
  for (const operation of patch) {
    if (!isJsonObject(operation)) return `${kindOf(operation)} into Go value of type handlers.jsonPatchOp`;
    for (const member of ['op', 'path', 'from']) {
      const value = operation[member] ?? '';
      if (typeof value !== 'string') return `${kindOf(value)} into Go struct field jsonPatchOp.${member} of type string`;
    }
  }
  return undefined;
}

function kindOf(value: JsonValue): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}
