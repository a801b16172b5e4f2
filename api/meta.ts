/** What all API objects share: identity, references, lists and watch events. */
import { ownValue } from './own-value.ts';
import type { ListMeta, ObjectMeta, OwnerReference, ResourceMeta } from './types.generated.ts';

/** Any object that the API server stores. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ResourceMeta;
}

/** An object as a client sends it to create it. The server sets the fields that {@link ResourceMeta} guarantees. */
export type New<T extends KubeObject> = Omit<T, 'metadata'> & { metadata: ObjectMeta };

/** A list of objects. The server's JSON leaves `apiVersion` and `kind` out of the items of a typed list; our client sets them. */
export interface KubeList<T> {
  apiVersion: string;
  kind: string;
  metadata: ListMeta;
  items: T[];
}

/** One event of a watch. A BOOKMARK's object has only a resourceVersion. */
export type WatchEvent<T> = { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: T } | { type: 'BOOKMARK'; object: T };

/** Identifies an object within its resource. `namespace` is absent for cluster-scoped resources. */
export interface ObjectName {
  namespace?: string | undefined;
  name: string;
}

/**
 * The key of an object in caches and work queues: `namespace/name`, or `name` for a cluster-scoped object (client-go's
 * MetaNamespaceKeyFunc).
 */
export function keyOf(object: { metadata: ObjectMeta }): string {
  return nameToKey({ namespace: object.metadata.namespace, name: object.metadata.name ?? '' });
}

/**
 * Whether `a` is a newer version of an object than `b`: resource versions of one resource are numbers that grow. One without a number is neither
 * newer nor older. Source: KEP-5504.
 */
export const isNewerVersion = (a: { metadata: ObjectMeta }, b: { metadata: ObjectMeta }): boolean =>
  Number(a.metadata.resourceVersion) > Number(b.metadata.resourceVersion);

/** Like {@link keyOf}, from a name. */
export function nameToKey({ namespace, name }: ObjectName): string {
  return namespace === undefined || namespace === '' ? name : `${namespace}/${name}`;
}

/** The inverse of {@link keyOf}. */
export function keyToName(key: string): ObjectName {
  const slash = key.indexOf('/');
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** The apiVersion of a group and version: `v1` for the core group (''), else `group/version`. */
export function apiVersionOf(group: string, version: string): string {
  return group === '' ? version : `${group}/${version}`;
}

/** The owner reference with `controller: true`. An object has at most one. */
export function controllerOf(object: { metadata: ObjectMeta }): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}

/** An owner reference that makes `owner` the controller of another object (metav1.NewControllerRef). */
export function controllerReference(owner: KubeObject): OwnerReference {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** Whether two JSON values are equal. The order of keys does not matter, and a field set to `undefined` counts as absent. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, index) => sameJson(item, b[index]));
  }
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  const keys = Object.keys(left);
  const others = Object.keys(right);
  // Most pairs have their keys in the same order, because both came from the same text. Then no key lookup is needed.
  if (keys.length === others.length && keys.every((key, index) => key === others[index]))
    return keys.every((key) => sameJson(left[key], right[key]));
  return (
    keys.every((key) => sameJson(left[key], ownValue(right, key))) &&
    others.every((key) => right[key] === undefined || ownValue(left, key) !== undefined)
  );
}

/** 9999-12-31T23:59:59Z, the last time that RFC 3339 can write: its years have four digits. */
const lastTimeMs = 253_402_300_799_000;

/**
 * An RFC 3339 time in UTC with whole seconds, as metav1.Time writes it. A time after the year 9999 becomes the end of that year.
 */
export function rfc3339(nowMs: number): string {
  const second = Math.floor(Math.min(nowMs, lastTimeMs) / 1000);
  // All that happens within a second has the same text.
  if (second !== lastText.second) lastText = { second, text: `${new Date(second * 1000).toISOString().slice(0, 19)}Z` };
  return lastText.text;
}

let lastText = { second: Number.NaN, text: '' };

/** An RFC 3339 time in UTC with microseconds, as metav1.MicroTime is written. */
export function rfc3339Micro(nowMs: number): string {
  return `${new Date(nowMs).toISOString().slice(0, 23)}000Z`;
}
