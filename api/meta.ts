/** The parts of the API that every object shares: identity, references, lists and watch events. */
import { ownValue } from './own-value.ts';
import type { ListMeta, ObjectMeta, OwnerReference, ResourceMeta } from './types.generated.ts';

/** Any object that the API server stores. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ResourceMeta;
}

/** An object as a client submits it for creation: the server fills in what {@link ResourceMeta} promises. */
export type New<T extends KubeObject> = Omit<T, 'metadata'> & { metadata: ObjectMeta };

/** A list as the API server sends it. Items of a typed list carry `apiVersion` and `kind` only once decoded by our client. */
export interface KubeList<T> {
  apiVersion: string;
  kind: string;
  metadata: ListMeta;
  items: T[];
}

export type WatchEvent<T> = { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: T } | { type: 'BOOKMARK'; object: T };

/** Names an object within its resource. `namespace` is absent for cluster-scoped resources. */
export interface ObjectName {
  namespace?: string | undefined;
  name: string;
}

/** `namespace/name`, or `name` alone: the key of caches and work queues (client-go's MetaNamespaceKeyFunc). */
export function keyOf(object: { metadata: ObjectMeta }): string {
  return nameToKey({ namespace: object.metadata.namespace, name: object.metadata.name ?? '' });
}

export function nameToKey({ namespace, name }: ObjectName): string {
  return namespace === undefined || namespace === '' ? name : `${namespace}/${name}`;
}

/** The inverse of {@link keyOf}. */
export function keyToName(key: string): ObjectName {
  const slash = key.indexOf('/');
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** `v1`, or `group/version`. */
export function apiVersionOf(group: string, version: string): string {
  return group === '' ? version : `${group}/${version}`;
}

/** The owner reference with `controller: true`, of which an object has at most one. */
export function controllerOf(object: { metadata: ObjectMeta }): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}

/** An owner reference that makes `owner` the managing controller of what carries it (metav1.NewControllerRef). */
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

/** Whether two JSON values are the same; an absent field equals one set to `undefined`. Object key order does not matter. */
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
  // Mostly both were made of the same text: then the keys stand in the same order, and none has to be looked for.
  if (keys.length === others.length && keys.every((key, index) => key === others[index]))
    return keys.every((key) => sameJson(left[key], right[key]));
  return (
    keys.every((key) => sameJson(left[key], ownValue(right, key))) &&
    others.every((key) => right[key] === undefined || ownValue(left, key) !== undefined)
  );
}

/** 9999-12-31T23:59:59Z: RFC 3339 has four digits for the year. */
const lastTimeMs = 253_402_300_799_000;

/** An RFC 3339 time in UTC with whole seconds, as metav1.Time is written; what lies beyond the year 9999 is its end. */
export function rfc3339(nowMs: number): string {
  return `${new Date(Math.floor(Math.min(nowMs, lastTimeMs) / 1000) * 1000).toISOString().slice(0, 19)}Z`;
}

/** An RFC 3339 time in UTC with microseconds, as metav1.MicroTime is written. */
export function rfc3339Micro(nowMs: number): string {
  return `${new Date(nowMs).toISOString().slice(0, 23)}000Z`;
}
