/** The JSON of a cached object, which answers, lists and watch frames share. */
import { jsonText } from '#api/go-json.ts';
import type { JsonObject } from '#api/json.ts';
import { jsonBytesSteps } from '#api/json-steps.ts';
import type { KubeObject } from '#api/meta.ts';
import type { Steps } from '#api/steps.ts';
import type { CachedObject } from './cached-object.ts';

/** The object without kind and apiVersion, as an item of a list. */
export function withoutType(object: KubeObject): JsonObject {
  const { apiVersion: _, kind: __, ...rest } = object;
  return rest as unknown as JsonObject;
}

/** A stored object as JSON without the opening brace, kind and apiVersion, which list items do not have. */
export const jsonRest = (cached: CachedObject): Uint8Array =>
  cached.encoded('json', () => Buffer.from(jsonText(withoutType(cached.object)).slice(1)));

/** Like {@link jsonRest}, for a large object. */
export function* jsonRestSteps(cached: CachedObject): Steps<Uint8Array> {
  if (cached.isEncoded('json')) return jsonRest(cached);
  const bytes = (yield* jsonBytesSteps(withoutType(cached.object))).subarray(1);
  return cached.encoded('json', () => bytes);
}

/**
 * The same JSON from its `metadata` on, with the resourceVersion added, for the answer. The bytes are reused, because writing an object
 * as JSON a second time takes far longer.
 * @param stored what `toStored` (registry/object-keys.ts) made of an object with a name
 */
export function storedWithRevision(stored: Uint8Array, revision: number): Uint8Array {
  const begin = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength).indexOf(metadataMark);
  const { length } = metadataMark;
  return Buffer.concat([metadataMark, Buffer.from(`"resourceVersion":"${revision}",`), stored.subarray(begin + length, -1)]);
}

/** Its first occurrence is the object's own metadata: only apiVersion and kind stand before it, and they contain no quotes. */
const metadataMark = Buffer.from('"metadata":{');
