/**
 * Whether the node has room for a resize, and which of those that wait comes first. Pure.
 *
 * Source: upstream `pkg/kubelet/allocation` (canAdmitPod, sortPendingResizes).
 */
import { qosClass } from '#api/pod/qos.ts';
import { amountOf, amountsOf, podRequests } from '#api/pod/requests.ts';
import type { Node, Pod } from '#api/types.generated.ts';
import { admitPod } from '../admission/admission.ts';
import type { Rejection } from '../admission/rejection.ts';
import { asksForMore } from './pod-allocation.ts';

/**
 * Why the pod cannot have what its spec asks for: `Deferred`, others hold it; `Infeasible`, the node does not have as much. undefined: it can.
 * Upstream's API server refuses what is infeasible (PodResizeValidator), and so does ours; it comes here only where that is off, or
 * the node has become smaller.
 * @param others as they were promised
 */
export function resizeProblem(pod: Pod, others: readonly Pod[], node: Node): Rejection | undefined {
  const [requests, allocatable] = [podRequests({ spec: pod.spec }), amountsOf(node.status?.allocatable)];
  for (const name of ['cpu', 'memory']) {
    const [requested, capacity] = [amountOf(requests, name), amountOf(allocatable, name)];
    if (requested <= capacity) continue;
    const message = `Node didn't have enough capacity: ${name}, requested: ${requested}, capacity: ${capacity}`;
    return { reason: 'Infeasible', message };
  }
  const rejection = admitPod(pod, others, node);
  return rejection === undefined ? undefined : { reason: 'Deferred', message: rejection.message };
}

/**
 * The order among resizes: those that ask for no more, then the higher priority, then guaranteed pods, then who waits longer.
 * @param sinceMs when the pod's resize began to wait
 */
export function byUrgency(allocated: (pod: Pod) => Pod, sinceMs: (pod: Pod) => number): (a: Pod, b: Pod) => number {
  const rank = (pod: Pod): readonly number[] => [
    asksForMore(pod, allocated(pod)) ? 1 : 0,
    -(pod.spec.priority ?? 0),
    qosClass(pod) === 'Guaranteed' ? 0 : 1,
    sinceMs(pod),
  ];
  return (a, b) => {
    const [left, right] = [rank(a), rank(b)];
    const index = left.findIndex((value, place) => value !== right[place]);
    return index < 0 ? 0 : (left[index] ?? 0) - (right[index] ?? 0);
  };
}
