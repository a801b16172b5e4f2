/**
 * Whether the node has room for a resize, and the order of pending resizes. Pure.
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
 * Why the node cannot grant the resources of the pod's spec. `Deferred`: other pods use them now. `Infeasible`: the node is too small.
 * Undefined: it can grant them. The API server refuses infeasible resizes already (admission plugin PodResizeValidator), so this case needs
 * the plugin to be disabled or the node to have shrunk.
 * @param others with their allocated resources
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
 * Compares two pods by the urgency of their resizes: first those that do not request more, then higher priority, then Guaranteed pods, then
 * the longer wait.
 * @param sinceMs since when the pod's resize has been pending, in ms since the epoch
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
