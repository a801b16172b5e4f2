/** What happens in the cluster, and which of the pods that fit nowhere it may help (upstream's queueing hints, coarser). Pure. */

import { sameJson } from '#api/meta.ts';
import { requiredNodeAffinity } from '#api/pod/node-selector.ts';
import { amountOf } from '#api/pod/requests.ts';
import type { Node, Pod } from '#api/types.generated.ts';
import { nodeInfo } from './node-info.ts';
import { podResources } from './resources.ts';

export type ClusterEvent =
  | { kind: 'nodeAdded'; node: Node }
  | { kind: 'nodeUpdated'; node: Node; changes: ReadonlySet<NodeChange> }
  | { kind: 'nodeDeleted' }
  /** A pod came to a node, or its labels changed there. */
  | { kind: 'assignedPodChanged'; pod: Pod }
  /** A pod left its node or will not need it: deleted, ended, forgotten; or it asks for less. */
  | { kind: 'roomMade'; pod: Pod }
  | { kind: 'namespaceChanged' }
  /** The waiting pod itself was changed in what filters look at. */
  | { kind: 'podChanged' };

export type NodeChange = 'labels' | 'taints' | 'unschedulable' | 'allocatable';

export function nodeChanges(node: Node, previous: Node): Set<NodeChange> {
  const changes = new Set<NodeChange>();
  if (!sameJson(node.metadata.labels ?? {}, previous.metadata.labels ?? {})) changes.add('labels');
  if (!sameJson(node.spec.taints ?? [], previous.spec.taints ?? [])) changes.add('taints');
  if (node.spec.unschedulable !== previous.spec.unschedulable) changes.add('unschedulable');
  if (!sameJson(node.status?.allocatable ?? {}, previous.status?.allocatable ?? {})) changes.add('allocatable');
  return changes;
}

/** Filters whose verdict depends on a property of the node. */
const dependsOn: Record<NodeChange, readonly string[]> = {
  labels: ['NodeAffinity', 'PodTopologySpread', 'InterPodAffinity'],
  taints: ['TaintToleration', 'PodTopologySpread'],
  unschedulable: ['NodeUnschedulable'],
  allocatable: ['NodeResourcesFit'],
};

const dependsOnRoom = ['NodeResourcesFit', 'NodePorts', 'PodTopologySpread', 'InterPodAffinity'];

/**
 * Whether to try a pod again that these filters rejected. In doubt yes: a wasted attempt costs little, a forgotten pod waits
 * until the pods that wait longest are tried in any case.
 */
export function mayHelp(event: ClusterEvent, pod: Pod, rejectedBy: ReadonlySet<string>): boolean {
  // Not rejected by a filter: there was no node, or an error.
  if (rejectedBy.size === 0) return true;
  const any = (plugins: readonly string[]): boolean => plugins.some((plugin) => rejectedBy.has(plugin));
  switch (event.kind) {
    case 'nodeAdded':
      // A new domain counts for the others, too.
      return any(['PodTopologySpread', 'InterPodAffinity']) || isCandidate(event.node, pod);
    case 'nodeUpdated':
      return [...event.changes].some((change) => any(dependsOn[change]));
    case 'nodeDeleted':
      return rejectedBy.has('PodTopologySpread');
    case 'assignedPodChanged':
      return any(['PodTopologySpread', 'InterPodAffinity']);
    case 'roomMade':
      return any(dependsOnRoom);
    case 'namespaceChanged':
      return rejectedBy.has('InterPodAffinity');
    case 'podChanged':
      return true;
  }
}

/** A new node helps unless it is not among those the pod demands; what room it has does not change either. */
function isCandidate(node: Node, pod: Pod): boolean {
  const info = nodeInfo(node, []);
  const { requested } = podResources(pod);
  const large = Object.entries(requested).every(
    ([resource, wanted]) => wanted <= 0 || wanted <= amountOf(info.allocatable, resource),
  );
  return large && requiredNodeAffinity(pod)(info);
}
