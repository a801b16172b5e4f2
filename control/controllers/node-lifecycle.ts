/**
 * Node lifecycle controller: detects nodes without heartbeats, sets their conditions and taints, and removes their pods from
 * Services.
 *
 * Ready ──no heartbeat for the grace period──▶ Unknown ──▶ taints NoSchedule at once, NoExecute at the zone's rate
 * ▲                                           │         pods marked not ready
 * └──────────── a heartbeat ◀─────────────────┘         (and the taints are removed)
 *
 * Owns: -.  Watches: Node, Lease (kube-node-lease), Pod.  Writes: Node/status, Node (taints), Pod/status.
 * Source: kubernetes.io, Nodes; kubernetes `pkg/controller/nodelifecycle`.
 */

import { keyOf, nameToKey, rfc3339, sameJson } from '#api/meta.ts';
import { readyCondition } from '#api/node-conditions.ts';
import { isPodReady } from '#api/pod/conditions.ts';
import { isNotFound } from '#api/status.ts';
import type { Node, Pod, PodCondition } from '#api/types.generated.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done, requeueAfter } from '#client/controller.ts';
import { own, reads } from '#client/controller-runner.ts';
import type { Eviction, NodeHealth } from './node-health.ts';
import { evictionTaint, observeHealth, plannedTaints, silentConditions, zoneOf, zoneState } from './node-health.ts';

/** Configuration of the node lifecycle controller, by the names of upstream's flags. */
export interface NodeLifecycleOptions {
  /** `--node-monitor-period`. Default 5 s. */
  nodeMonitorPeriodMs?: number | undefined;
  /** `--node-monitor-grace-period`. Default 50 s. */
  nodeMonitorGracePeriodMs?: number | undefined;
  /** `--node-startup-grace-period`. Default 60 s. */
  nodeStartupGracePeriodMs?: number | undefined;
  /** `--node-eviction-rate`: how many nodes per second of a zone get the NoExecute taint. Default 0.1. */
  nodeEvictionRate?: number | undefined;
  /** `--secondary-node-eviction-rate`: the rate in a large zone with many unhealthy nodes. Default 0.01. */
  secondaryNodeEvictionRate?: number | undefined;
  /** `--large-cluster-size-threshold`. Default 50. */
  largeClusterSizeThreshold?: number | undefined;
  /** `--unhealthy-zone-threshold`. Default 0.55. */
  unhealthyZoneThreshold?: number | undefined;
}

const leaseNamespace = 'kube-node-lease';

/** Makes the node lifecycle controller. */
export const nodeLifecycleController = (deps: ControllerDeps, options: NodeLifecycleOptions = {}): Controller => {
  const { caches, clock, events } = deps;
  const periodMs = options.nodeMonitorPeriodMs ?? 5000;
  const limits = {
    gracePeriodMs: options.nodeMonitorGracePeriodMs ?? 50_000,
    startupGracePeriodMs: options.nodeStartupGracePeriodMs ?? 60_000,
  };
  const healths = new Map<string, { uid: string; health: NodeHealth }>();
  const eviction = evictionGate(options, limits.gracePeriodMs);
  return {
    name: 'node-lifecycle',
    watches: [own('nodes'), reads('leases.coordination.k8s.io'), reads('pods')],

    async reconcile(name) {
      const node = caches.cache('nodes').get(name);
      const known = healths.get(name);
      if (node === undefined) {
        healths.delete(name);
        if (known !== undefined) {
          const gone = { apiVersion: 'v1', kind: 'Node', name, uid: known.uid };
          events.event(gone, 'Normal', 'RemovingNode', `Node ${name} event: Removing Node ${name} from Controller`);
        }
        return done;
      }
      const isKnown = known?.uid === node.metadata.uid;
      if (!isKnown) events.event(node, 'Normal', 'RegisteredNode', `Node ${name} event: Registered Node ${name} in Controller`);
      const lease = caches.cache('leases.coordination.k8s.io').get(nameToKey({ namespace: leaseNamespace, name }));
      const health = observeHealth(isKnown ? known.health : undefined, node, lease, clock);
      healths.set(name, { uid: node.metadata.uid, health });
      const current = await markSilent(node, health, limits, deps);
      const failures = readyCondition(current)?.status === 'Unknown' ? await markPodsNotReady(current, deps) : [];
      await setTaints(current, eviction(current, caches.cache('nodes').list(), clock.monotonic()), deps);
      // Thrown after the taints are written: a pod that cannot be marked must not stop the eviction of the node's other pods.
      if (failures.length > 0)
        throw new AggregateError(failures, `node ${name}: ${failures.length} pods could not be marked not ready`);
      return requeueAfter(periodMs);
    },
  };
};

