/**
 * Values with their types: which fields a value sets, how two values differ, how one is merged over the other, and how fields
 * are removed. The schema facts say what counts as one unit (a scalar, an atomic list or map) and what identifies a list element.
 *
 * Source: structured-merge-diff `typed` (ToFieldSet, Compare, Merge, RemoveItems).
 */

import { stringifyExact } from '#api/int64.ts';
import type { JsonObject, JsonValue } from '#api/json.ts';
import { isJsonObject } from '#api/json.ts';
import { sameJson } from '#api/meta.ts';
import { detailsOf, type FieldFacts, type FieldType, typeFacts } from '#api/schema/facts.ts';
import { emptySet, type FieldSet, insert } from './field-set.ts';

/** The type of a value, and the facts of the field that holds it (list type, keys). */
export interface Typed {
  type: FieldType;
  facts: FieldFacts | undefined;
}

/** How two values differ, in fields. */
export interface Comparison {
  added: FieldSet;
  modified: FieldSet;
  removed: FieldSet;
}

/** What parts a value has: none (it is one unit), fields, map values, list elements, or what the value itself shows. */
type Shape = 'leaf' | 'struct' | 'map' | 'list' | 'any';

/** The type of a whole object. @param typeName in the schema facts: `core/v1.Pod` */
export function typedRoot(typeName: string): Typed {
  return { type: { kind: 'ref', name: detailsOf(typeName) }, facts: undefined };
}

/** The shape of values of a type. Atomic lists and maps are leaves, although they have parts. */
export function shapeOf({ type, facts }: Typed): Shape {
  switch (type.kind) {
    case 'ref':
      return (facts?.mapType ?? typeFacts(type.name).mapType) === 'atomic' ? 'leaf' : 'struct';
    case 'map':
      return facts?.mapType === 'atomic' ? 'leaf' : 'map';
    case 'list':
      return facts?.listType === 'map' || facts?.listType === 'set' ? 'list' : 'leaf';
    case 'any':
      return 'any';
    default:
      return 'leaf';
  }
}

/** The parts of a value with their types, by path element. Undefined: the value is one unit. */
function partsOf(value: JsonValue | undefined, typed: Typed): Map<string, { value: JsonValue; typed: Typed }> | undefined {
  const shape = shapeOf(typed);
  if (shape === 'leaf' || (shape === 'any' && value !== undefined && !isJsonObject(value))) return undefined;
  if (value === undefined || value === null) return new Map();
  if (shape === 'list') return Array.isArray(value) ? listParts(value, typed) : undefined;
  if (!isJsonObject(value)) return undefined;
  const parts = new Map<string, { value: JsonValue; typed: Typed }>();
  for (const [key, part] of Object.entries(value)) {
    const child = childOf(typed, key);
    if (child !== undefined && part !== undefined) parts.set(`f:${key}`, { value: part, typed: child });
  }
  return parts;
}

function listParts(list: readonly JsonValue[], typed: Typed): Map<string, { value: JsonValue; typed: Typed }> {
  const item = itemOf(typed);
  return new Map(list.map((value) => [elementOf(value, typed), { value, typed: item }]));
}

/** The type of a list's elements. */
export function itemOf({ type }: Typed): Typed {
  return { type: type.kind === 'list' ? type.item : type, facts: undefined };
}

/** The path element of a list element: `k:{"name":"web"}` or `v:"x"`. Keys are in alphabetical order; an absent key has its default. */
export function elementOf(value: JsonValue, typed: Typed): string {
  if (typed.facts?.listType !== 'map' || !isJsonObject(value)) return `v:${stringifyExact(value)}`;
  return `k:${stringifyExact(Object.fromEntries(elementKeys(value, typed)))}`;
}

/**
 * The names and values of the keys that identify a list element, in alphabetical order. A value is undefined where there is no default
 * either.
 */
export function elementKeys(value: JsonObject, { type, facts }: Typed): (readonly [string, JsonValue | undefined])[] {
  const itemFacts = type.kind === 'list' && type.item.kind === 'ref' ? typeFacts(type.item.name).byName : undefined;
  return [...(facts?.keys ?? [])].sort().map((key) => [key, value[key] ?? itemFacts?.get(key)?.default] as const);
}

/** The shape of a value without schema: objects by field, lists atomic. */
const anyValue: Typed = { type: { kind: 'any' }, facts: undefined };

/** The type of a field or map value; undefined where the schema has no such field. */
export function childOf({ type }: Typed, key: string): Typed | undefined {
  if (type.kind === 'map') return { type: type.value, facts: undefined };
  if (type.kind === 'any') return anyValue;
  if (type.kind !== 'ref') return undefined;
  const { byName, open } = typeFacts(type.name);
  const facts = byName.get(key);
  if (facts === undefined) return open ? anyValue : undefined;
  return { type: facts.type, facts };
}

/** The fields that a value sets. */
export function fieldsOf(value: JsonValue, typed: Typed): FieldSet {
  const set = emptySet();
  collect(value, typed, [], set);
  return set;
}

