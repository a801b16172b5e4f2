/**
 * Decides from a node's Lease and status whether it is healthy, and which conditions and taints follow. Pure.
 *
 * Source: kubernetes `pkg/controller/nodelifecycle/node_lifecycle_controller.go`; KEP-589 (node Leases).
 */

import { rfc3339, sameJson } from '#api/meta.ts';
import { readyCondition } from '#api/node-conditions.ts';
import { regionLabel, zoneLabel } from '#api/node-labels.ts';
import {
  diskPressureTaint,
  memoryPressureTaint,
  networkUnavailableTaint,
  notReadyTaint,
  pidPressureTaint,
  unreachableTaint,
  unschedulableTaint,
} from '#api/node-taints.ts';
import type { Lease, Node, NodeCondition, Taint } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';

/** The time of the node's last heartbeat, on this process's monotonic clock. The clocks of nodes do not matter. */
export interface NodeHealth {
  /** The heartbeat time and the Lease at that time. A change of one of them is a new heartbeat. */
  heartbeat: string;
  renewTime: string;
  seenMs: number;
}

const lifeConditions = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'] as const;

/** The health after the present state of the node and its Lease was observed. `previous` is the health before. */
export function observeHealth(
  previous: NodeHealth | undefined,
  node: Node,
  lease: Lease | undefined,
  clock: Pick<Clock, 'now' | 'monotonic'>,
): NodeHealth {
  const ready = readyCondition(node);
  // Only the kubelet writes the heartbeat time, so a change that this controller has made itself does not count.
  const heartbeat = ready?.lastHeartbeatTime ?? '';
  const renewTime = lease?.spec?.renewTime ?? '';
  if (previous === undefined) {
    // For a node that has never reported a status, the time counts from its creation.
    const ageMs = ready === undefined ? Math.max(0, clock.now() - Date.parse(node.metadata.creationTimestamp)) : 0;
    return { heartbeat, renewTime, seenMs: clock.monotonic() - ageMs };
  }
  const isAlive = heartbeat !== previous.heartbeat || renewTime !== previous.renewTime;
  return isAlive ? { heartbeat, renewTime, seenMs: clock.monotonic() } : previous;
}

/** The times after which a node counts as failed. */
export interface HealthLimits {
  gracePeriodMs: number;
  /** For a node that has never reported a status. */
  startupGracePeriodMs: number;
}

/** The conditions of a node without a heartbeat for `silentMs`. Undefined when nothing has to change. */
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

/** The NoSchedule taints, by condition type and status. */
const conditionTaints: Record<string, Record<string, string>> = {
  Ready: { False: notReadyTaint, Unknown: unreachableTaint },
  MemoryPressure: { True: memoryPressureTaint },
  DiskPressure: { True: diskPressureTaint },
  NetworkUnavailable: { True: networkUnavailableTaint },
  PIDPressure: { True: pidPressureTaint },
};

/** Whether the running pods of a failed node may be evicted now, must wait because of the zone's rate, or must not be evicted. */
export type Eviction = 'now' | 'later' | 'never';

/** The taints that the node should have: NoSchedule taints by its conditions, NoExecute taints as `eviction` allows. */
export function plannedTaints(node: Node, eviction: Eviction, nowMs: number): Taint[] {
  const wanted = new Set<string>();
  for (const { type, status } of node.status?.conditions ?? []) {
    const key = conditionTaints[type]?.[status];
    if (key !== undefined) wanted.add(`${key}:NoSchedule`);
  }
  if (node.spec.unschedulable === true) wanted.add(`${unschedulableTaint}:NoSchedule`);
  const unfit = evictionTaint(node);
  const present = node.spec.taints ?? [];
  // When the cause changes (not ready, then unreachable), the taint is replaced at once, because the pods are being evicted
  // already.
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

/** The key of the NoExecute taint for the node's state; undefined for a ready node. */
export function evictionTaint(node: Node): string | undefined {
  const status = readyCondition(node)?.status;
  return status === undefined ? undefined : conditionTaints['Ready']?.[status];
}

/** The state of a zone, which limits evictions in it. */
export type ZoneState = 'Normal' | 'PartialDisruption' | 'FullDisruption';

/**
 * Classifies a zone by the number of failed nodes. When many fail, the cause is probably the network or the control plane, not
 * the nodes.
 */
export function zoneState(nodes: readonly Node[], unhealthyThreshold: number): ZoneState {
  const ready = nodes.filter((node) => readyCondition(node)?.status === 'True').length;
  const notReady = nodes.length - ready;
  if (ready === 0 && notReady > 0) return 'FullDisruption';
  return notReady > 2 && notReady / nodes.length >= unhealthyThreshold ? 'PartialDisruption' : 'Normal';
}

/** The zone's name, `region:\0:zone`. All nodes of a cluster without zones have the same. */
export function zoneOf({ metadata: { labels } }: Node): string {
  return `${labels?.[regionLabel] ?? ''}:\0:${labels?.[zoneLabel] ?? ''}`;
}