async function markSilent(
  node: Node,
  health: NodeHealth,
  limits: Parameters<typeof silentConditions>[2],
  { client, clock, events }: ControllerDeps,
): Promise<Node> {
  const conditions = silentConditions(node, clock.monotonic() - health.seenMs, limits, clock.now());
  if (conditions === undefined) return node;
  const updated = await client.resource('nodes').updateStatus({ ...node, status: { ...node.status, conditions } });
  if (readyCondition(node)?.status === 'True') {
    events.event(node, 'Normal', 'NodeNotReady', `Node ${node.metadata.name} status is now: NodeNotReady`);
  }
  return updated;
}

/**
 * Marks the pods of a failed node as not ready, so that Services send them no traffic. The kubelet cannot report that any more.
 * @returns the failures; all other pods are marked
 */
async function markPodsNotReady(node: Node, { client, caches, clock, events }: ControllerDeps): Promise<unknown[]> {
  const pods = caches.cache('pods').onNode(node.metadata.name);
  const results = await Promise.allSettled(
    pods.filter(isPodReady).map(async (pod) => {
      try {
        await client.resource('pods').updateStatus(notReady(pod, clock.now()));
        events.event(pod, 'Warning', 'NodeNotReady', 'Node is not ready');
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }),
  );
  return results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
}

function notReady(pod: Pod, nowMs: number): Pod {
  const conditions = (pod.status?.conditions ?? []).map(
    (one): PodCondition => (one.type === 'Ready' ? { ...one, status: 'False', lastTransitionTime: rfc3339(nowMs) } : one),
  );
  return { ...pod, status: { ...pod.status, conditions } };
}

async function setTaints(node: Node, eviction: Eviction, { client, clock }: ControllerDeps): Promise<void> {
  const taints = plannedTaints(node, eviction, clock.now());
  if (sameJson(taints, node.spec.taints ?? [])) return;
  const { name, resourceVersion } = node.metadata;
  // The patch has the resourceVersion, because it replaces the whole list and other clients write taints too.
  await client
    .resource('nodes')
    .patch(
      { name },
      { type: 'merge', body: { metadata: { resourceVersion }, spec: { taints: JSON.parse(JSON.stringify(taints)) } } },
    );
}

/**
 * Limits the evictions from failed nodes by a rate per zone. While no node of the cluster is ready, nothing is evicted, because
 * then the control plane is disconnected. After that, nodes get time to report again.
 */
function evictionGate(
  options: NodeLifecycleOptions,
  graceMs: number,
): (node: Node, all: readonly Node[], nowMs: number) => Eviction {
  const {
    nodeEvictionRate = 0.1,
    secondaryNodeEvictionRate = 0.01,
    largeClusterSizeThreshold = 50,
    unhealthyZoneThreshold = 0.55,
  } = options;
  const nextMs = new Map<string, number>();
  let cutOffMs = Number.NEGATIVE_INFINITY;
  return (node, all, nowMs) => {
    if (evictionTaint(node) === undefined) return 'later';
    // The cache may not show yet what was just written about this node.
    const nodes = all.map((one) => (keyOf(one) === keyOf(node) ? node : one));
    if (nodes.every((one) => readyCondition(one)?.status !== 'True')) {
      cutOffMs = nowMs;
      return 'never';
    }
    if (nowMs < cutOffMs + graceMs) return 'later';
    const zone = nodes.filter((one) => zoneOf(one) === zoneOf(node));
    const isPartial = zoneState(zone, unhealthyZoneThreshold) === 'PartialDisruption';
    const rate = !isPartial ? nodeEvictionRate : zone.length > largeClusterSizeThreshold ? secondaryNodeEvictionRate : 0;
    if (rate <= 0 || hasEvictionTaint(node) || nowMs < (nextMs.get(zoneOf(node)) ?? 0)) return 'later';
    nextMs.set(zoneOf(node), nowMs + 1000 / rate);
    return 'now';
  };
}

function hasEvictionTaint(node: Node): boolean {
  const key = evictionTaint(node);
  return (node.spec.taints ?? []).some((taint) => taint.effect === 'NoExecute' && taint.key === key);
}
