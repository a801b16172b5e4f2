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

/** A set of fields: a node of the tree, by path element. Shared between sets, so only {@link insert} changes one, and only a new one. */
export interface FieldSet {
  /** Whether the field itself is in the set, besides what is below it. */
  member: boolean;
  children: Map<string, FieldSet>;
}

/** The children of all nodes without children, which are most: a map for each would take more memory than the names. Never changed. */
const noChildren: Map<string, FieldSet> = new Map();

/** A new set without members. */
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

/** Whether the set has no member, at whatever depth. */
export function isEmpty(set: FieldSet | undefined): boolean {
  if (set === undefined) return true;
  if (set.member) return false;
  for (const child of set.children.values()) if (!isEmpty(child)) return false;
  return true;
}

/** Combines two sets into a new one: `keep` decides about each field, and branches without members are left out. */
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

/** The fields of either set. The result shares branches with both, so none of the three may be changed afterwards. */
export function union(a: FieldSet | undefined, b: FieldSet | undefined): FieldSet {
  if (a === undefined || b === undefined) return a ?? b ?? emptySet();
  const children = new Map(a.children);
  for (const [element, child] of b.children) children.set(element, union(a.children.get(element), child));
  return { member: a.member || b.member, children: children.size === 0 ? noChildren : children };
}

/** The fields of `a` that are not in `b`. The result shares branches with `a`. */
export function difference(a: FieldSet, b: FieldSet | undefined): FieldSet {
  if (b === undefined || (!b.member && b.children.size === 0)) return a;
  const children = new Map<string, FieldSet>();
  for (const [element, child] of a.children) {
    const left = difference(child, b.children.get(element));
    if (!isEmpty(left)) children.set(element, left);
  }
  return { member: a.member && !b.member, children: children.size === 0 ? noChildren : children };
}

/** The fields of both sets. */
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

/** Whether both sets have the same members. */
export function sameSet(a: FieldSet | undefined, b: FieldSet | undefined): boolean {
  return isEmpty(combine(a, b, (left, right) => left !== right));
}

/** The paths of all members, parents before their children. */
export function* members(set: FieldSet, path: readonly string[] = []): Generator<readonly string[]> {
  if (set.member) yield path;
  for (const [element, child] of set.children) yield* members(child, [...path, element]);
}

/** The part of the set at and below a path; undefined where there is none. */
export function subset(set: FieldSet | undefined, path: readonly string[]): FieldSet | undefined {
  return path.reduce<FieldSet | undefined>((node, element) => node?.children.get(element), set);
}

/**
 * The set, plus each struct field with a member below it: the owner of a field also owns the struct around it. This is not so for list
 * elements.
 */
export function withNamedFields(set: FieldSet, element = ''): FieldSet {
  const children = new Map([...set.children].map(([name, child]) => [name, withNamedFields(child, name)]));
  return { member: set.member || (element.startsWith('f:') && !isEmpty(set)), children };
}

/** A new set without the field at `path` and all that is below it. */
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

/** The inverse of {@link toFieldsV1}. A node without children is itself a member, with or without a `.`. */
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
