/**
 * What a delete request does to an object: gone at once, marked and left to its finalizers, or given a grace period.
 * Pure.
 *
 * Source: apiserver `pkg/registry/rest/delete.go` (BeforeDelete) and `pkg/registry/generic/registry/store.go`
 * (deletionFinalizersForGarbageCollection, updateForGracefulDeletionAndFinalizers).
 */
import { nextInt64, toNumber } from '#api/int64.ts';
import type { KubeObject } from '#api/meta.ts';
import { rfc3339 } from '#api/meta.ts';
import { conflict, type GroupName } from '#api/status.ts';
import type { DeleteOptions } from '#api/types.generated.ts';
import type { DeletionStep, Strategy } from './strategy.ts';

const orphanFinalizer = 'orphan';
const foregroundFinalizer = 'foregroundDeletion';

/** @throws ApiError 409 when a precondition does not hold */
export function checkPreconditions(object: KubeObject, options: Partial<DeleteOptions>, resource: GroupName): void {
  const { uid, resourceVersion } = options.preconditions ?? {};
  const { metadata } = object;
  if (uid !== undefined && uid !== metadata.uid) {
    throw conflict(
      resource,
      metadata.name,
      `the UID in the precondition (${uid}) does not match the UID in record (${metadata.uid}). The object might have been deleted and then recreated`,
    );
  }
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion) {
    throw conflict(
      resource,
      metadata.name,
      `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${metadata.resourceVersion}). The object might have been modified`,
    );
  }
}

/** The next step for `current`, given what the client asked for. */
export function planDeletion(
  current: KubeObject,
  options: Partial<DeleteOptions>,
  strategy: Strategy,
  nowMs: number,
): DeletionStep {
  // Only the metadata's own fields are changed.
  const object = { ...current, metadata: { ...current.metadata } };
  const grace = planGrace(object, options, strategy, nowMs);
  if (grace === 'pending') return { kind: 'pending' };
  const finalizers = finalizersFor(object, options, strategy);
  if (finalizers.length > 0) object.metadata.finalizers = finalizers;
  else delete object.metadata.finalizers;
  if (grace === 'none') {
    if (finalizers.length === 0) return { kind: 'remove' };
    markAsDeleting(object, nowMs);
    return { kind: 'mark', object, thenRemove: false };
  }
  return { kind: 'mark', object, thenRemove: finalizers.length === 0 && object.metadata.deletionGracePeriodSeconds === 0 };
}

/** Whether an update leaves nothing that holds the object back (store.go, ShouldDeleteDuringUpdate). */
export function isFinalized(updated: KubeObject, old: KubeObject): boolean {
  return (
    (updated.metadata.finalizers ?? []).length === 0 &&
    old.metadata.deletionTimestamp !== undefined &&
    (old.metadata.deletionGracePeriodSeconds ?? 0) === 0
  );
}

function planGrace(
  object: KubeObject,
  options: Partial<DeleteOptions>,
  strategy: Strategy,
  nowMs: number,
): 'none' | 'graceful' | 'pending' {
  if (strategy.gracePeriodSeconds === undefined) return 'none';
  const { metadata } = object;
  const requested = options.gracePeriodSeconds !== undefined && options.gracePeriodSeconds < 0 ? 1 : options.gracePeriodSeconds;
  if (metadata.deletionTimestamp !== undefined) return shortenGrace(object, requested, nowMs);
  const seconds = strategy.gracePeriodSeconds(object, requested);
  metadata.deletionTimestamp = rfc3339(nowMs + toNumber(seconds) * 1000);
  metadata.deletionGracePeriodSeconds = seconds;
  if ((metadata.generation ?? 0) > 0) metadata.generation = nextInt64(metadata.generation ?? 0);
  return 'graceful';
}

/** A running grace period can only be made shorter. */
function shortenGrace(object: KubeObject, requested: number | undefined, nowMs: number): 'none' | 'graceful' | 'pending' {
  const { metadata } = object;
  const given = metadata.deletionGracePeriodSeconds ?? 0;
  const running = given < 0 ? 1 : given;
  if (running === 0) return 'none';
  if (requested === undefined || requested >= running) return 'pending';
  const startMs = Date.parse(metadata.deletionTimestamp ?? '') - toNumber(running) * 1000;
  const endMs = startMs + toNumber(requested) * 1000;
  metadata.deletionTimestamp = rfc3339(Math.max(endMs, nowMs));
  // A grace period that is over already becomes one second: the kubelet still has to confirm the end.
  metadata.deletionGracePeriodSeconds = endMs < nowMs && requested !== 0 ? 1 : requested;
  return 'graceful';
}

function markAsDeleting(object: KubeObject, nowMs: number): void {
  const { metadata } = object;
  if (metadata.deletionTimestamp === undefined && (metadata.generation ?? 0) > 0)
    metadata.generation = nextInt64(metadata.generation ?? 0);
  metadata.deletionTimestamp ??= rfc3339(nowMs);
  metadata.deletionGracePeriodSeconds = 0;
}

type Propagation = 'Orphan' | 'Foreground' | 'Background';

function propagationOf(object: KubeObject, options: Partial<DeleteOptions>, strategy: Strategy): Propagation {
  if (options.orphanDependents !== undefined) return options.orphanDependents ? 'Orphan' : 'Background';
  if (options.propagationPolicy !== undefined) return options.propagationPolicy as Propagation;
  for (const finalizer of object.metadata.finalizers ?? []) {
    if (finalizer === orphanFinalizer) return 'Orphan';
    if (finalizer === foregroundFinalizer) return 'Foreground';
  }
  return strategy.defaultPropagation ?? 'Background';
}

function finalizersFor(object: KubeObject, options: Partial<DeleteOptions>, strategy: Strategy): string[] {
  const kept = (object.metadata.finalizers ?? []).filter((one) => one !== orphanFinalizer && one !== foregroundFinalizer);
  const propagation = propagationOf(object, options, strategy);
  if (propagation === 'Orphan') kept.push(orphanFinalizer);
  if (propagation === 'Foreground') kept.push(foregroundFinalizer);
  return kept;
}
