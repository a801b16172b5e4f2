/**
 * Whether a node is alive, by its Lease and its status, and what follows for its conditions and taints. All pure.
 *
 * Source: kubernetes `pkg/controller/nodelifecycle/node_lifecycle_controller.go`; KEP-589 (node Leases).
 */

import { rfc3339, sameJson } from '#api/meta.ts';
import { regionLabel, zoneLabel } from '#api/node-labels.ts';
import type { Lease, Node, NodeCondition, Taint } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';

export const notReadyTaint = 'node.kubernetes.io/not-ready';
export const unreachableTaint = 'node.kubernetes.io/unreachable';

/** When the node last gave a sign of life, on this process's monotonic clock; clocks of nodes do not matter. */
export interface NodeHealth {
  /** What was seen then: a change of either is a sign of life. */
  heartbeat: string;
  renewTime: string;
  seenMs: number;
}

const lifeConditions = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'] as const;

export const readyCondition = (node: Node): NodeCondition | undefined =>
  node.status?.conditions?.find(({ type }) => type === 'Ready');

/** `previous` moved on by what node and lease show now. */
export function observeHealth(
  previous: NodeHealth | undefined,
  node: Node,
  lease: Lease | undefined,
  clock: Pick<Clock, 'now' | 'monotonic'>,
): NodeHealth {
  const ready = readyCondition(node);
  // What this controller wrote itself is no sign of life: a heartbeat time comes from the kubelet alone.
  const heartbeat = ready?.lastHeartbeatTime ?? '';
  const renewTime = lease?.spec?.renewTime ?? '';
  if (previous === undefined) {
    // A node that never reported is judged from its creation on.
    const ageMs = ready === undefined ? Math.max(0, clock.now() - Date.parse(node.metadata.creationTimestamp)) : 0;
    return { heartbeat, renewTime, seenMs: clock.monotonic() - ageMs };
  }
  const isAlive = heartbeat !== previous.heartbeat || renewTime > previous.renewTime;
  return isAlive ? { heartbeat, renewTime, seenMs: clock.monotonic() } : previous;
}

export interface HealthLimits {
  gracePeriodMs: number;
  /** For a node that has never reported a status. */
  startupGracePeriodMs: number;
}

/** The conditions of a node that has been silent for so long; undefined where nothing has to change. */
export function silentConditions(node: Node, silentMs: number, limits: HealthLimits, nowMs: number): NodeCondition[] | undefined {
  const graceMs = readyCondition(node) === undefined ? limits.startupGracePeriodMs : limits.gracePeriodMs;
  if (silentMs <= graceMs) return undefined;
  const conditions = node.status?.conditions ?? [];
  const now = rfc3339(nowMs);
  const next = conditions.map((one): NodeCondition => {
    if (!(lifeConditions as readonly string[]).includes(one.type) || one.status === 'Unknown') return one;
    return {
      ...one,
      status: 'Unknown',
      reason: 'NodeStatusUnknown',
      message: 'Kubelet stopped posting node status.',
      lastTransitionTime: now,
    };
  });
  for (const type of lifeConditions) {
    if (conditions.some((one) => one.type === type)) continue;
    next.push({
      type,
      status: 'Unknown',
      reason: 'NodeStatusNeverUpdated',
      message: 'Kubelet never posted node status.',
      lastHeartbeatTime: node.metadata.creationTimestamp,
      lastTransitionTime: now,
    });
  }
  return sameJson(next, conditions) ? undefined : next;
}

/** The taints that keep new pods away, by condition type and status. */
const conditionTaints: Record<string, Record<string, string>> = {
  Ready: { False: notReadyTaint, Unknown: unreachableTaint },
  MemoryPressure: { True: 'node.kubernetes.io/memory-pressure' },
  DiskPressure: { True: 'node.kubernetes.io/disk-pressure' },
  NetworkUnavailable: { True: 'node.kubernetes.io/network-unavailable' },
  PIDPressure: { True: 'node.kubernetes.io/pid-pressure' },
};
const unschedulableTaint = 'node.kubernetes.io/unschedulable';

/** Whether running pods may be driven off a failed node now, have to wait for their turn, or may not be at all. */
export type Eviction = 'now' | 'later' | 'never';

/** The node's taints as they should be: NoSchedule by its conditions, NoExecute as `eviction` allows. */
export function plannedTaints(node: Node, eviction: Eviction, nowMs: number): Taint[] {
  const wanted = new Set<string>();
  for (const { type, status } of node.status?.conditions ?? []) {
    const key = conditionTaints[type]?.[status];
    if (key !== undefined) wanted.add(`${key}:NoSchedule`);
  }
  if (node.spec.unschedulable === true) wanted.add(`${unschedulableTaint}:NoSchedule`);
  const unfit = evictionTaint(node);
  const present = node.spec.taints ?? [];
  // A changed cause (not ready, then unreachable) is exchanged at once: the pods are being driven off already.
  const isEvicting = present.some(
    ({ key, effect }) => effect === 'NoExecute' && (key === notReadyTaint || key === unreachableTaint),
  );
  if (unfit !== undefined && (eviction === 'now' || (eviction === 'later' && isEvicting))) wanted.add(`${unfit}:NoExecute`);
  const kept = present.filter((taint) => !isOurs(taint) || wanted.delete(idOf(taint)));
  const added = [...wanted].map((id): Taint => {
    const [key = '', effect = ''] = id.split(':');
    return { key, effect, timeAdded: rfc3339(nowMs) };
  });
  return [...kept, ...added];
}

const idOf = ({ key, effect }: Taint): string => `${key}:${effect}`;

function isOurs({ key, effect }: Taint): boolean {
  if (effect === 'NoExecute') return key === notReadyTaint || key === unreachableTaint;
  const keys = Object.values(conditionTaints).flatMap((byStatus) => Object.values(byStatus));
  return effect === 'NoSchedule' && (keys.includes(key) || key === unschedulableTaint);
}

/** The key of the NoExecute taint that the node's state calls for; undefined for a ready node. */
export function evictionTaint(node: Node): string | undefined {
  const status = readyCondition(node)?.status;
  return status === undefined ? undefined : conditionTaints['Ready']?.[status];
}

export type ZoneState = 'Normal' | 'PartialDisruption' | 'FullDisruption';

/** Whether so many nodes of a zone fail that the cause is rather the network, or the control plane's own, than the nodes. */
export function zoneState(nodes: readonly Node[], unhealthyThreshold: number): ZoneState {
  const ready = nodes.filter((node) => readyCondition(node)?.status === 'True').length;
  const notReady = nodes.length - ready;
  if (ready === 0 && notReady > 0) return 'FullDisruption';
  return notReady > 2 && notReady / nodes.length >= unhealthyThreshold ? 'PartialDisruption' : 'Normal';
}

/** `region:\0:zone`, or the same for all nodes of a cluster without zones. */
export function zoneOf({ metadata: { labels } }: Node): string {
  return `${labels?.[regionLabel] ?? ''}:\0:${labels?.[zoneLabel] ?? ''}`;
}
