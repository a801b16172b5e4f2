/** Decoding of patch documents. */
import type { JsonValue } from '#api/json.ts';
import { badRequest } from '#api/status.ts';

/** kubectl may send patches as YAML-free JSON only. @throws ApiError 400 */
export function decodeJsonValue(body: Uint8Array): JsonValue {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as JsonValue;
  } catch (error) {
    throw badRequest(`error decoding patch: ${error instanceof Error ? error.message : String(error)}`);
  }
}
