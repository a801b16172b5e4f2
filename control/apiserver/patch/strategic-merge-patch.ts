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
import type { JsonObject, JsonValue } from '#api/json.ts';
import { sameJson } from '#api/meta.ts';
import { type FieldFacts, type FieldType, typeFacts } from '#api/schema/facts.ts';
import { badRequest } from '#api/status.ts';
import { isObject, unprocessable } from './json-patch.ts';

const deletePrefix = '$deleteFromPrimitiveList/';
const orderPrefix = '$setElementOrder/';

/** @param typeName in the schema facts: `core/v1.Pod`. @throws ApiError 400, 422 */
export function applyStrategicMergePatch(current: JsonObject, patch: JsonValue, typeName: string): JsonObject {
  if (!isObject(patch)) throw badRequest('invalid JSON document');
  return mergeObject(current, patch, { kind: 'ref', name: typeName });
}

function mergeObject(current: JsonObject, patch: JsonObject, type: FieldType | undefined): JsonObject {
  const directive = patch['$patch'];
  if (directive !== undefined && directive !== 'merge') return replaceOrDelete(directive, patch);
  const merged: JsonObject = retainKeys(current, patch);
  for (const field of patchedFields(patch)) {
    const facts = fieldFacts(type, field);
    const value = mergeField(merged[field], patch, field, facts);
    if (value === undefined) delete merged[field];
    else merged[field] = value;
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
  const patched = patchedFields(patch);
  if (patched.some((field) => patch[field] !== null && !keys.includes(field)))
    throw badRequest('invalid patch format of retainKeys');
  return Object.fromEntries(Object.entries(current).filter(([field]) => keys.includes(field)));
}

/** The fields that a patch object touches, those named only by a directive included. */
function patchedFields(patch: JsonObject): string[] {
  const names = Object.keys(patch)
    .filter((key) => key !== '$patch' && key !== '$retainKeys')
    .map((key) => (key.startsWith(deletePrefix) || key.startsWith(orderPrefix) ? key.slice(key.indexOf('/') + 1) : key));
  return [...new Set(names)];
}

/** The field's new value; undefined where it is to be absent. */
function mergeField(
  current: JsonValue | undefined,
  patch: JsonObject,
  field: string,
  facts: FieldFacts | undefined,
): JsonValue | undefined {
  const deletions = directiveList(patch, deletePrefix, field);
  const order = directiveList(patch, orderPrefix, field);
  const left = deletions !== undefined && Array.isArray(current) ? without(current, deletions) : current;
  const value = patch[field];
  if (value === null) return undefined;
  if (value === undefined)
    return order !== undefined && Array.isArray(left) ? reorder(left, [], order, left, facts?.mergeKey) : left;
  if (isObject(value) && isObject(left)) return isReplaced(facts) ? withoutNulls(value) : mergeObject(left, value, facts?.type);
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
  if (key === undefined || !patch.concat(current).every(isObject)) {
    const added = patch.filter((value, index) => !current.includes(value) && patch.indexOf(value) === index);
    return reorder([...current, ...added], patch, order, current, undefined);
  }
  const elements = patch.filter(isObject);
  const ordinary = elements.filter((element) => element['$patch'] === undefined || element['$patch'] === 'merge');
  if (elements.some((element) => element['$patch'] === 'replace')) return ordinary.map(withoutNulls);
  let merged: JsonValue[] = [...current];
  for (const element of elements.filter(({ $patch }) => $patch !== undefined)) {
    if (element['$patch'] !== 'delete') throw unprocessable();
    const doomed = keyOf(element, key);
    merged = merged.filter((other) => !isObject(other) || !sameJson(other[key], doomed));
  }
  const itemType = facts.type.kind === 'list' ? facts.type.item : undefined;
  for (const element of ordinary) {
    const wanted = keyOf(element, key);
    const index = merged.findIndex((other) => isObject(other) && sameJson(other[key], wanted));
    if (index < 0) merged.push(withoutNulls(element));
    else merged[index] = mergeObject(merged[index] as JsonObject, element, itemType);
  }
  return reorder(merged, ordinary, order, current, key);
}

/** The value of an element's merge key. @throws ApiError 422 where the element has none */
function keyOf(element: JsonObject, key: string): JsonValue {
  const value = element[key];
  if (value === undefined) throw unprocessable();
  return value;
}

/**
 * The order of a merged list: elements that the patch names (in its `$setElementOrder`, else as it lists them) keep that order
 * among themselves, the server's own keep theirs; the two are interleaved as the server had them, and what the server did not
 * have comes as early as it can: a container that a patch adds becomes the first.
 */
function reorder(
  merged: readonly JsonValue[],
  patch: readonly JsonValue[],
  order: readonly JsonValue[] | undefined,
  current: readonly JsonValue[],
  key: string | undefined,
): JsonValue[] {
  const identity = (value: JsonValue): JsonValue | undefined => (key !== undefined && isObject(value) ? value[key] : value);
  const positionIn = (list: readonly JsonValue[], value: JsonValue): number =>
    list.findIndex((other) => sameJson(identity(other), identity(value)));
  const wanted = order ?? patch;
  const named = merged
    .filter((value) => positionIn(wanted, value) >= 0)
    .sort((a, b) => positionIn(wanted, a) - positionIn(wanted, b));
  const others = merged.filter((value) => positionIn(wanted, value) < 0);
  const result: JsonValue[] = [];
  while (named.length > 0 && others.length > 0) {
    const left = positionIn(current, named[0] as JsonValue);
    const right = positionIn(current, others[0] as JsonValue);
    result.push((left >= 0 && right >= 0 && right < left ? others : named).shift() as JsonValue);
  }
  return [...result, ...named, ...others];
}

function without(list: readonly JsonValue[], doomed: readonly JsonValue[]): JsonValue[] {
  return list.filter((value) => !doomed.some((other) => sameJson(value, other)));
}

/** A value taken over whole: nulls and directives in it have nothing to act on. */
function withoutNulls(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.filter((item) => !isObject(item) || item['$patch'] !== 'delete').map(withoutNulls);
  if (!isObject(value)) return value;
  const kept = Object.entries(value).filter(([key, inner]) => inner !== null && inner !== undefined && !isDirective(key));
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutNulls(inner as JsonValue)]));
}

function isDirective(key: string): boolean {
  return key === '$patch' || key === '$retainKeys' || key.startsWith(deletePrefix) || key.startsWith(orderPrefix);
}

/** What the facts say about a field of an object of this type; a map's values have the type alone. */
function fieldFacts(type: FieldType | undefined, field: string): FieldFacts | undefined {
  return type?.kind === 'ref' ? typeFacts(type.name).byName.get(field) : undefined;
}
