/**
 * ReplicaSet controller: keeps `spec.replicas` pods alive for every ReplicaSet. The same code serves ReplicationControllers
 * (`replication-controller.ts`), which it sees as ReplicaSets.
 *
 * Owns: Pod (by controller ownerReference).  Watches: ReplicaSet, Pod.  Writes: Pod, ReplicaSet/status.
 * Source: kubernetes.io, ReplicaSet; kubernetes `pkg/controller/replicaset`.
 */

import { errorText } from '#api/error-text.ts';
import type { KubeObject } from '#api/meta.ts';
import { controllerOf, rfc3339 } from '#api/meta.ts';
import { isPodActive, isPodAvailable, isPodReady, isPodTerminal } from '#api/pod/conditions.ts';
import type { ResourceTypes } from '#api/resources.ts';
import { labelMatcher, labelMatcherOfMap, matchesLabels } from '#api/selector.ts';
import type { Pod, ReplicaSet, ReplicaSetCondition, ReplicaSetStatus } from '#api/types.generated.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done, requeueAfter } from '#client/controller.ts';
import { own, ownedBy } from '#client/controller-runner.ts';
import { nextAvailability } from './availability.ts';
import { recheckAfterMs } from './expectations.ts';
import type { Claim } from './ownership.ts';
import { adopters, carryOutClaim, planClaim } from './ownership.ts';
import { createPodControl, type PodControlFailure, podFromTemplate } from './pod-control.ts';
import { inDeletionOrder } from './pod-deletion-order.ts';
import { sameCounts } from './same-counts.ts';

/** Maximum number of pods that are created or deleted in one reconciliation. */
const burst = 500;

/** A kind whose objects can be seen as ReplicaSets. `view` keeps apiVersion, kind and metadata of the object. */
export interface ReplicaKind<Id extends 'replicasets.apps' | 'replicationcontrollers'> {
  /** The name of the controller. */
  name: string;
  resource: Id;
  kind: string;
  view(object: ResourceTypes[Id]): ReplicaSet;
  /** The object with this status, without fields that its kind does not have. */
  withStatus(object: ResourceTypes[Id], status: ReplicaSetStatus): ResourceTypes[Id];
}

/** Makes the ReplicaSet controller. */
export const replicaSetController = (deps: ControllerDeps): Controller =>
  replicaController(deps, {
    name: 'replicaset',
    resource: 'replicasets.apps',
    kind: 'ReplicaSet',
    view: (set) => set,
    withStatus: (set, status) => ({ ...set, status }),
  });

/** Makes the controller of one kind. */
export function replicaController<Id extends 'replicasets.apps' | 'replicationcontrollers'>(
  deps: ControllerDeps,
  { name, resource, kind, view, withStatus }: ReplicaKind<Id>,
): Controller {
  const { client, caches, clock } = deps;
  const podControl = createPodControl(deps);
  const { expectations } = podControl;

  /** Maps a pod without a controller to the sets that may adopt it. */
  const matchingSets = (object: KubeObject): string[] =>
    adopters(object, caches.cache(resource), (set: ResourceTypes[Id]) => view(set).spec.selector);

  /** The pods of sets with the same owner. */
  const relatedPods = (set: ReplicaSet): Pod[] => {
    const owner = controllerOf(set);
    const siblings: KubeObject[] = owner === undefined ? [set] : caches.cache(resource).ownedBy({ metadata: { uid: owner.uid } });
    return siblings.flatMap((sibling) => caches.cache('pods').ownedBy(sibling));
  };

  return {
    name,
    watches: [own(resource), ownedBy('pods', kind), { resource: 'pods', keys: matchingSets }],

    async reconcile(key) {
      // Check the expectations before reading the caches: pods that appear during the claim step are not in the list that was read, and
      // would be created again.
      const isCurrent = await expectations.met(key, clock.monotonic());
      // Read set and pods without an await in between. Otherwise pods of a set that is deleted meanwhile would be created again.
      const object = caches.cache(resource).get(key);
      if (object === undefined) {
        expectations.forget(key); // The set is deleted: the garbage collector deletes its pods.
        return done;
      }
      const set = view(object);
      const { claim, terminating } = sortPods(set, caches.cache('pods').list(set.metadata.namespace));
      const active = await carryOutClaim(client, { object: set, resource }, 'pods', claim);
      const plan = planReplicaSet(set, active, isCurrent, relatedPods(set), clock.now());
      const create = Array.from({ length: plan.create }, () => podFromTemplate(set, set.spec.template));
      const failure = await podControl.carryOut(set, { create, remove: plan.remove });
      const status = replicaSetStatus(set, active, terminating, failure, clock.now());
      const next = withStatus(object, status);
      if (!sameCounts(set.status, view(next).status)) await client.resource(resource).updateStatus(next);
      if (failure !== undefined) throw failure.error;
      if (!isCurrent) return requeueAfter(recheckAfterMs);
      return nextAvailability(active, set.spec.minReadySeconds, clock.now());
    },
  };
}

/** Sorts the pods of the namespace for a set: pods to keep, to adopt and to release, and its terminating pods. */
function sortPods(set: ReplicaSet, pods: readonly Pod[]): { claim: Claim<Pod>; terminating: Pod[] } {
  const matcher = labelMatcher(set.spec.selector);
  const terminating = pods.filter((pod) => pod.metadata.deletionTimestamp !== undefined && !isPodTerminal(pod));
  return {
    claim: planClaim(set, matcher, pods.filter(isPodActive)),
    terminating: planClaim(set, matcher, terminating).keep,
  };
}

/** The changes of one reconciliation. */
export interface ReplicaSetPlan {
  create: number;
  remove: Pod[];
}

/**
 * Decides how many pods to create, or which to delete. Pure.
 * @param active the set's pods that have neither ended nor are being deleted
 * @param isCurrent whether `active` shows all earlier changes; if not, nothing may be done yet
 * @param related pods of sets with the same owner, to spread deletions over nodes
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

/** The status to report. Pure. */
export function replicaSetStatus(
  set: ReplicaSet,
  active: readonly Pod[],
  terminating: readonly Pod[],
  failure: PodControlFailure | undefined,
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
  failure: PodControlFailure | undefined,
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
      message: errorText(failure.error),
    },
  ];
}
