/** Topology spread constraints, compiled to functions that count pods on nodes. */
import { hostnameLabel, zoneLabel } from '#api/node-labels.ts';
import { ownValue } from '#api/own-value.ts';
import { requiredNodeAffinity } from '#api/pod/node-selector.ts';
import { schedulingEffects, untoleratedTaint } from '#api/pod/tolerations.ts';
import { type LabelMatcher, labelMatcher, labelMatcherOf, matchesLabels } from '#api/selector.ts';
import type { Pod, TopologySpreadConstraint } from '#api/types.generated.ts';
import type { NodeInfo } from './node-info.ts';
import { type SnapshotLookups, spreadSelector } from './snapshot.ts';

/** One compiled constraint. */
export interface SpreadConstraint {
  topologyKey: string;
  maxSkew: number;
  minDomains: number;
  selector: LabelMatcher;
  /** Whether the node's pods count for this pod (nodeAffinityPolicy, nodeTaintsPolicy; KEP-3094). */
  includes(info: NodeInfo): boolean;
}

/** The pod's own constraints with this `whenUnsatisfiable`. */
export function ownConstraints(pod: Pod, whenUnsatisfiable: 'DoNotSchedule' | 'ScheduleAnyway'): SpreadConstraint[] {
  const required = requiredNodeAffinity(pod);
  return (pod.spec.topologySpreadConstraints ?? [])
    .filter((constraint) => constraint.whenUnsatisfiable === whenUnsatisfiable)
    .map((constraint) => ({
      topologyKey: constraint.topologyKey,
      maxSkew: constraint.maxSkew,
      minDomains: constraint.minDomains ?? 1,
      selector: withLabelKeys(pod, constraint),
      includes: (info) =>
        (constraint.nodeAffinityPolicy === 'Ignore' || required(info)) &&
        (constraint.nodeTaintsPolicy !== 'Honor' ||
          untoleratedTaint(info.node.spec.taints, pod.spec.tolerations, schedulingEffects) === undefined),
    }));
}

/** Upstream's default constraints, for pods of a Service or ReplicaSet that have no constraints of their own. */
export function defaultConstraints(pod: Pod, lookups: SnapshotLookups): SpreadConstraint[] {
  const selector = spreadSelector(pod, lookups);
  if (selector === undefined) return [];
  const includes = requiredNodeAffinity(pod);
  return [
    { topologyKey: hostnameLabel, maxSkew: 3, minDomains: 1, selector, includes },
    { topologyKey: zoneLabel, maxSkew: 5, minDomains: 1, selector, includes },
  ];
}

function withLabelKeys({ metadata }: Pod, { labelSelector, matchLabelKeys = [] }: TopologySpreadConstraint): LabelMatcher {
  const base = labelMatcher(labelSelector);
  const own = matchLabelKeys.flatMap((key) => {
    const value = ownValue(metadata.labels, key);
    return value === undefined ? [] : [{ key, operator: 'in' as const, values: [value] }];
  });
  return base.nothing === true || own.length === 0 ? base : labelMatcherOf([...base.requirements, ...own]);
}

/** Whether the node has the topology label of every constraint. */
export const hasAllTopologyKeys = ({ labels }: NodeInfo, constraints: readonly SpreadConstraint[]): boolean =>
  constraints.every(({ topologyKey }) => ownValue(labels, topologyKey) !== undefined);

/**
 * The number of pods of the namespace on the node that the selector matches. Terminating pods do not count. An empty selector
 * matches none.
 */
export function countMatching({ pods }: NodeInfo, selector: LabelMatcher, namespace: string | undefined): number {
  if (selector.requirements.length === 0) return 0;
  let count = 0;
  for (const { metadata } of pods) {
    if (metadata.deletionTimestamp === undefined && metadata.namespace === namespace && matchesLabels(selector, metadata.labels))
      count++;
  }
  return count;
}
