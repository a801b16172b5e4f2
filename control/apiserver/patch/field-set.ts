/**
 * Sets of fields of an object, as `metadata.managedFields` records them (`FieldsV1`): a tree whose path elements are
 *
 *     f:<name>    a field, or a key of a map
 *     k:<json>    an element of a list with keys, by its keys
 *     v:<json>    an element of a set, by value
 *
 * and where `.` says that the element itself belongs to the set, besides what is below it.
 *
 * Source: structured-merge-diff `fieldpath`; apimachinery FieldsV1.
 */
import type { JsonObject } from '#api/json.ts';

export interface FieldSet {
  /** Whether the place itself is in the set. */
  member: boolean;
  readonly children: Map<string, FieldSet>;
}

export function emptySet(): FieldSet {
  return { member: false, children: new Map() };
}

/** Adds a path, in place. */
export function insert(set: FieldSet, path: readonly string[]): void {
  let node = set;
  for (const element of path) {
    let next = node.children.get(element);
    if (next === undefined) {
      next = emptySet();
      node.children.set(element, next);
    }
    node = next;
  }
  node.member = true;
}

export function isEmpty(set: FieldSet | undefined): boolean {
  return set === undefined || (!set.member && [...set.children.values()].every(isEmpty));
}

/** Combines two trees; `keep` decides on membership at each place, and empty branches fall away. */
function combine(a: FieldSet | undefined, b: FieldSet | undefined, keep: (a: boolean, b: boolean) => boolean): FieldSet {
  const children = new Map<string, FieldSet>();
  for (const element of new Set([...(a?.children.keys() ?? []), ...(b?.children.keys() ?? [])])) {
    const child = combine(a?.children.get(element), b?.children.get(element), keep);
    if (!isEmpty(child)) children.set(element, child);
  }
  return { member: keep(a?.member ?? false, b?.member ?? false), children };
}

export const union = (a: FieldSet | undefined, b: FieldSet | undefined): FieldSet =>
  combine(a, b, (left, right) => left || right);
export const difference = (a: FieldSet, b: FieldSet | undefined): FieldSet => combine(a, b, (left, right) => left && !right);
export const intersection = (a: FieldSet | undefined, b: FieldSet | undefined): FieldSet =>
  combine(a, b, (left, right) => left && right);

export function sameSet(a: FieldSet | undefined, b: FieldSet | undefined): boolean {
  return isEmpty(combine(a, b, (left, right) => left !== right));
}

/** Every place in the set, parents before what is below them. */
export function* members(set: FieldSet, path: readonly string[] = []): Generator<readonly string[]> {
  if (set.member) yield path;
  for (const [element, child] of set.children) yield* members(child, [...path, element]);
}

/** The part of the set at and below a path; undefined where there is none. */
export function subset(set: FieldSet | undefined, path: readonly string[]): FieldSet | undefined {
  return path.reduce<FieldSet | undefined>((node, element) => node?.children.get(element), set);
}

/** The set with every field that has members below it: a struct belongs to whom its fields belong to; list elements do not. */
export function withNamedFields(set: FieldSet, element = ''): FieldSet {
  const children = new Map([...set.children].map(([name, child]) => [name, withNamedFields(child, name)]));
  return { member: set.member || (element.startsWith('f:') && !isEmpty(set)), children };
}

/** A new set without the places at and below `path`. */
export function withoutBranch(set: FieldSet, path: readonly string[]): FieldSet {
  const [element, ...rest] = path;
  if (element === undefined) return emptySet();
  const child = set.children.get(element);
  if (child === undefined) return set;
  const children = new Map(set.children);
  const left = withoutBranch(child, rest);
  if (isEmpty(left)) children.delete(element);
  else children.set(element, left);
  return { member: set.member, children };
}

/** `fieldsV1` as it goes over the wire, sorted. */
export function toFieldsV1(set: FieldSet): JsonObject {
  const json: JsonObject = {};
  if (set.member && set.children.size > 0) json['.'] = {};
  for (const element of [...set.children.keys()].sort()) json[element] = toFieldsV1(set.children.get(element) as FieldSet);
  return json;
}

/** The inverse of {@link toFieldsV1}; a place without anything below it is itself in the set. */
export function fromFieldsV1(json: JsonObject, atRoot = true): FieldSet {
  const set = emptySet();
  const entries = Object.entries(json);
  set.member = !atRoot && (entries.length === 0 || json['.'] !== undefined);
  for (const [element, value] of entries)
    if (element !== '.') set.children.set(element, fromFieldsV1((value ?? {}) as JsonObject, false));
  return set;
}

/** A path as conflict messages print it: `.spec.template.spec.containers[name="web"].image`. */
export function pathText(path: readonly string[]): string {
  return path
    .map((element) => {
      const value = element.slice(2);
      if (element.startsWith('f:')) return `.${value}`;
      if (element.startsWith('v:')) return `[=${value}]`;
      if (element.startsWith('i:')) return `[${value}]`;
      const keys = JSON.parse(value) as Record<string, unknown>;
      return `[${Object.entries(keys)
        .map(([key, part]) => `${key}=${JSON.stringify(part)}`)
        .join(',')}]`;
    })
    .join('');
}
