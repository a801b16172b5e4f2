/** Strategic-merge patches of the status subresource that carry only what differs. Pure. */

import type { JsonObject, JsonValue } from '#api/json.ts';
import { isJsonObject } from '#api/json.ts';
import { sameJson } from '#api/meta.ts';

/** The patch of a list that strategic merge patch merges by key. Removed elements need a `$patch: delete` entry. */
function keyedListPatch(key: string, before: readonly JsonObject[], after: readonly JsonObject[]): JsonValue[] {
  const changed = after.flatMap((item) => {
    const old = before.find((other) => other[key] === item[key]);
    return old !== undefined && sameJson(old, item) ? [] : [withRemovals(old, item)];
  });
  const gone = before.filter((old) => !after.some((item) => item[key] === old[key]));
  return [...changed, ...gone.map((old) => ({ $patch: 'delete', [key]: old[key] }))];
}

/** Fields absent from a new object are set to null, or a merge would keep them. Lists are replaced whole. */
function withRemovals(before: JsonValue | undefined, after: JsonValue | undefined): JsonValue {
  if (!isJsonObject(before) || !isJsonObject(after)) return after ?? null;
  return { ...Object.fromEntries(Object.keys(before).map((key) => [key, null])), ...after };
}

/**
 * A patch of the fields of `status` that differ, for the object with this UID only; undefined when none differs.
 * @param mergeKeys the lists that the API merges by a key, as `{ conditions: 'type' }`
 */
export function statusPatch(
  uid: string,
  before: object,
  after: object,
  mergeKeys: Readonly<Record<string, string>>,
): JsonObject | undefined {
  const old = before as JsonObject;
  const fresh = after as JsonObject;
  const status: JsonObject = {};
  for (const field of new Set([...Object.keys(old), ...Object.keys(fresh)])) {
    if (sameJson(old[field], fresh[field])) continue;
    const key = mergeKeys[field];
    if (fresh[field] === undefined) status[field] = null;
    else if (key === undefined) status[field] = withRemovals(old[field], fresh[field]);
    else status[field] = keyedListPatch(key, (old[field] ?? []) as JsonObject[], (fresh[field] ?? []) as JsonObject[]);
  }
  return Object.keys(status).length === 0 ? undefined : { metadata: { uid }, status };
}