function collect(value: JsonValue, typed: Typed, path: string[], set: FieldSet): void {
  const parts = partsOf(value, typed);
  if (parts === undefined) {
    insert(set, path);
    return;
  }
  const shape = shapeOf(typed);
  for (const [element, part] of parts) {
    path.push(element);
    collect(part.value, part.typed, path, set);
    const nothing = part.value === null || (isJsonObject(part.value) && Object.keys(part.value).length === 0);
    if (shape !== 'struct' || nothing) insert(set, path);
    path.pop();
  }
}

/** The fields that differ between two values. Undefined: no value. */
export function compare(before: JsonValue | undefined, after: JsonValue | undefined, typed: Typed): Comparison {
  const comparison = { added: emptySet(), modified: emptySet(), removed: emptySet() };
  compareAt(before, after, typed, [], comparison);
  return comparison;
}

function compareAt(
  before: JsonValue | undefined,
  after: JsonValue | undefined,
  typed: Typed,
  path: string[],
  found: Comparison,
): void {
  if (before === undefined && after === undefined) return;
  const left = partsOf(before, typed);
  const right = partsOf(after, typed);
  if (left !== undefined && right !== undefined && left.size + right.size > 0) {
    for (const [element, part] of left) {
      path.push(element);
      compareAt(part.value, right.get(element)?.value, right.get(element)?.typed ?? part.typed, path, found);
      path.pop();
    }
    for (const [element, part] of right) {
      if (left.has(element)) continue;
      path.push(element);
      compareAt(undefined, part.value, part.typed, path, found);
      path.pop();
    }
    // In Go, a struct that is no pointer and a field without omitempty always exist, so they are neither added nor removed.
    if (alwaysThere(typed)) return;
  }
  if (before === undefined) insert(found.added, path);
  else if (after === undefined) insert(found.removed, path);
  else if ((left === undefined || right === undefined) && !sameJson(before, after)) insert(found.modified, path);
}

function alwaysThere({ type, facts }: Typed): boolean {
  return facts !== undefined && (facts.required || (type.kind === 'ref' && !facts.pointer));
}

/** `over` merged over `base`: the fields and list elements of both; where both have a unit, that of `over`. */
export function mergeValues(base: JsonValue | undefined, over: JsonValue, typed: Typed): JsonValue {
  const left = partsOf(base, typed);
  const right = partsOf(over, typed);
  if (base === undefined || base === null || over === null || left === undefined || right === undefined) return over;
  const elements = [...new Set([...left.keys(), ...right.keys()])];
  const merged = elements.map((element): [string, JsonValue] => {
    const added = right.get(element);
    const kept = left.get(element);
    return [element, added === undefined ? (kept?.value ?? null) : mergeValues(kept?.value, added.value, added.typed)];
  });
  return shapeOf(typed) === 'list'
    ? inAppliedOrder(base as JsonValue[], typed, new Map(merged), [...right.keys()])
    : Object.fromEntries(merged.map(([key, value]) => [key.slice(2), value]));
}

/**
 * The order of a merged list. Applied elements have the order of the applied configuration (an init container that is put first must run
 * first). All other elements, also those that the list has twice, stay before the elements that followed them.
 */
function inAppliedOrder(
  base: readonly JsonValue[],
  typed: Typed,
  merged: ReadonlyMap<string, JsonValue>,
  applied: readonly string[],
): JsonValue[] {
  const present = new Set(base.map((value) => elementOf(value, typed)));
  const result: JsonValue[] = [];
  const isApplied = new Set(applied);
  /** How many elements of `applied` are in the result, and the next index of one that `base` has, too. */
  let taken = 0;
  let next = 0;
  const takeTo = (end: number): void => {
    for (; taken < end; taken++) result.push(merged.get(applied[taken] as string) as JsonValue);
  };
  for (const value of base) {
    const element = elementOf(value, typed);
    if (!isApplied.has(element)) result.push(value);
    else {
      next = Math.max(next, taken);
      while (next < applied.length && !present.has(applied[next] as string)) next += 1;
      if (element === applied[next]) takeTo(next + 1);
    }
  }
  takeTo(applied.length);
  return result;
}

/** The value without the members of `doomed` and all that is below them. Lists and objects that become empty are removed, too. */
export function removeFields(value: JsonValue, doomed: FieldSet, typed: Typed): JsonValue | undefined {
  if (doomed.member) return undefined;
  const parts = partsOf(value, typed);
  if (parts === undefined || value === null) return value;
  const kept = [...parts].flatMap(([element, part]): [string, JsonValue][] => {
    const below = doomed.children.get(element);
    const left = below === undefined ? part.value : removeFields(part.value, below, part.typed);
    return left === undefined ? [] : [[element, left]];
  });
  if (shapeOf(typed) === 'list') return kept.length === 0 ? undefined : kept.map(([, part]) => part);
  const object: JsonObject = Object.fromEntries(kept.map(([key, part]) => [key.slice(2), part]));
  return kept.length === 0 && parts.size > 0 && !alwaysThere(typed) && typed.facts !== undefined ? undefined : object;
}
