/** A node with its pods and the sums that plugins need. Immutable: adding or removing a pod makes a new one. */
import { toNumber } from '#api/int64.ts';
import { setOwn } from '#api/own-value.ts';
import { type Amounts, amountOf, amountsOf } from '#api/pod/requests.ts';
import type { Container, Node, Pod } from '#api/types.generated.ts';
import { podResources } from './resources.ts';

/** A node and its pods. Source: upstream `pkg/scheduler/framework/types.go` (NodeInfo). */
export interface NodeInfo {
  readonly name: string;
  readonly node: Node;
  readonly labels: Readonly<Record<string, string>>;
  /** Pods that are assigned to the node or assumed there, and have not ended. */
  readonly pods: readonly Pod[];
  /** Those of the pods that have affinity or anti-affinity to other pods. */
  readonly podsWithAffinity: readonly Pod[];
  /** Those of the pods that have host ports. */
  readonly podsWithPorts: readonly Pod[];
  /** What the node offers to pods (`status.allocatable`). */
  readonly allocatable: Amounts;
  /** The sum of the pods' requests. */
  readonly requested: Amounts;
  /** The same sum, with a small request for containers that have none (for scores). */
  readonly nonZeroRequested: Amounts;
  /** How many pods the node may have (`status.allocatable.pods`). */
  readonly allowedPods: number;
  /** The amounts of {@link allocatable} and {@link requested} that nearly every pod asks for, to be read without a look-up. */
  readonly cpu: number;
  readonly memory: number;
  readonly usedCpu: number;
  readonly usedMemory: number;
  /** Those of {@link nonZeroRequested}. */
  readonly nonZeroCpu: number;
  readonly nonZeroMemory: number;
  /** Size in bytes by image name, as the kubelet reports it. */
  readonly images: ReadonlyMap<string, number>;
}

/** The parts that depend on the Node alone. */
type NodePart = Pick<NodeInfo, 'name' | 'node' | 'labels' | 'allocatable' | 'allowedPods' | 'cpu' | 'memory' | 'images'>;

/** Makes the info of a node with its pods. @throws Error when the node or a pod cannot be read */
export function nodeInfo(node: Node, pods: readonly Pod[]): NodeInfo {
  return assemble(
    nodePart(node),
    pods,
    pods.filter(hasPodAffinity),
    pods.filter(hasHostPorts),
    sum({}, pods, 'requested', 1),
    sum({}, pods, 'nonZero', 1),
  );
}

/** The amounts with those of pods added, or with `sign` -1 subtracted. */
function sum(before: Amounts, pods: readonly Pod[], which: 'requested' | 'nonZero', sign: 1 | -1): Amounts {
  const after: Record<string, number> = { ...before };
  for (const pod of pods) {
    const amounts = podResources(pod)[which];
    for (const name of Object.keys(amounts)) setOwn(after, name, amountOf(after, name) + sign * amountOf(amounts, name));
  }
  return after;
}

function nodePart(node: Node): NodePart {
  const images = new Map<string, number>();
  for (const { names, sizeBytes } of node.status?.images ?? [])
    for (const name of names ?? []) images.set(name, toNumber(sizeBytes ?? 0));
  const allocatable = amountsOf(node.status?.allocatable);
  return {
    name: node.metadata.name,
    node,
    labels: node.metadata.labels ?? {},
    allocatable,
    allowedPods: amountOf(allocatable, 'pods'),
    cpu: amountOf(allocatable, 'cpu'),
    memory: amountOf(allocatable, 'memory'),
    images,
  };
}

/** Every info is made here: objects of one shape are read several times faster. */
function assemble(
  { name, node, labels, allocatable, allowedPods, cpu, memory, images }: NodePart,
  pods: readonly Pod[],
  podsWithAffinity: readonly Pod[],
  podsWithPorts: readonly Pod[],
  requested: Amounts,
  nonZeroRequested: Amounts,
): NodeInfo {
  const [usedCpu, usedMemory] = [amountOf(requested, 'cpu'), amountOf(requested, 'memory')];
  return {
    name,
    node,
    labels,
    pods,
    podsWithAffinity,
    podsWithPorts,
    allocatable,
    requested,
    nonZeroRequested,
    allowedPods,
    cpu,
    memory,
    usedCpu,
    usedMemory,
    nonZeroCpu: amountOf(nonZeroRequested, 'cpu'),
    nonZeroMemory: amountOf(nonZeroRequested, 'memory'),
    images,
  };
}

/** The info with more pods. */
export function withPods(info: NodeInfo, added: readonly Pod[]): NodeInfo {
  return withChange(info, [...info.pods, ...added], added, 1);
}

/** The info without these pods. */
export function withoutPods(info: NodeInfo, removed: readonly Pod[]): NodeInfo {
  const uids = new Set(removed.map(({ metadata }) => metadata.uid));
  const gone = info.pods.filter(({ metadata }) => uids.has(metadata.uid));
  return withChange(
    info,
    info.pods.filter(({ metadata }) => !uids.has(metadata.uid)),
    gone,
    -1,
  );
}

/** The info with another state of its Node, and the same pods. @throws Error when the node cannot be read */
export function withNodeState(info: NodeInfo, node: Node): NodeInfo {
  const { pods, podsWithAffinity, podsWithPorts, requested, nonZeroRequested } = info;
  return assemble(nodePart(node), pods, podsWithAffinity, podsWithPorts, requested, nonZeroRequested);
}

function withChange(info: NodeInfo, pods: readonly Pod[], changed: readonly Pod[], sign: 1 | -1): NodeInfo {
  return assemble(
    info,
    pods,
    changed.some(hasPodAffinity) ? pods.filter(hasPodAffinity) : info.podsWithAffinity,
    changed.some(hasHostPorts) ? pods.filter(hasHostPorts) : info.podsWithPorts,
    sum(info.requested, changed, 'requested', sign),
    sum(info.nonZeroRequested, changed, 'nonZero', sign),
  );
}

/** Whether the pod has affinity or anti-affinity to other pods. */
export const hasPodAffinity = ({ spec }: Pod): boolean =>
  spec.affinity?.podAffinity !== undefined || spec.affinity?.podAntiAffinity !== undefined;

/** Most pods have none, and this is asked for each of them again and again. */
const hasHostPorts = ({ spec }: Pod): boolean =>
  spec.containers.some(listsHostPort) || (spec.initContainers ?? []).some(listsHostPort);

const listsHostPort = ({ ports }: Container): boolean => ports?.some(({ hostPort = 0 }) => hostPort > 0) === true;

/** The pod's priority; 0 when it has no priority class. */
export const podPriority = ({ spec }: Pod): number => spec.priority ?? 0;

/** `namespace/name`, as messages name a pod. */
export const podKey = ({ metadata }: Pod): string => `${metadata.namespace ?? ''}/${metadata.name}`;
