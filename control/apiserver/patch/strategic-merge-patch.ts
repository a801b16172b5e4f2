/**
 * Strategic merge patch: a merge patch that knows the types. Lists whose field says `patch=merge` are merged element by element,
 * by merge key or by value; directives say what a plain merge cannot:
 *
 *     $patch: delete | replace | merge        in an object, or in an element of a list
 *     $retainKeys: [...]                      drops the object's other keys (unions: Volume, DeploymentStrategy)
 *     $deleteFromPrimitiveList/<field>: [...]
 *     $setElementOrder/<field>: [...]         the order of the merged list
 *
 * Source: kubernetes/community, contributors/devel/sig-api-machinery/strategic-merge-patch.md.
 */

import { stringifyExact } from '#api/int64.ts';
import type { JsonObject, JsonValue } from '#api/json.ts';
import { isJsonObject } from '#api/json.ts';
import { ownValue, setOwn } from '#api/own-value.ts';
import { type FieldFacts, type FieldType, typeFacts } from '#api/schema/facts.ts';
import { badRequest } from '#api/status.ts';
import { unprocessable } from './json-patch.ts';

const deletePrefix = '$deleteFromPrimitiveList/';
const orderPrefix = '$setElementOrder/';

/**
 * Applies a strategic merge patch to a copy of `current`.
 * @param typeName in the schema facts: `core/v1.Pod`
 * @throws ApiError 400 for a malformed directive, 422 for a patch that does not fit the object
 */
export function applyStrategicMergePatch(current: JsonObject, patch: JsonValue, typeName: string): JsonObject {
  if (!isJsonObject(patch)) throw badRequest('invalid JSON document');
  return mergeObject(current, patch, { kind: 'ref', name: typeName });
}

function mergeObject(current: JsonObject, patch: JsonObject, type: FieldType | undefined): JsonObject {
  const directive = patch['$patch'];
  if (directive !== undefined && directive !== 'merge') return replaceOrDelete(directive, patch);
  const merged: JsonObject = retainKeys(current, patch);
  for (const field of patchedFields(patch)) {
    const facts = fieldFacts(type, field);
    const value = mergeField(ownValue(merged, field), patch, field, facts);
    if (value === undefined) delete merged[field];
    else setOwn(merged, field, value);
  }
  return merged;
}

/** `$patch: replace` takes the rest of the patch as it is, `delete` empties the object. */
function replaceOrDelete(directive: JsonValue, patch: JsonObject): JsonObject {
  if (directive === 'delete') return {};
  if (directive !== 'replace') throw unprocessable();
  const { $patch: _, ...rest } = patch;
  return rest;
}

function retainKeys(current: JsonObject, patch: JsonObject): JsonObject {
  const keys = patch['$retainKeys'];
  if (keys === undefined) return { ...current };
  if (!Array.isArray(keys)) throw badRequest('invalid patch format of retainKeys');
  const retained = new Set<JsonValue>(keys);
  if (patchedFields(patch).some((field) => patch[field] !== null && !retained.has(field)))
    throw badRequest('invalid patch format of retainKeys');
  return Object.fromEntries(Object.entries(current).filter(([field]) => retained.has(field)));
}

/** The fields that a patch object touches, those named only by a directive included. */
function patchedFields(patch: JsonObject): string[] {
  const names = Object.keys(patch)
    .filter((key) => key !== '$patch' && key !== '$retainKeys')
    .map((key) => (key.startsWith(deletePrefix) || key.startsWith(orderPrefix) ? key.slice(key.indexOf('/') + 1) : key));
  return [...new Set(names)];
}

/** The new value of a field; undefined: the field is removed. */
function mergeField(
  current: JsonValue | undefined,
  patch: JsonObject,
  field: string,
  facts: FieldFacts | undefined,
): JsonValue | undefined {
  const deletions = directiveList(patch, deletePrefix, field);
  const order = directiveList(patch, orderPrefix, field);
  const left = deletions !== undefined && Array.isArray(current) ? without(current, deletions) : current;
  const value = ownValue(patch, field);
  if (value === null) return undefined;
  if (value === undefined)
    return order !== undefined && Array.isArray(left) ? reorder(left, [], order, left, facts?.mergeKey) : left;
  if (isJsonObject(value) && isJsonObject(left))
    return isReplaced(facts) ? withoutNulls(value) : mergeObject(left, value, facts?.type);
  if (Array.isArray(value) && Array.isArray(left) && isMerged(facts)) return mergeList(left, value, order, facts);
  return withoutNulls(value);
}

function directiveList(patch: JsonObject, prefix: string, field: string): JsonValue[] | undefined {
  const list = patch[`${prefix}${field}`];
  if (list === undefined || Array.isArray(list)) return list;
  throw badRequest(`invalid patch format of ${prefix === deletePrefix ? 'primitive list' : 'setElementOrder list'}`);
}

const isMerged = (facts: FieldFacts | undefined): facts is FieldFacts => facts?.patchStrategy.includes('merge') === true;
const isReplaced = (facts: FieldFacts | undefined): boolean => facts?.patchStrategy.includes('replace') === true;

