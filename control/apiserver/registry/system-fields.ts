/**
 * What the server alone decides about an object: identity, times, place, and whether a write may replace the stored object.
 *
 * Source: apiserver `pkg/registry/rest/{create,update,meta}.go`, `pkg/registry/generic/registry/store.go`.
 */
import { randomUUID } from 'node:crypto';
import { errorText } from '#api/error-text.ts';
import { invalidValue } from '#api/field-error.ts';
import { parseUint64 } from '#api/int64.ts';
import { sameSteps } from '#api/json-steps.ts';
import { apiVersionOf, type KubeObject, rfc3339 } from '#api/meta.ts';
import type { Resource } from '#api/resources.ts';
import { type ApiError, badRequest, conflict, invalid, unknownError } from '#api/status.ts';
import type { Steps } from '#api/steps.ts';
import type { ManagedFieldsEntry } from '#api/types.generated.ts';
import type { CachedObject } from '../cache/cached-object.ts';
import { generateName } from './object-keys.ts';
import type { Strategy } from './strategy.ts';

/** Upstream's message for a write of an outdated object. Clients and their tests compare it literally. */
export const optimisticLockMessage =
  'the object has been modified; please apply your changes to the latest version and try again';

/**
 * Gives a submitted object the type and namespace of the request.
 * @throws ApiError 400 when it says another namespace
 */
export function fillRequestFields(resource: Resource, namespace: string, object: KubeObject): void {
  object.apiVersion = apiVersionOf(resource.group, resource.version);
  object.kind = resource.kind;
  placeIn(resource, namespace, object);
}

/** Sets uid, name and times of a new object. In place. */
export function fillSystemFields({ metadata }: KubeObject, nowMs: number, random: () => number): void {
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.selfLink;
  metadata.creationTimestamp = rfc3339(nowMs);
  metadata.uid = randomUUID();
  if ((metadata.name ?? '') === '' && (metadata.generateName ?? '') !== '') {
    metadata.name = generateName(metadata.generateName ?? '', random);
  }
}

/**
 * Removes resourceVersion from a new object, in place. Call it last: as upstream, whose storage does this check, other refusals
 * (403, 422) come first.
 * @throws ApiError 500 when it names one
 */
export function dropRevision(object: KubeObject): void {
  if (namesRevision(object)) throw unknownError('resourceVersion should not be set on objects to be created');
  delete (object.metadata as Partial<KubeObject['metadata']>).resourceVersion;
}

/** As upstream, a text that is no revision counts as none on a create. */
function namesRevision(object: KubeObject): boolean {
  try {
    return submittedRevision(object) !== 0n;
  } catch {
    return false;
  }
}

/**
 * The revision that a client names; 0n for none.
 * @throws ApiError 500 with Go's text for a malformed one: upstream passes the error on as it is (`APIObjectVersioner.ObjectResourceVersion`)
 */
export function submittedRevision({ metadata }: KubeObject): bigint {
  const resourceVersion = metadata.resourceVersion ?? '';
  if (resourceVersion === '') return 0n;
  try {
    return parseUint64(resourceVersion);
  } catch (error) {
    throw unknownError(errorText(error));
  }
}

/**
 * Checks that the write may replace `current`.
 * @throws ApiError 500 as {@link submittedRevision}; 409 when uid or resourceVersion are not those of `current`; 422 when the kind wants a
 * resourceVersion and there is none
 */
export function checkIdentity(resource: Resource, current: CachedObject, object: KubeObject, strategy: Strategy): void {
  const { metadata } = object;
  const old = current.object.metadata;
  if ((metadata.uid ?? '') !== '' && metadata.uid !== old.uid) {
    throw uidPrecondition(resource, old.name, current.key, metadata.uid, old.uid);
  }
  const version = submittedRevision(object);
  if (version === 0n) {
    if (strategy.allowUnconditionalUpdate !== false) return;
    const problem = invalidValue('metadata.resourceVersion', 0, 'must be specified for an update');
    throw invalid({ group: resource.group, name: resource.plural }, old.name, [problem]);
  }
  if (version !== BigInt(old.resourceVersion))
    throw conflict({ group: resource.group, name: resource.plural }, old.name, optimisticLockMessage);
}

/** Copies the fields that no update may change from the stored object. In place. @throws ApiError 400 */
export function keepSystemFields(resource: Resource, object: KubeObject, old: KubeObject): void {
  object.apiVersion = old.apiVersion;
  object.kind = old.kind;
  placeIn(resource, old.metadata.namespace ?? '', object);
  const { metadata } = object;
  delete metadata.selfLink;
  metadata.uid = old.metadata.uid;
  metadata.resourceVersion = old.metadata.resourceVersion;
  metadata.creationTimestamp = old.metadata.creationTimestamp;
  if (old.metadata.generation === undefined) delete metadata.generation;
  else metadata.generation = old.metadata.generation;
  if (old.metadata.deletionTimestamp !== undefined) {
    metadata.deletionTimestamp = old.metadata.deletionTimestamp;
    if (old.metadata.deletionGracePeriodSeconds !== undefined) {
      metadata.deletionGracePeriodSeconds ??= old.metadata.deletionGracePeriodSeconds;
    }
  }
}

/** A write that changes nothing but the time in managedFields is no change (IgnoreManagedFieldsTimestampsTransformer). */
export function* keepTimesOfUnchangedFields(object: KubeObject, old: KubeObject): Steps<void> {
  const entries = object.metadata.managedFields;
  if (entries === undefined) return;
  const identity = ({ manager, operation, apiVersion, subresource }: ManagedFieldsEntry): string =>
    JSON.stringify([manager, operation, apiVersion, subresource]);
  const before = new Map((old.metadata.managedFields ?? []).map((known) => [identity(known), known]));
  const kept: ManagedFieldsEntry[] = [];
  for (const entry of entries) {
    const known = before.get(identity(entry));
    kept.push(known !== undefined && (yield* sameSteps({ ...known, time: entry.time }, entry)) ? known : entry);
  }
  object.metadata.managedFields = kept;
}

/** Checks that the object has the namespace of the path. @throws ApiError 400 */
function placeIn(resource: Resource, namespace: string, object: KubeObject): void {
  const { metadata } = object;
  if (!resource.namespaced) {
    delete metadata.namespace;
    return;
  }
  if ((metadata.namespace ?? '') !== '' && metadata.namespace !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  metadata.namespace = namespace;
}

/** The text of etcd3's storage error, which upstream passes on to clients. */
export function uidPrecondition(resource: Resource, name: string, key: string, wanted: string, found: string): ApiError {
  return conflict(
    { group: resource.group, name: resource.plural },
    name,
    `StorageError: invalid object, Code: 4, Key: ${key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: ${wanted}, UID in object meta: ${found}`,
  );
}
