/** A node with its pods and the sums that plugins need. Immutable: adding or removing a pod makes a new one. */
import { toNumber } from '#api/int64.ts';
import { type Amounts, addAmounts, amountsOf } from '#api/pod/requests.ts';
import type { Node, Pod } from '#api/types.generated.ts';
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
  /** What the node offers to pods (`status.allocatable`). */
  readonly allocatable: Amounts;
  /** The sum of the pods' requests. */
  readonly requested: Amounts;
  /** The same sum, with a small request for containers that have none (for scores). */
  readonly nonZeroRequested: Amounts;
  /** Size in bytes by image name, as the kubelet reports it. */
  readonly images: ReadonlyMap<string, number>;
}

/** Makes the info of a node with its pods. @throws Error when the node or a pod cannot be read */
export function nodeInfo(node: Node, pods: readonly Pod[]): NodeInfo {
  const images = new Map<string, number>();
  for (const { names, sizeBytes } of node.status?.images ?? [])
    for (const name of names ?? []) images.set(name, toNumber(sizeBytes ?? 0));
  let requested: Amounts = {};
  let nonZeroRequested: Amounts = {};
  for (const pod of pods) {
    requested = addAmounts(requested, podResources(pod).requested);
    nonZeroRequested = addAmounts(nonZeroRequested, podResources(pod).nonZero);
  }
  return {
    name: node.metadata.name,
    node,
    labels: node.metadata.labels ?? {},
    pods,
    podsWithAffinity: pods.filter(hasPodAffinity),
    allocatable: amountsOf(node.status?.allocatable),
    requested,
    nonZeroRequested,
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

function withChange(info: NodeInfo, pods: readonly Pod[], changed: readonly Pod[], sign: 1 | -1): NodeInfo {
  let { requested, nonZeroRequested } = info;
  for (const pod of changed) {
    requested = addAmounts(requested, podResources(pod).requested, sign);
    nonZeroRequested = addAmounts(nonZeroRequested, podResources(pod).nonZero, sign);
  }
  const podsWithAffinity = changed.some(hasPodAffinity) ? pods.filter(hasPodAffinity) : info.podsWithAffinity;
  return { ...info, pods, podsWithAffinity, requested, nonZeroRequested };
}

const hasPodAffinity = ({ spec }: Pod): boolean =>
  spec.affinity?.podAffinity !== undefined || spec.affinity?.podAntiAffinity !== undefined;

/** The pod's priority; 0 when it has no priority class. */
export const podPriority = ({ spec }: Pod): number => spec.priority ?? 0;

/** `namespace/name`, as messages name a pod. */
export const podKey = ({ metadata }: Pod): string => `${metadata.namespace ?? ''}/${metadata.name}`;