function mergeList(
  current: readonly JsonValue[],
  patch: readonly JsonValue[],
  order: JsonValue[] | undefined,
  facts: FieldFacts,
): JsonValue[] {
  const key = facts.mergeKey;
  if (key === undefined || !patch.concat(current).every(isJsonObject)) {
    const known = new Set(current);
    const added = [...new Set(patch)].filter((value) => !known.has(value));
    return reorder([...current, ...added], patch, order, current, undefined);
  }
  const elements = patch.filter(isJsonObject);
  const ordinary = elements.filter((element) => element['$patch'] === undefined || element['$patch'] === 'merge');
  if (elements.some((element) => element['$patch'] === 'replace')) return ordinary.map(withoutNulls);
  const doomed = new Set<string>();
  for (const element of elements) {
    if (element['$patch'] === undefined || element['$patch'] === 'merge') continue;
    if (element['$patch'] !== 'delete') throw unprocessable();
    doomed.add(keyOf(element, key));
  }
  const merged = current.filter((other) => !isJsonObject(other) || !doomed.has(identityOf(other[key])));
  const places = firstPlaces(merged, (other) => (isJsonObject(other) ? identityOf(other[key]) : undefined));
  const itemType = facts.type.kind === 'list' ? facts.type.item : undefined;
  for (const element of ordinary) {
    const wanted = keyOf(element, key);
    const index = places.get(wanted);
    if (index === undefined) {
      places.set(wanted, merged.length);
      merged.push(withoutNulls(element));
    } else merged[index] = mergeObject(merged[index] as JsonObject, element, itemType);
  }
  return reorder(merged, ordinary, order, current, key);
}

/** The value of an element's merge key, as a text to compare. @throws ApiError 422 where the element has none */
function keyOf(element: JsonObject, key: string): string {
  const value = element[key];
  if (value === undefined) throw unprocessable();
  return identityOf(value);
}

/** A text that is the same for equal values. Merge keys, and elements without a key, are scalars. */
const identityOf = (value: JsonValue | undefined): string => stringifyExact(value) ?? '';

/** The first index of each identity in a list. */
function firstPlaces(
  list: readonly JsonValue[],
  identity: (value: JsonValue) => string | undefined,
): Map<string | undefined, number> {
  const places = new Map<string | undefined, number>();
  for (const [index, value] of list.entries()) {
    const key = identity(value);
    if (key !== undefined && !places.has(key)) places.set(key, index);
  }
  return places;
}

/**
 * The order of a merged list. Elements that the patch names (in `$setElementOrder`, else as it lists them) keep the order of the patch, and
 * all others that of the stored list. The two are interleaved by their places in the stored list. An element that was not stored comes as
 * early as possible: a container that a patch adds becomes the first.
 */
function reorder(
  merged: readonly JsonValue[],
  patch: readonly JsonValue[],
  order: readonly JsonValue[] | undefined,
  current: readonly JsonValue[],
  key: string | undefined,
): JsonValue[] {
  const identity = (value: JsonValue): string => identityOf(key !== undefined && isJsonObject(value) ? value[key] : value);
  const wanted = firstPlaces(order ?? patch, identity);
  const before = firstPlaces(current, identity);
  const named = merged
    .map((value) => ({ value, id: identity(value) }))
    .filter(({ id }) => wanted.has(id))
    .sort((a, b) => (wanted.get(a.id) as number) - (wanted.get(b.id) as number));
  const others = merged.map((value) => ({ value, id: identity(value) })).filter(({ id }) => !wanted.has(id));
  const result: JsonValue[] = [];
  let [nextNamed, nextOther] = [0, 0];
  while (nextNamed < named.length && nextOther < others.length) {
    const left = before.get(named[nextNamed]?.id);
    const right = before.get(others[nextOther]?.id);
    const next = left !== undefined && right !== undefined && right < left ? others[nextOther++] : named[nextNamed++];
    result.push(next?.value as JsonValue);
  }
  return [...result, ...[...named.slice(nextNamed), ...others.slice(nextOther)].map(({ value }) => value)];
}

function without(list: readonly JsonValue[], doomed: readonly JsonValue[]): JsonValue[] {
  const ids = new Set(doomed.map(identityOf));
  return list.filter((value) => !ids.has(identityOf(value)));
}

/** A value of the patch for a field that is not stored yet: nulls and directives in it have no effect and are left out. */
function withoutNulls(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.filter((item) => !isJsonObject(item) || item['$patch'] !== 'delete').map(withoutNulls);
  if (!isJsonObject(value)) return value;
  const kept = Object.entries(value).filter(([key, inner]) => inner !== null && inner !== undefined && !isDirective(key));
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutNulls(inner as JsonValue)]));
}

function isDirective(key: string): boolean {
  return key === '$patch' || key === '$retainKeys' || key.startsWith(deletePrefix) || key.startsWith(orderPrefix);
}

/** The schema facts of a field in an object of this type. Values of a map have a type and no other facts. */
function fieldFacts(type: FieldType | undefined, field: string): FieldFacts | undefined {
  return type?.kind === 'ref' ? typeFacts(type.name).byName.get(field) : undefined;
}
