/** Topology spread constraints, compiled: which pods they count, on which nodes. */
import { hostnameLabel, zoneLabel } from '#api/node-labels.ts';
import { ownValue } from '#api/own-value.ts';
import { requiredNodeAffinity } from '#api/pod/node-selector.ts';
import { schedulingEffects, untoleratedTaint } from '#api/pod/tolerations.ts';
import { type LabelMatcher, labelMatcher, labelMatcherOf, matchesLabels } from '#api/selector.ts';
import type { Pod, TopologySpreadConstraint } from '#api/types.generated.ts';
import type { NodeInfo } from './node-info.ts';
import { type SnapshotLookups, spreadSelector } from './snapshot.ts';

export interface SpreadConstraint {
  topologyKey: string;
  maxSkew: number;
  minDomains: number;
  selector: LabelMatcher;
  /** Whether a node's pods count for this pod (nodeAffinityPolicy, nodeTaintsPolicy; KEP-3094). */
  includes(info: NodeInfo): boolean;
}

/** Of the pod itself, by what an unmet one means. */
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

/** Upstream's system defaults, for pods that belong to a Service or a ReplicaSet and name no constraints of their own. */
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

export const hasAllTopologyKeys = ({ labels }: NodeInfo, constraints: readonly SpreadConstraint[]): boolean =>
  constraints.every(({ topologyKey }) => ownValue(labels, topologyKey) !== undefined);

/** Pods of the namespace on the node that the selector means; those that terminate do not count, an empty selector means none. */
export function countMatching({ pods }: NodeInfo, selector: LabelMatcher, namespace: string | undefined): number {
  if (selector.requirements.length === 0) return 0;
  let count = 0;
  for (const { metadata } of pods) {
    if (metadata.deletionTimestamp === undefined && metadata.namespace === namespace && matchesLabels(selector, metadata.labels))
      count++;
  }
  return count;
}
