/** A node with the pods on it and the sums that plugins ask for. Immutable: adding or removing a pod makes a new one. */
import { toNumber } from '#api/int64.ts';
import { type Amounts, addAmounts, amountsOf } from '#api/pod/requests.ts';
import type { Node, Pod } from '#api/types.generated.ts';
import { podResources } from './resources.ts';

export interface NodeInfo {
  readonly name: string;
  readonly node: Node;
  readonly labels: Readonly<Record<string, string>>;
  /** Assigned to the node or assumed there, not yet ended. */
  readonly pods: readonly Pod[];
  /** Those among them that have affinity or anti-affinity to other pods. */
  readonly podsWithAffinity: readonly Pod[];
  readonly allocatable: Amounts;
  readonly requested: Amounts;
  readonly nonZeroRequested: Amounts;
  /** Bytes by image name, as the kubelet reports them. */
  readonly images: ReadonlyMap<string, number>;
}

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

export function withPods(info: NodeInfo, added: readonly Pod[]): NodeInfo {
  return withChange(info, [...info.pods, ...added], added, 1);
}

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

/** 0 where no priority class gave one. */
export const podPriority = ({ spec }: Pod): number => spec.priority ?? 0;

/** `namespace/name`, as messages name pods. */
export const podKey = ({ metadata }: Pod): string => `${metadata.namespace ?? ''}/${metadata.name}`;
