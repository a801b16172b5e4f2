/** Decoding of patch documents. */
import { DecodeError, parseJson } from '#api/codec/json.ts';
import type { JsonValue } from '#api/json.ts';
import { badRequest } from '#api/status.ts';

/** kubectl may send patches as YAML-free JSON only, nested no deeper than any other body. @throws ApiError 400 */
export function decodeJsonValue(body: Uint8Array): JsonValue {
  try {
    return parseJson(body);
  } catch (error) {
    if (error instanceof DecodeError) throw badRequest(`error decoding patch: ${error.message}`);
    throw error;
  }
}
