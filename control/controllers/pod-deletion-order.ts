/**
 * The order in which a set deletes its pods when it is scaled down.
 *
 * Source: kubernetes `pkg/controller/controller_utils.go` (ActivePodsWithRanks); KEP-2255 pod-deletion-cost; KEP-2185 logarithmic
 * scale-down, which treats pods of about the same age as equal, so that not always the newest one (and its zone) is chosen.
 */
import { podDeletionCostAnnotation } from '#api/pod/annotations.ts';
import { isPodActive, isPodReady, podCondition } from '#api/pod/conditions.ts';
import type { Pod } from '#api/types.generated.ts';
import { creationMs } from './creation-order.ts';

/**
 * Sorts `pods`: the one to delete first comes first. @param related pods of the same application; a pod on a node with many of
 * them comes earlier
 */
export function inDeletionOrder(pods: readonly Pod[], related: readonly Pod[], nowMs: number): Pod[] {
  const onNode = new Map<string, number>();
  for (const pod of related.filter(isPodActive)) onNode.set(nodeOf(pod), (onNode.get(nodeOf(pod)) ?? 0) + 1);
  const crowding = (pod: Pod): number => onNode.get(nodeOf(pod)) ?? 0;
  return [...pods].sort(
    (a, b) =>
      first(nodeOf(a) === '', nodeOf(b) === '') ||
      phaseRank(a) - phaseRank(b) ||
      first(!isPodReady(a), !isPodReady(b)) ||
      deletionCost(a) - deletionCost(b) ||
      crowding(b) - crowding(a) ||
      byAge(a, b, readyMs, nowMs) ||
      restarts(b) - restarts(a) ||
      byAge(a, b, creationMs, nowMs),
  );
}

const nodeOf = (pod: Pod): string => pod.spec.nodeName ?? '';
const first = (a: boolean, b: boolean): number => Number(b) - Number(a);

function phaseRank(pod: Pod): number {
  const rank = ['Pending', 'Unknown', 'Running'].indexOf(pod.status?.phase ?? '');
  return rank < 0 ? 0 : rank;
}

function deletionCost(pod: Pod): number {
  const text = pod.metadata.annotations?.[podDeletionCostAnnotation] ?? '0';
  // The cost is an int32, as in upstream. Any other text counts as 0.
  const cost = /^(0|-?[1-9]\d{0,9})$/.test(text) ? Number(text) : 0;
  return (cost | 0) === cost ? cost : 0;
}

const readyMs = (pod: Pod): number =>
  isPodReady(pod) ? Date.parse(podCondition(pod, 'Ready')?.lastTransitionTime ?? '') || 0 : 0;

const restarts = (pod: Pod): number => Math.max(0, ...(pod.status?.containerStatuses ?? []).map((status) => status.restartCount));

function byAge(a: Pod, b: Pod, timeMs: (pod: Pod) => number, nowMs: number): number {
  const [atA, atB] = [timeMs(a), timeMs(b)];
  if (atA === atB) return 0;
  // Pods without a time come first. Then the younger ones, compared by powers of two. With the same power the UID decides, which
  // is as good as random.
  if (atA === 0 || atB === 0) return atA - atB;
  const power = (ms: number): number => (nowMs > ms ? Math.floor(Math.log2((nowMs - ms) * 1e6)) : -1);
  return power(atA) - power(atB) || (a.metadata.uid < b.metadata.uid ? -1 : 1);
}
