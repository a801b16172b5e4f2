/**
 * Taint eviction controller: deletes pods from nodes with a NoExecute taint that they do not tolerate, or do not tolerate any
 * longer.
 *
 * Owns: -.  Watches: Pod, Node.  Writes: Pod/status (DisruptionTarget), deletes Pods.
 * Source: kubernetes.io, Taints and tolerations; kubernetes `pkg/controller/tainteviction`.
 */
import { toNumber } from '#api/int64.ts';
import { keyOf, sameJson } from '#api/meta.ts';
import { executionEffects, tolerationOf } from '#api/pod/tolerations.ts';
import { isNotFound } from '#api/status.ts';
import type { Node, Pod, Taint } from '#api/types.generated.ts';
import type { Caches, Controller, ControllerDeps } from '#client/controller.ts';
import { done, requeueAfter } from '#client/controller.ts';
import { own } from '#client/controller-runner.ts';
import { creationMs } from './creation-order.ts';
import type { EvictionMonitor } from './monitors/node-monitor.ts';
import { markDisrupted } from './pod-disruption.ts';

/** Makes the taint eviction controller. */
export const taintEvictionController = (deps: ControllerDeps, monitor?: EvictionMonitor): Controller => {
  const { client, caches, clock, events } = deps;
  /**
   * When the taints of each pod's node were first seen, for taints without a time. The map also shows which evictions were
   * announced.
   */
  const taintedSince = new Map<string, number>();
  /** The UIDs of pods that were deleted, until the cache shows it. */
  const deleted = new Map<string, string>();
  return {
    name: 'taint-eviction',
    watches: [own('pods'), { resource: 'nodes', keys: podsOnNode }],
    concurrency: 8,

    async reconcile(key) {
      const pod = caches.cache('pods').get(key);
      if (pod === undefined || pod.metadata.deletionTimestamp !== undefined) {
        taintedSince.delete(key);
        deleted.delete(key);
        return done;
      }
      if (deleted.get(key) === pod.metadata.uid) return done;
      const taints = (caches.cache('nodes').get(pod.spec.nodeName ?? '')?.spec.taints ?? []).filter(({ effect }) =>
        executionEffects.has(effect),
      );
      const sinceMs = taintedSince.get(key) ?? clock.now();
      const atMs = evictionTimeMs(pod, taints, sinceMs);
      if (atMs === undefined) {
        if (taintedSince.delete(key)) events.event(pod, 'Normal', 'TaintManagerEviction', `Cancelling deletion of Pod ${key}`);
        return done;
      }
      taintedSince.set(key, sinceMs);
      if (atMs > clock.now()) return requeueAfter(atMs - clock.now());
      events.event(pod, 'Normal', 'TaintManagerEviction', `Marking for deletion Pod ${key}`);
      try {
        await markDisrupted(client, pod, 'DeletionByTaintManager', 'Taint manager: deleting due to NoExecute taint', clock.now());
        const { namespace, name, uid } = pod.metadata;
        await client.resource('pods').delete({ namespace, name }, { preconditions: { uid } });
        deleted.set(key, uid);
        monitor?.evicted((clock.now() - Math.max(atMs, sinceMs)) / 1000);
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
      return done;
    },
  };
};

/** The pods of a node whose taints have changed; a heartbeat changes nothing for them. */
function podsOnNode(node: Node, previous: Node | undefined, caches: Caches): string[] {
  if (previous !== undefined && sameJson(node.spec.taints ?? [], previous.spec.taints ?? [])) return [];
  return caches.cache('pods').onNode(node.metadata.name).map(keyOf);
}

/**
 * When the pod must be deleted, in milliseconds since the epoch: `-Infinity` (at once) for a taint that it does not tolerate, a
 * later time when it tolerates all for a while, undefined when it may stay. Pure.
 * @param sinceMs the time at which a taint without `timeAdded` counts as added
 */
export function evictionTimeMs(pod: Pod, taints: readonly Taint[], sinceMs: number): number | undefined {
  let atMs: number | undefined;
  for (const taint of taints) {
    const toleration = tolerationOf(pod.spec.tolerations, taint);
    if (toleration === undefined) return Number.NEGATIVE_INFINITY;
    if (toleration.tolerationSeconds === undefined) continue;
    const addedMs = taint.timeAdded === undefined ? sinceMs : Math.max(Date.parse(taint.timeAdded), creationMs(pod));
    const endMs = addedMs + Math.max(0, toNumber(toleration.tolerationSeconds)) * 1000;
    atMs = Math.min(atMs ?? endMs, endMs);
  }
  return atMs;
}
