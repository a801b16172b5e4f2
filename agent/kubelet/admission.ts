/**
 * Whether this node takes a pod: the last check, after the scheduler's or whoever bound it. Pure.
 *
 * Source: upstream `pkg/kubelet/lifecycle/predicate.go`, scheduler `AdmissionCheck` (reasons and messages).
 */
import type { Quantity } from '#api/json.ts';
import type { Node, NodeSelectorRequirement, NodeSelectorTerm, Pod, Taint, Toleration } from '#api/types.generated.ts';
import { initContainers, isSidecar, isTerminalPhase } from './pod-spec.ts';
import { milliUnits, wholeUnits } from './quantities.ts';
import type { Rejection } from './rejection.ts';
import { podRequest, podRequests } from './resources.ts';
import { forbiddenSysctl } from './sysctls.ts';

const outOf: Record<string, string> = {
  cpu: 'OutOfcpu',
  memory: 'OutOfmemory',
  'ephemeral-storage': 'OutOfephemeral-storage',
  pods: 'OutOfpods',
};

const predicate = (name: string, why: string): Rejection => ({ reason: name, message: `Predicate ${name} failed: ${why}` });
const insufficient = (name: string, requested: number, used: number, capacity: number): Rejection => ({
  reason: outOf[name] ?? `OutOf${name}`,
  message: `Node didn't have enough resource: ${name}, requested: ${requested}, used: ${used}, capacity: ${capacity}`,
});

/** @returns why not; undefined: the pod is taken */
export function admitPod(pod: Pod, others: readonly Pod[], node: Node): Rejection | undefined {
  const os = pod.spec.nodeSelector?.['kubernetes.io/os'];
  if (os !== undefined && os !== node.metadata.labels?.['kubernetes.io/os']) {
    return {
      reason: 'PodOSSelectorNodeLabelDoesNotMatch',
      message: "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label",
    };
  }
  if (pod.spec.os !== undefined && pod.spec.os.name !== 'linux') {
    return { reason: 'PodOSNotSupported', message: "Failed to admit pod as the OS field doesn't match node OS" };
  }
  const active = others.filter((other) => other.metadata.uid !== pod.metadata.uid && !isTerminalPhase(other.status?.phase));
  return forbiddenSysctl(pod) ?? fits(pod, active, node) ?? selected(pod, node) ?? portsFree(pod, active) ?? tolerated(pod, node);
}

function fits(pod: Pod, others: readonly Pod[], node: Node): Rejection | undefined {
  const allocatable: Record<string, Quantity | undefined> = node.status?.allocatable ?? {};
  const slots = wholeUnits(allocatable['pods']);
  if (others.length + 1 > slots) return insufficient('pods', 1, others.length, slots);
  for (const [name, requested] of podRequests(pod)) {
    const capacity = allocatable[name];
    // Resources that the node does not know are others' to account for.
    if (requested === 0 || (capacity === undefined && !(name in outOf))) continue;
    const has = name === 'cpu' ? milliUnits(capacity) : wholeUnits(capacity);
    const used = others.reduce((sum, other) => sum + podRequest(other, name), 0);
    if (requested > has - used) return insufficient(name, requested, used, has);
  }
  return undefined;
}

function requirementMatches(
  { key, operator, values = [] }: NodeSelectorRequirement,
  labels: Readonly<Record<string, string>>,
): boolean {
  const value = labels[key];
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
      return value !== undefined && Number(value) > Number(values[0]);
    case 'Lt':
      return value !== undefined && Number(value) < Number(values[0]);
    default:
      return false;
  }
}

const termMatches = ({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, node: Node): boolean =>
  matchExpressions.length + matchFields.length > 0 &&
  matchExpressions.every((requirement) => requirementMatches(requirement, node.metadata.labels ?? {})) &&
  matchFields.every((requirement) => requirementMatches(requirement, { 'metadata.name': node.metadata.name }));

function selected(pod: Pod, node: Node): Rejection | undefined {
  const labels = node.metadata.labels ?? {};
  const terms = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  const matches =
    Object.entries(pod.spec.nodeSelector ?? {}).every(([key, value]) => labels[key] === value) &&
    (terms === undefined || terms.some((term) => termMatches(term, node)));
  return matches ? undefined : predicate('NodeAffinity', "node(s) didn't match Pod's node affinity/selector");
}

interface HostPort {
  ip: string;
  protocol: string;
  port: number;
}

function hostPorts(pod: Pod): HostPort[] {
  return [...initContainers(pod).filter(isSidecar), ...pod.spec.containers].flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort, hostIP, protocol = 'TCP' }) =>
      hostPort === undefined || hostPort === 0
        ? []
        : [{ port: hostPort, protocol, ip: hostIP === undefined || hostIP === '' ? '0.0.0.0' : hostIP }],
    ),
  );
}

const collide = (a: HostPort, b: HostPort): boolean =>
  a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === '0.0.0.0' || b.ip === '0.0.0.0');

function portsFree(pod: Pod, others: readonly Pod[]): Rejection | undefined {
  const taken = others.flatMap(hostPorts);
  return hostPorts(pod).some((wanted) => taken.some((one) => collide(wanted, one)))
    ? predicate('NodePorts', "node(s) didn't have free ports for the requested pod ports")
    : undefined;
}

const tolerates = ({ key, operator = 'Equal', value = '', effect }: Toleration, taint: Taint): boolean =>
  (effect === undefined || effect === '' || effect === taint.effect) &&
  (key === undefined || key === ''
    ? operator === 'Exists'
    : key === taint.key && (operator === 'Exists' || value === (taint.value ?? '')));

function tolerated(pod: Pod, node: Node): Rejection | undefined {
  const taints = (node.spec.taints ?? []).filter(({ effect }) => effect === 'NoExecute');
  const all = taints.every((taint) => (pod.spec.tolerations ?? []).some((toleration) => tolerates(toleration, taint)));
  return all ? undefined : predicate('TaintToleration', "node(s) had taints that the pod didn't tolerate");
}
