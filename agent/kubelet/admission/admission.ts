/**
 * Whether this node can run a pod that is already bound to it, by the scheduler or by a client that set `nodeName`. Pure.
 *
 * Source: upstream `pkg/kubelet/lifecycle/predicate.go`, scheduler `AdmissionCheck` (reasons and messages).
 */

import { osLabel } from '#api/node-labels.ts';
import { memoryPressureTaint } from '#api/node-taints.ts';
import { ownValue } from '#api/own-value.ts';
import { isTerminalPhase } from '#api/pod/conditions.ts';
import { conflictsWith, hostPorts } from '#api/pod/host-ports.ts';
import { requiredNodeAffinity } from '#api/pod/node-selector.ts';
import { qosClass } from '#api/pod/qos.ts';
import { type Amounts, addAmounts, amountOf, amountsOf, podRequests } from '#api/pod/requests.ts';
import { executionEffects, tolerationOf, untoleratedTaint } from '#api/pod/tolerations.ts';
import type { Node, Pod } from '#api/types.generated.ts';
import { isStaticPod } from '../static/static-pod.ts';
import type { Rejection } from './rejection.ts';
import { forbiddenSysctl } from './sysctls.ts';

const outOf: Record<string, string> = {
  cpu: 'OutOfcpu',
  memory: 'OutOfmemory',
  'ephemeral-storage': 'OutOfephemeral-storage',
  pods: 'OutOfpods',
};

const predicate = (name: string, why: string): Rejection => ({ reason: name, message: `Predicate ${name} failed: ${why}` });
const insufficient = (name: string, requested: number, used: number, capacity: number): Rejection => ({
  reason: ownValue(outOf, name) ?? `OutOf${name}`,
  message: `Node didn't have enough resource: ${name}, requested: ${requested}, used: ${used}, capacity: ${capacity}`,
});

/**
 * Checks whether `node` can run the pod beside the others.
 * @param others the pods that use resources of the node already
 * @returns the reason for the rejection; undefined when the pod is admitted
 */
export function admitPod(pod: Pod, others: readonly Pod[], node: Node): Rejection | undefined {
  const os = pod.spec.nodeSelector?.[osLabel];
  if (os !== undefined && os !== node.metadata.labels?.[osLabel]) {
    return {
      reason: 'PodOSSelectorNodeLabelDoesNotMatch',
      message: "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label",
    };
  }
  if (pod.spec.os !== undefined && pod.spec.os.name !== 'linux') {
    return { reason: 'PodOSNotSupported', message: "Failed to admit pod as the OS field doesn't match node OS" };
  }
  const pressure = underPressure(pod, node);
  if (pressure !== undefined) return pressure;
  const active = others.filter((other) => other.metadata.uid !== pod.metadata.uid && !isTerminalPhase(other.status?.phase));
  return (
    forbiddenSysctl(pod) ??
    fits(pod, active, node) ??
    selected(pod, node) ??
    portsFree(pod, active) ??
    (isStaticPod(pod) ? undefined : tolerated(pod, node))
  );
}

/** Pods of this priority or higher are critical: they are admitted even when the node has too little of a resource. */
const criticalPriority = 2_000_000_000;
const memoryTaint = { key: memoryPressureTaint, effect: 'NoSchedule' };

function underPressure(pod: Pod, node: Node): Rejection | undefined {
  const pressures = (node.status?.conditions ?? [])
    .filter(({ type, status }) => ['MemoryPressure', 'DiskPressure', 'PIDPressure'].includes(type) && status === 'True')
    .map(({ type }) => type);
  if (pressures.length === 0 || isStaticPod(pod) || (pod.spec.priority ?? 0) >= criticalPriority) return undefined;
  const onlyMemory = pressures.length === 1 && pressures[0] === 'MemoryPressure';
  const mayUseMemory = qosClass(pod) !== 'BestEffort' || tolerationOf(pod.spec.tolerations, memoryTaint) !== undefined;
  if (onlyMemory && mayUseMemory) return undefined;
  return { reason: 'Evicted', message: `The node had condition: [${pressures.join(' ')}]. ` };
}

/** The resources that each pod counts with: the larger of its allocation and what its containers still have of an earlier allocation. */
const held = new WeakMap<Pod, Amounts>();

/**
 * The resources of the node that the pod uses. They are computed once per version of the pod, because each pending resize sums up all pods.
 * @param pod with its allocated resources
 */
export function heldBy(pod: Pod): Amounts {
  const known = held.get(pod) ?? podRequests(pod, { useStatus: true });
  held.set(pod, known);
  return known;
}

function fits(pod: Pod, others: readonly Pod[], node: Node): Rejection | undefined {
  const allocatable = amountsOf(node.status?.allocatable);
  const slots = amountOf(allocatable, 'pods');
  if (others.length + 1 > slots) return insufficient('pods', 1, others.length, slots);
  const used = others.reduce((sum, other) => addAmounts(sum, heldBy(other)), {} as Amounts);
  for (const [name, requested] of Object.entries(podRequests(pod))) {
    // The kubelet does not count resources that the node does not offer; scheduler extenders may.
    if (requested === 0 || (!Object.hasOwn(allocatable, name) && !Object.hasOwn(outOf, name))) continue;
    const capacity = amountOf(allocatable, name);
    if (requested > capacity - amountOf(used, name)) return insufficient(name, requested, amountOf(used, name), capacity);
  }
  return undefined;
}

function selected(pod: Pod, { metadata }: Node): Rejection | undefined {
  return requiredNodeAffinity(pod)({ name: metadata.name, labels: metadata.labels ?? {} })
    ? undefined
    : predicate('NodeAffinity', "node(s) didn't match Pod's node affinity/selector");
}

function portsFree(pod: Pod, others: readonly Pod[]): Rejection | undefined {
  return hostPorts(pod).some(conflictsWith(others.flatMap(hostPorts)))
    ? predicate('NodePorts', "node(s) didn't have free ports for the requested pod ports")
    : undefined;
}

const tolerated = (pod: Pod, node: Node): Rejection | undefined =>
  untoleratedTaint(node.spec.taints, pod.spec.tolerations, executionEffects) === undefined
    ? undefined
    : predicate('TaintToleration', "node(s) had taints that the pod didn't tolerate");
