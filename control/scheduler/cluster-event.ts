/**
 * Events of the cluster, and which unschedulable pods each may make schedulable (upstream's queueing hints, but coarser). Pure.
 */

import { sameJson } from '#api/meta.ts';
import { requiredNodeAffinity } from '#api/pod/node-selector.ts';
import { amountOf } from '#api/pod/requests.ts';
import type { Node, Pod } from '#api/types.generated.ts';
import { nodeInfo } from './node-info.ts';
import { podResources } from './resources.ts';

/** An event that may make a waiting pod schedulable. */
export type ClusterEvent =
  | { kind: 'nodeAdded'; node: Node }
  | { kind: 'nodeUpdated'; node: Node; changes: ReadonlySet<NodeChange> }
  | { kind: 'nodeDeleted' }
  /** A pod was assigned to a node, or an assigned pod's labels changed. */
  | { kind: 'assignedPodChanged'; pod: Pod }
  /** A pod frees resources: it was deleted, has ended, was forgotten, or requests less. */
  | { kind: 'resourcesFreed'; pod: Pod }
  | { kind: 'namespaceChanged' }
  /** The waiting pod itself changed in fields that filters read. */
  | { kind: 'podChanged' };

/** A property of a node that filters read. */
export type NodeChange = 'labels' | 'taints' | 'unschedulable' | 'allocatable';

/** The properties that differ between two states of a node. Pure. */
export function nodeChanges(node: Node, previous: Node): Set<NodeChange> {
  const changes = new Set<NodeChange>();
  if (!sameJson(node.metadata.labels ?? {}, previous.metadata.labels ?? {})) changes.add('labels');
  if (!sameJson(node.spec.taints ?? [], previous.spec.taints ?? [])) changes.add('taints');
  if (node.spec.unschedulable !== previous.spec.unschedulable) changes.add('unschedulable');
  if (!sameJson(node.status?.allocatable ?? {}, previous.status?.allocatable ?? {})) changes.add('allocatable');
  return changes;
}

/** The filters whose result depends on a property of the node. */
const dependsOn: Record<NodeChange, readonly string[]> = {
  labels: ['NodeAffinity', 'PodTopologySpread', 'InterPodAffinity'],
  taints: ['TaintToleration', 'PodTopologySpread'],
  unschedulable: ['NodeUnschedulable'],
  allocatable: ['NodeResourcesFit'],
};

const dependsOnRoom = ['NodeResourcesFit', 'NodePorts', 'PodTopologySpread', 'InterPodAffinity'];

/**
 * Whether to try a pod again that these filters rejected. When in doubt, true: a wasted attempt is cheap, while a pod that is not
 * tried waits until all pods that wait longest are tried.
 */
export function mayHelp(event: ClusterEvent, pod: Pod, rejectedBy: ReadonlySet<string>): boolean {
  // No filter rejected the pod: there was no node, or an error.
  if (rejectedBy.size === 0) return true;
  const any = (plugins: readonly string[]): boolean => plugins.some((plugin) => rejectedBy.has(plugin));
  switch (event.kind) {
    case 'nodeAdded':
      // A new topology domain changes the result of other nodes, too.
      return any(['PodTopologySpread', 'InterPodAffinity']) || isCandidate(event.node, pod);
    case 'nodeUpdated':
      return [...event.changes].some((change) => any(dependsOn[change]));
    case 'nodeDeleted':
      return rejectedBy.has('PodTopologySpread');
    case 'assignedPodChanged':
      return any(['PodTopologySpread', 'InterPodAffinity']);
    case 'resourcesFreed':
      return any(dependsOnRoom);
    case 'namespaceChanged':
      return rejectedBy.has('InterPodAffinity');
    case 'podChanged':
      return true;
  }
}

/** Whether a new node may fit. It does not if it is not among the nodes that the pod requires. Its resources are not compared. */
function isCandidate(node: Node, pod: Pod): boolean {
  const info = nodeInfo(node, []);
  const { requested } = podResources(pod);
  const large = Object.entries(requested).every(
    ([resource, wanted]) => wanted <= 0 || wanted <= amountOf(info.allocatable, resource),
  );
  return large && requiredNodeAffinity(pod)(info);
}
