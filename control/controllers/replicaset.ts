/**
 * ReplicaSet controller: keeps `spec.replicas` pods alive for every ReplicaSet.
 *
 * Owns: Pod (by controller ownerReference).  Watches: ReplicaSet, Pod.  Writes: Pod, ReplicaSet/status.
 * Source: kubernetes.io, ReplicaSet; kubernetes `pkg/controller/replicaset`.
 */

import type { KubeObject, New } from '#api/meta.ts';
import { controllerOf, controllerReference, keyOf, rfc3339, sameJson } from '#api/meta.ts';
import { isPodActive, isPodAvailable, isPodReady, isPodTerminal, untilAvailableMs } from '#api/pod/conditions.ts';
import { labelMatcher, labelMatcherOfMap, matchesLabels } from '#api/selector.ts';
import { isNamespaceTerminating, isNotFound } from '#api/status.ts';
import type { Pod, ReplicaSet, ReplicaSetCondition, ReplicaSetStatus } from '#api/types.generated.ts';
import type { Caches, Controller, ControllerDeps, ReconcileResult } from '#client/controller.ts';
import { done, requeueAfter } from '#client/controller.ts';
import { own, ownedBy } from '#client/controller-runner.ts';
import type { Expectations } from './expectations.ts';
import { createExpectations, recheckAfterMs } from './expectations.ts';
import type { Claim } from './ownership.ts';
import { carryOutClaim, planClaim } from './ownership.ts';
import { inDeletionOrder } from './pod-deletion-order.ts';

/** Most pods created or deleted in one go. */
const burst = 500;

export const replicaSetController = (deps: ControllerDeps): Controller => {
  const { client, caches, clock } = deps;
  const expectations = createExpectations(client, caches, 'pods');
  return {
    name: 'replicaset',
    watches: [own('replicasets.apps'), ownedBy('pods', 'ReplicaSet'), { resource: 'pods', keys: matchingSets }],

    async reconcile(key) {
      const set = caches.cache('replicasets.apps').get(key);
      if (set === undefined) {
        expectations.forget(key); // Deleted: the garbage collector takes the pods.
        return done;
      }
      const { claim, terminating } = sortPods(set, caches.cache('pods').list(set.metadata.namespace));
      const active = await carryOutClaim(client, { object: set, resource: 'replicasets.apps' }, 'pods', claim);
      const isCurrent = await expectations.met(key, clock.monotonic());
      const plan = planReplicaSet(set, active, isCurrent, relatedPods(set, caches), clock.now());
      const failure = await carryOut(plan, set, expectations, deps);
      await reportStatus(set, replicaSetStatus(set, active, terminating, failure, clock.now()), deps);
      if (failure !== undefined) throw failure.error;
      if (!isCurrent) return requeueAfter(recheckAfterMs);
      return nextAvailability(set, active, clock.now());
    },
  };
};

/** The sets that may adopt a pod without a controller. */
function matchingSets(object: KubeObject, _previous: KubeObject | undefined, caches: Caches): string[] {
  if (controllerOf(object) !== undefined) return [];
  return caches
    .cache('replicasets.apps')
    .list(object.metadata.namespace)
    .filter((set) => matchesLabels(labelMatcher(set.spec.selector), object.metadata.labels))
    .map(keyOf);
}

/** The set's pods among all of its namespace: what to keep, adopt and release, and those on their way out. */
function sortPods(set: ReplicaSet, pods: readonly Pod[]): { claim: Claim<Pod>; terminating: Pod[] } {
  const matcher = labelMatcher(set.spec.selector);
  const terminating = pods.filter((pod) => pod.metadata.deletionTimestamp !== undefined && !isPodTerminal(pod));
  return {
    claim: planClaim(set, matcher, pods.filter(isPodActive)),
    terminating: planClaim(set, matcher, terminating).keep,
  };
}

export interface ReplicaSetPlan {
  create: number;
  remove: Pod[];
}

/**
 * Decides how many pods to create, or which to delete. Pure.
 * @param active the set's pods that neither ended nor are being deleted
 * @param isCurrent whether `active` shows all that was done before; if not, nothing may be done yet
 * @param related pods of sets with the same owner, for spreading deletions over nodes
 */
export function planReplicaSet(
  set: ReplicaSet,
  active: readonly Pod[],
  isCurrent: boolean,
  related: readonly Pod[],
  nowMs: number,
): ReplicaSetPlan {
  if (!isCurrent || set.metadata.deletionTimestamp !== undefined) return { create: 0, remove: [] };
  const missing = (set.spec.replicas ?? 1) - active.length;
  if (missing >= 0) return { create: Math.min(burst, missing), remove: [] };
  return { create: 0, remove: inDeletionOrder(active, related, nowMs).slice(0, Math.min(burst, -missing)) };
}

function relatedPods(set: ReplicaSet, caches: Caches): Pod[] {
  const owner = controllerOf(set);
  const siblings = owner === undefined ? [set] : caches.cache('replicasets.apps').ownedBy({ metadata: { uid: owner.uid } });
  return siblings.flatMap((sibling) => caches.cache('pods').ownedBy(sibling));
}

interface Failure {
  reason: 'FailedCreate' | 'FailedDelete';
  error: unknown;
}

