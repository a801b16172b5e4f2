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
  children: Map<string, FieldSet>;
}

/** Of all places that have nothing below them: most have not, and a map for each would take far more than the names. Never changed. */
const noChildren: Map<string, FieldSet> = new Map();

export function emptySet(): FieldSet {
  return { member: false, children: noChildren };
}

/** Adds a path, in place. */
export function insert(set: FieldSet, path: readonly string[]): void {
  let node = set;
  for (const element of path) {
    let next = node.children.get(element);
    if (next === undefined) {
      next = emptySet();
      if (node.children === noChildren) node.children = new Map();
      node.children.set(element, next);
    }
    node = next;
  }
  node.member = true;
}

export function isEmpty(set: FieldSet | undefined): boolean {
  if (set === undefined) return true;
  if (set.member) return false;
  for (const child of set.children.values()) if (!isEmpty(child)) return false;
  return true;
}

/** Combines two trees; `keep` decides on membership at each place, and empty branches fall away. Neither is changed. */
function combine(a: FieldSet | undefined, b: FieldSet | undefined, keep: (a: boolean, b: boolean) => boolean): FieldSet {
  const children = new Map<string, FieldSet>();
  const add = (element: string): void => {
    const child = combine(a?.children.get(element), b?.children.get(element), keep);
    if (!isEmpty(child)) children.set(element, child);
  };
  for (const element of a?.children.keys() ?? []) add(element);
  for (const element of b?.children.keys() ?? []) if (a?.children.has(element) !== true) add(element);
  return { member: keep(a?.member ?? false, b?.member ?? false), children: children.size === 0 ? noChildren : children };
}

/** Where one of the trees has nothing, the other one's branch is the answer as it is: results share branches with what they are of. */
export function union(a: FieldSet | undefined, b: FieldSet | undefined): FieldSet {
  if (a === undefined || b === undefined) return a ?? b ?? emptySet();
  const children = new Map(a.children);
  for (const [element, child] of b.children) children.set(element, union(a.children.get(element), child));
  return { member: a.member || b.member, children: children.size === 0 ? noChildren : children };
}

export function difference(a: FieldSet, b: FieldSet | undefined): FieldSet {
  if (b === undefined || (!b.member && b.children.size === 0)) return a;
  const children = new Map<string, FieldSet>();
  for (const [element, child] of a.children) {
    const left = difference(child, b.children.get(element));
    if (!isEmpty(left)) children.set(element, left);
  }
  return { member: a.member && !b.member, children: children.size === 0 ? noChildren : children };
}

export function intersection(a: FieldSet | undefined, b: FieldSet | undefined): FieldSet {
  if (a === undefined || b === undefined) return emptySet();
  const children = new Map<string, FieldSet>();
  for (const [element, child] of a.children) {
    const other = b.children.get(element);
    const both = other === undefined ? undefined : intersection(child, other);
    if (both !== undefined && !isEmpty(both)) children.set(element, both);
  }
  return { member: a.member && b.member, children: children.size === 0 ? noChildren : children };
}

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

/** The set plus every struct that has a member in it: whoever owns a field of a struct owns the struct. List elements do not work so. */
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

/** A new set of the places at and below `path` alone, in which `*` stands for any element. */
export function onlyBranches(set: FieldSet, path: readonly string[]): FieldSet {
  const [element, ...rest] = path;
  if (element === undefined) return set;
  const children = new Map<string, FieldSet>();
  for (const [name, child] of set.children) {
    if (element !== '*' && element !== name) continue;
    const left = onlyBranches(child, rest);
    if (!isEmpty(left)) children.set(name, left);
  }
  return { member: false, children: children.size === 0 ? noChildren : children };
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
  const set: FieldSet = { member: false, children: noChildren };
  const entries = Object.entries(json);
  if (entries.length > 0) set.children = new Map();
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
