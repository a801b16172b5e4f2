/**
 * Pod garbage collector: deletes pods that nothing else deletes. Their node does not exist any more; they are terminating and
 * have no node; their node is out of service; or they have ended and exceed the number to keep.
 *
 * Owns: -.  Watches: Pod, Node.  Writes: Pod/status, deletes Pods.  The key {@link surplusKey} stands for all ended pods, any other is a pod.
 * Source: kubernetes `pkg/controller/podgc`; KEP-2268 (out-of-service taint).
 */

import { keyOf } from '#api/meta.ts';
import { readyCondition } from '#api/node-conditions.ts';
import { outOfServiceTaint } from '#api/node-taints.ts';
import { isPodTerminal } from '#api/pod/conditions.ts';
import { isNotFound } from '#api/status.ts';
import type { Node, Pod } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import type { Controller, ControllerDeps, ReconcileResult } from '#client/controller.ts';
import { done, requeueAfter } from '#client/controller.ts';
import { creationMs } from './creation-order.ts';
import type { NodeMonitor } from './monitors/node-monitor.ts';
import { markDisrupted, patchPodStatus } from './pod-disruption.ts';

/** Time to wait before the pods of a missing Node are deleted: the Node may be registering again. */
const quarantineMs = 40_000;

/** The pods that have ended are counted under this key. A pod's key has a slash. */
const surplusKey = 'surplus';
/** How often they are counted at most (upstream's `gcCheckPeriod`): all of them are sorted each time. */
const surplusIntervalMs = 20_000;

/** Configuration of the pod garbage collector. */
export interface PodGcOptions {
  /** `--terminated-pod-gc-threshold`: how many ended pods are kept. Default 12500. Zero or negative: all are kept. */
  terminatedPodGcThreshold?: number | undefined;
}

/** Makes the pod garbage collector. */
export const podGcController = (
  deps: ControllerDeps,
  { terminatedPodGcThreshold = 12_500 }: PodGcOptions = {},
  monitor?: Pick<NodeMonitor, 'collected'>,
): Controller => {
  const { client, caches, clock } = deps;
  const nodeGoneSince = new Map<string, number>();
  /** The keys of pods that have ended, so that not all pods are searched for each one. */
  const ended = new Set<string>();
  const isBeyond = (count: number): boolean => terminatedPodGcThreshold > 0 && count > terminatedPodGcThreshold;
  let countedMs = Number.NEGATIVE_INFINITY;

  /** Deletes the oldest of the pods that have ended, down to the threshold. */
  async function collectSurplus(): Promise<ReconcileResult> {
    const remainingMs = countedMs + surplusIntervalMs - clock.monotonic();
    if (remainingMs > 0) return requeueAfter(remainingMs);
    countedMs = clock.monotonic();
    const pods = [...ended].flatMap((key) => caches.cache('pods').get(key) ?? []);
    if (!isBeyond(pods.length)) return done;
    for (const pod of oldest(pods, pods.length - terminatedPodGcThreshold)) await collect(pod, 'terminated', deps, monitor);
    return done;
  }

  return {
    name: 'pod-gc',
    watches: [
      {
        resource: 'pods',
        keys: (pod, _, all) => {
          const key = keyOf(pod);
          const cached = all.cache('pods').get(key);
          if (cached !== undefined && isPodTerminal(cached)) ended.add(key);
          else ended.delete(key);
          return isBeyond(ended.size) ? [key, surplusKey] : [key];
        },
      },
      {
        resource: 'nodes',
        // A heartbeat changes nothing for the pods.
        keys: (node, previous, all) =>
          previous !== undefined && isOut(node) === isOut(previous)
            ? []
            : all.cache('pods').onNode(node.metadata.name).map(keyOf),
      },
    ],

    async reconcile(key) {
      if (key === surplusKey) return await collectSurplus();
      const pod = caches.cache('pods').get(key);
      if (pod === undefined) return done;
      const nodeName = pod.spec.nodeName ?? '';
      const node = caches.cache('nodes').get(nodeName);
      if (nodeName !== '' && node === undefined) {
        const sinceMs = nodeGoneSince.get(nodeName) ?? clock.monotonic();
        nodeGoneSince.set(nodeName, sinceMs);
        const remainingMs = sinceMs + quarantineMs - clock.monotonic();
        if (remainingMs > 0) return requeueAfter(remainingMs);
        if (await nodeExists(client, nodeName)) return done;
      } else nodeGoneSince.delete(nodeName);
      const reason = collectReason(pod, node);
      if (reason !== undefined) await collect(pod, reason, deps, monitor);
      return done;
    },
  };
};

/** Why a pod is deleted. */
export type CollectReason = 'orphaned' | 'unscheduled' | 'outOfService' | 'terminated';

/** The reasons as label values of metrics. */
const metricReasons: Readonly<Record<CollectReason, string>> = {
  orphaned: 'orphaned',
  unscheduled: 'unscheduled',
  outOfService: 'out-of-service',
  terminated: 'terminated',
};

/** The reason to force-delete a pod on its own; undefined when it must not be deleted. @param node undefined when it does not exist */
function collectReason(pod: Pod, node: Node | undefined): Exclude<CollectReason, 'terminated'> | undefined {
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  if ((pod.spec.nodeName ?? '') === '') return terminating ? 'unscheduled' : undefined;
  if (node === undefined) return 'orphaned';
  if (terminating && isOut(node)) return 'outOfService';
  return undefined;
}

/** Whether an operator has declared the node out of service, and it is not ready. */
const isOut = (node: Node): boolean =>
  readyCondition(node)?.status !== 'True' && (node.spec.taints ?? []).some(({ key }) => key === outOfServiceTaint);

const oldest = (pods: readonly Pod[], count: number): Pod[] =>
  pods
    .map((pod) => ({ pod, createdMs: creationMs(pod) }))
    .sort((a, b) => a.createdMs - b.createdMs)
    .slice(0, count)
    .map(({ pod }) => pod);

async function nodeExists(client: Client, name: string): Promise<boolean> {
  try {
    await client.resource('nodes').get({ name });
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

async function collect(
  pod: Pod,
  reason: CollectReason,
  { client, clock, log }: ControllerDeps,
  monitor: Pick<NodeMonitor, 'collected'> | undefined,
): Promise<void> {
  const { namespace, name, uid } = pod.metadata;
  log.info({ pod: `${namespace}/${name}`, reason }, 'deleting a pod that nobody else would');
  try {
    // No kubelet can report any more that the pod has ended.
    if (!isPodTerminal(pod)) await fail(client, pod, reason, clock.now());
    await client.resource('pods').delete({ namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid } });
    monitor?.collected(pod, metricReasons[reason]);
  } catch (error) {
    if (isNotFound(error)) return;
    monitor?.collected(pod, metricReasons[reason], error);
    throw error;
  }
}

/**
 * Sets the phase Failed. The condition DisruptionTarget is added only when the node no longer exists: only then the cause of the
 * disruption is known.
 */
function fail(client: Client, pod: Pod, reason: CollectReason, nowMs: number): Promise<void> {
  return reason === 'orphaned'
    ? markDisrupted(client, pod, 'DeletionByPodGC', 'PodGC: node no longer exists', nowMs, true)
    : patchPodStatus(client, pod, { phase: 'Failed' });
}
