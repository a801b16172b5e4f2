/**
 * Objects whose kind has several served versions: what changes in each of them. A manager's fields are those of the version in which it wrote,
 * so they are compared there.
 *
 * Source: structured-merge-diff `merge/update.go` (versions of managers); apimachinery `pkg/util/managedfields/internal/versionconverter.go`.
 */
import type { JsonObject } from '#api/json.ts';
import type { KubeObject } from '#api/meta.ts';
import { type ServedForm, servedForms } from '../kinds/served-forms.ts';
import { type Comparison, compare, typedRoot } from './typed-value.ts';

/** An object in one version, without managedFields. */
export interface Versioned {
  object: JsonObject;
  typeName: string;
}

/** Whether there are other versions of this type, into which its objects can be converted. */
export const hasVersions = (typeName: string): boolean => familyOf(typeName) !== undefined;

const familyOf = (typeName: string): readonly ServedForm[] | undefined =>
  servedForms.find((family) => family.some((form) => form.typeName === typeName));

/**
 * The object in another version; itself where its kind has no versions, or it is of that one already. Undefined: the kind is not served in
 * that version.
 */
export function inVersion(from: Versioned, apiVersion: string): Versioned | undefined {
  const family = familyOf(from.typeName);
  const wanted = family?.find((form) => form.apiVersion === apiVersion);
  if (family === undefined || wanted?.typeName === from.typeName) return from;
  if (wanted === undefined) return undefined;
  const own = family.find((form) => form.typeName === from.typeName);
  const object = from.object as unknown as KubeObject;
  const stored = own?.conversion?.toStored(object) ?? object;
  const served = wanted.conversion?.fromStored(stored) ?? stored;
  return { object: served as unknown as JsonObject, typeName: wanted.typeName };
}

/** What changes, in the terms of one version. */
export interface VersionedComparison extends Comparison {
  typeName: string;
}

/**
 * What changes from `before` to `after`, which are both of type `typeName`, by version; each version is compared once.
 * @returns undefined for a version in which the kind is not served
 */
export function changesByVersion(
  before: JsonObject | undefined,
  after: JsonObject,
  typeName: string,
): (apiVersion: string) => VersionedComparison | undefined {
  const own = { ...compare(before, after, typedRoot(typeName)), typeName };
  if (!hasVersions(typeName)) return () => own;
  const known = new Map<string, VersionedComparison | undefined>();
  return (apiVersion) => {
    if (!known.has(apiVersion)) known.set(apiVersion, compared(before, after, typeName, apiVersion, own));
    return known.get(apiVersion);
  };
}

function compared(
  before: JsonObject | undefined,
  after: JsonObject,
  typeName: string,
  apiVersion: string,
  own: VersionedComparison,
): VersionedComparison | undefined {
  const there = inVersion({ object: after, typeName }, apiVersion);
  if (there === undefined || there.typeName === typeName) return there === undefined ? undefined : own;
  const was = before === undefined ? undefined : inVersion({ object: before, typeName }, apiVersion)?.object;
  return { ...compare(was, there.object, typedRoot(there.typeName)), typeName: there.typeName };
}