async function carryOut(
  plan: ReplicaSetPlan,
  set: ReplicaSet,
  expectations: Expectations,
  deps: ControllerDeps,
): Promise<Failure | undefined> {
  const key = keyOf(set);
  const creation = await slowStart(plan.create, async () => {
    const pod = await createPod(set, deps);
    if (pod !== undefined) expectations.created(key, pod, deps.clock.monotonic());
  });
  if (creation !== undefined) return { reason: 'FailedCreate', error: creation };
  const results = await Promise.allSettled(
    plan.remove.map(async (pod) => {
      await deletePod(set, pod, deps);
      expectations.deleted(key, pod, deps.clock.monotonic());
    }),
  );
  const failed = results.find((result) => result.status === 'rejected');
  return failed === undefined ? undefined : { reason: 'FailedDelete', error: failed.reason };
}

/**
 * Calls `action` `count` times in batches of 1, 2, 4 …; a failure ends it after its batch, so that what must fail (a quota)
 * fails once and not a hundred times.
 * @returns the first error
 */
export async function slowStart(count: number, action: () => Promise<void>): Promise<unknown> {
  let remaining = count;
  for (let size = Math.min(1, remaining); size > 0; size = Math.min(2 * size, remaining)) {
    const results = await Promise.allSettled(Array.from({ length: size }, action));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) return failed.reason;
    remaining -= size;
  }
  return undefined;
}

/** The pod of a set's template. The server completes the name. */
export function podFromTemplate(set: ReplicaSet): New<Pod> {
  const { metadata, spec } = set.spec.template ?? { spec: { containers: [] } };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: `${set.metadata.name}-`,
      namespace: set.metadata.namespace,
      labels: metadata?.labels,
      annotations: metadata?.annotations,
      finalizers: metadata?.finalizers,
      ownerReferences: [controllerReference(set)],
    },
    spec: spec ?? { containers: [] },
  };
}

async function createPod(set: ReplicaSet, { client, events }: ControllerDeps): Promise<Pod | undefined> {
  try {
    const pod = await client.resource('pods').create(podFromTemplate(set));
    events.event(set, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`);
    return pod;
  } catch (error) {
    if (isNamespaceTerminating(error)) return undefined; // Nothing can be created any more, nor need be.
    events.event(set, 'Warning', 'FailedCreate', `Error creating: ${messageOf(error)}`);
    throw error;
  }
}

async function deletePod(set: ReplicaSet, pod: Pod, { client, events }: ControllerDeps): Promise<void> {
  const { namespace, name, uid } = pod.metadata;
  try {
    await client.resource('pods').delete({ namespace, name }, { preconditions: { uid } });
    events.event(set, 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`);
  } catch (error) {
    if (isNotFound(error)) return;
    events.event(set, 'Warning', 'FailedDelete', `Error deleting: ${messageOf(error)}`);
    throw error;
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The status to report. Pure. */
export function replicaSetStatus(
  set: ReplicaSet,
  active: readonly Pod[],
  terminating: readonly Pod[],
  failure: Failure | undefined,
  nowMs: number,
): ReplicaSetStatus {
  const template = labelMatcherOfMap(set.spec.template?.metadata?.labels ?? {});
  const conditions = withFailure(set.status?.conditions ?? [], failure, nowMs);
  return {
    replicas: active.length,
    fullyLabeledReplicas: active.filter((pod) => matchesLabels(template, pod.metadata.labels)).length,
    readyReplicas: active.filter(isPodReady).length,
    availableReplicas: active.filter((pod) => isPodAvailable(pod, set.spec.minReadySeconds ?? 0, nowMs)).length,
    terminatingReplicas: terminating.length,
    observedGeneration: set.metadata.generation,
    ...(conditions.length === 0 ? {} : { conditions }),
  };
}

function withFailure(
  conditions: readonly ReplicaSetCondition[],
  failure: Failure | undefined,
  nowMs: number,
): ReplicaSetCondition[] {
  const others = conditions.filter(({ type }) => type !== 'ReplicaFailure');
  if (failure === undefined) return others;
  const present = conditions.find(({ type }) => type === 'ReplicaFailure');
  if (present !== undefined) return [...conditions];
  return [
    ...others,
    {
      type: 'ReplicaFailure',
      status: 'True',
      lastTransitionTime: rfc3339(nowMs),
      reason: failure.reason,
      message: messageOf(failure.error),
    },
  ];
}

async function reportStatus(set: ReplicaSet, status: ReplicaSetStatus, { client }: ControllerDeps): Promise<void> {
  if (sameStatus(set.status, status)) return;
  await client.resource('replicasets.apps').updateStatus({ ...set, status });
}

/** The server leaves out counts of zero. */
function sameStatus(a: ReplicaSetStatus | undefined, b: ReplicaSetStatus): boolean {
  const normal = (status: ReplicaSetStatus | undefined) => ({
    ...status,
    replicas: status?.replicas ?? 0,
    fullyLabeledReplicas: status?.fullyLabeledReplicas ?? 0,
    readyReplicas: status?.readyReplicas ?? 0,
    availableReplicas: status?.availableReplicas ?? 0,
  });
  return a !== undefined && sameJson(normal(a), normal(b));
}

/** No event tells when a pod has been ready for long enough: look again then. */
function nextAvailability(set: ReplicaSet, active: readonly Pod[], nowMs: number): ReconcileResult {
  const waits = active.map((pod) => untilAvailableMs(pod, set.spec.minReadySeconds ?? 0, nowMs) ?? 0).filter((ms) => ms > 0);
  return waits.length === 0 ? done : requeueAfter(Math.min(...waits));
}
