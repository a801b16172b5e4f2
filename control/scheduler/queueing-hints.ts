/**
 * Which events of the cluster may make a pod schedulable that a plugin has rejected. When in doubt, a hint says yes: a wasted
 * attempt is cheap, while a pod that is not tried waits for five minutes. Pure. Source: KEP-4247; the plugins' EventsToRegister.
 */
import { conflictsWith, hostPorts } from '#api/pod/host-ports.ts';
import { requiredNodeAffinity } from '#api/pod/node-selector.ts';
import { amountOf } from '#api/pod/requests.ts';
import { schedulingEffects, untoleratedTaint } from '#api/pod/tolerations.ts';
import { SelectorError } from '#api/selector.ts';
import type { Node, Pod } from '#api/types.generated.ts';
import type { ClusterEvent, EventOf, QueueingHint } from './cluster-event.ts';
import { deviceHints } from './devices/device-hints.ts';
import { nodeInfo } from './node-info.ts';
import { type NamespaceLookup, requiredAffinity, requiredAntiAffinity } from './pod-affinity.ts';
import { podResources } from './resources.ts';
import { compileConstraints, counts } from './spread-constraints.ts';
import { volumeHints } from './volumes/volume-hints.ts';

const yes = (): boolean => true;
/** Namespaces whose labels are not known. Terms that select namespaces by labels are rare; with them the hint says yes. */
const anyNamespace: NamespaceLookup = { namespaceLabels: () => ({}) };

/** By plugin. A plugin that is not listed is asked again after any event, as upstream does with extenders. */
const queueingHints: Readonly<Record<string, QueueingHint>> = {
  NodeUnschedulable: {
    nodeAdded: ({ node }) => node.spec.unschedulable !== true,
    nodeUpdated: ({ changes, node }) => changes.has('unschedulable') && node.spec.unschedulable !== true,
  },
  NodeName: { nodeAdded: ({ node }, { spec }) => (spec.nodeName ?? '') === '' || spec.nodeName === node.metadata.name },
  TaintToleration: {
    nodeAdded: ({ node }, pod) => isTolerated(node, pod),
    nodeUpdated: ({ changes, node }, pod) => changes.has('taints') && isTolerated(node, pod),
  },
  NodeAffinity: {
    nodeAdded: ({ node }, pod) => isSelected(node, pod),
    nodeUpdated: ({ changes, node }, pod) => changes.has('labels') && isSelected(node, pod),
  },
  NodePorts: { nodeAdded: ({ node }, pod) => isSelected(node, pod), resourcesFreed: freesPort },
  NodeResourcesFit: {
    nodeAdded: ({ node }, pod) => isSelected(node, pod) && isLargeEnough(node, pod),
    nodeUpdated: ({ changes, node }, pod) => changes.has('allocatable') && isLargeEnough(node, pod),
    resourcesFreed: yes,
  },
  PodTopologySpread: {
    // A new topology domain changes the result of other nodes, too.
    nodeAdded: yes,
    nodeUpdated: ({ changes }) => changes.has('labels') || changes.has('taints'),
    nodeDeleted: yes,
    assignedPodChanged: ({ pod: other }, pod) => isSpreadWith(other, pod),
    resourcesFreed: ({ pod: other }, pod) => isSpreadWith(other, pod),
  },
  InterPodAffinity: {
    nodeAdded: yes,
    nodeUpdated: ({ changes }) => changes.has('labels'),
    assignedPodChanged: ({ pod: other, previous }, pod) => mayJoin(pod, other, previous),
    resourcesFreed: yes,
    namespaceChanged: yes,
  },
  ...volumeHints,
  DynamicResources: deviceHints,
  // Only the pod itself can lose its gates.
  SchedulingGates: {},
};

/** Whether to try a pod again that these plugins rejected. */
export function mayHelp(event: ClusterEvent, pod: Pod, rejectedBy: ReadonlySet<string>): boolean {
  // No plugin rejected the pod: there was no node, or an error.
  if (rejectedBy.size === 0 || event.kind === 'podChanged') return true;
  return [...rejectedBy].some((plugin) => {
    const hints = queueingHints[plugin];
    if (hints === undefined) return true;
    const hint = hints[event.kind] as ((event: ClusterEvent, pod: Pod) => boolean) | undefined;
    return hint?.(event, pod) === true;
  });
}

/** Whether an event of this kind may ever help a pod that the plugin rejected. */
export const concerns = (kind: ClusterEvent['kind'], plugin: string): boolean => {
  const hints = queueingHints[plugin];
  return hints === undefined || kind === 'podChanged' || hints[kind] !== undefined;
};

function isTolerated({ spec }: Node, pod: Pod): boolean {
  return untoleratedTaint(spec.taints, pod.spec.tolerations, schedulingEffects) === undefined;
}

const isSelected = ({ metadata }: Node, pod: Pod): boolean =>
  requiredNodeAffinity(pod)({ name: metadata.name, labels: metadata.labels ?? {} });

/** Whether the pod's requests are below what the node has in total. */
function isLargeEnough(node: Node, pod: Pod): boolean {
  const { allocatable } = nodeInfo(node, []);
  return Object.entries(podResources(pod).requested).every(
    ([resource, wanted]) => wanted <= 0 || wanted <= amountOf(allocatable, resource),
  );
}

function freesPort({ pod: gone }: EventOf<'resourcesFreed'>, pod: Pod): boolean {
  const wanted = hostPorts(pod);
  return wanted.length === 0 || hostPorts(gone).some(conflictsWith(wanted));
}

function isSpreadWith(other: Pod, pod: Pod): boolean {
  const own = pod.spec.topologySpreadConstraints ?? [];
  // The pod has default constraints.
  if (own.length === 0) return true;
  if (other.metadata.namespace !== pod.metadata.namespace) return false;
  try {
    return compileConstraints(pod, own, 'DoNotSchedule').some(({ selector }) => {
      const { deletionTimestamp: _, ...metadata } = other.metadata;
      return counts(pod, selector)({ ...other, metadata });
    });
  } catch (error) {
    if (error instanceof SelectorError) return true;
    throw error;
  }
}

/** Whether a pod that has come, or has other labels now, may be one that the pod wants beside it, or no longer one that it avoids. */
function mayJoin(pod: Pod, other: Pod, previous: Pod | undefined): boolean {
  const [wanted, avoided] = [requiredAffinity(pod), requiredAntiAffinity(pod)];
  const matches = (term: (typeof wanted)[number], one: Pod): boolean =>
    term.readsNamespaceLabels || term.matches(one, anyNamespace);
  if (wanted.length > 0 && wanted.every((term) => matches(term, other))) return true;
  if (previous !== undefined && avoided.some((term) => matches(term, previous))) return true;
  // The pod itself avoids no other pod, so a placed pod must avoid it.
  return wanted.length === 0 && avoided.length === 0;
}
