/** Topology spread constraints, compiled to counts of pods by domain. */
import { ownValue } from '#api/own-value.ts';
import { requiredNodeAffinity } from '#api/pod/node-selector.ts';
import { schedulingEffects, untoleratedTaint } from '#api/pod/tolerations.ts';
import { type LabelMatcher, labelMatcher, labelMatcherOf, matchesLabels } from '#api/selector.ts';
import type { Pod, TopologySpreadConstraint } from '#api/types.generated.ts';
import type { DomainCounts, Eligibility } from './domain-counts.ts';
import type { NodeInfo } from './node-info.ts';
import type { Snapshot } from './snapshot.ts';

/** One compiled constraint. */
export interface SpreadConstraint {
  topologyKey: string;
  maxSkew: number;
  minDomains: number;
  selector: LabelMatcher;
  /** The nodes whose pods count for this pod (nodeAffinityPolicy, nodeTaintsPolicy; KEP-3094). Absent: all. */
  nodes: Eligibility | undefined;
}

/** What the constraints of a pod with this `whenUnsatisfiable` say. @param selector replaces their own (default constraints) */
export function compileConstraints(
  pod: Pod,
  constraints: readonly TopologySpreadConstraint[],
  whenUnsatisfiable: 'DoNotSchedule' | 'ScheduleAnyway',
  selector?: LabelMatcher,
): SpreadConstraint[] {
  return constraints
    .filter((constraint) => constraint.whenUnsatisfiable === whenUnsatisfiable)
    .map((constraint) => ({
      topologyKey: constraint.topologyKey,
      maxSkew: constraint.maxSkew,
      minDomains: constraint.minDomains ?? 1,
      selector: selector ?? withLabelKeys(pod, constraint),
      nodes: includedNodes(pod, constraint),
    }));
}

function includedNodes(
  { spec }: Pod,
  { nodeAffinityPolicy, nodeTaintsPolicy }: TopologySpreadConstraint,
): Eligibility | undefined {
  const { nodeSelector = {}, affinity } = spec;
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const byAffinity =
    nodeAffinityPolicy !== 'Ignore' && (Object.keys(nodeSelector).length > 0 || required !== undefined)
      ? requiredNodeAffinity({ spec })
      : undefined;
  const byTaints = nodeTaintsPolicy === 'Honor';
  if (byAffinity === undefined && !byTaints) return undefined;
  return {
    key: JSON.stringify([byAffinity === undefined ? null : [nodeSelector, required], byTaints ? (spec.tolerations ?? []) : null]),
    includes: (info) =>
      (byAffinity === undefined || byAffinity(info)) &&
      (!byTaints || untoleratedTaint(info.node.spec.taints, spec.tolerations, schedulingEffects) === undefined),
  };
}

function withLabelKeys({ metadata }: Pod, { labelSelector, matchLabelKeys = [] }: TopologySpreadConstraint): LabelMatcher {
  const base = labelMatcher(labelSelector);
  const own = matchLabelKeys.flatMap((key) => {
    const value = ownValue(metadata.labels, key);
    return value === undefined ? [] : [{ key, operator: 'in' as const, values: [value] }];
  });
  return base.nothing === true || own.length === 0 ? base : labelMatcherOf([...base.requirements, ...own]);
}

/** Whether the node has the topology label of every key. */
export const hasAllKeys = ({ labels }: NodeInfo, topologyKeys: readonly string[]): boolean =>
  topologyKeys.every((key) => Object.hasOwn(labels, key));

/** The nodes of a set that also have all these labels. */
export function withAllKeys(nodes: Eligibility | undefined, topologyKeys: readonly string[]): Eligibility {
  return {
    key: `${JSON.stringify(topologyKeys)}\n${nodes?.key ?? ''}`,
    includes: (info) => hasAllKeys(info, topologyKeys) && (nodes === undefined || nodes.includes(info)),
  };
}

/** Which pods spread constraints count: those of the namespace that the selector matches. */
export function counts(pod: Pod, selector: LabelMatcher): (other: Pod) => boolean {
  const { namespace } = pod.metadata;
  // An empty selector counts nothing, in upstream, too.
  if (selector.requirements.length === 0) return () => false;
  return ({ metadata }) =>
    metadata.deletionTimestamp === undefined && metadata.namespace === namespace && matchesLabels(selector, metadata.labels);
}

/** The counts of a constraint's pods by domain. @param topologyKey `eachNode`: by node */
export function countsOf(
  pod: Pod,
  selector: LabelMatcher,
  topologyKey: string,
  nodes: Eligibility | undefined,
  { podIndex }: Snapshot,
): DomainCounts {
  const namespace = pod.metadata.namespace ?? '';
  return podIndex.counts({
    key: `spread\n${namespace}\n${topologyKey}\n${nodes?.key ?? ''}\n${JSON.stringify(selector)}`,
    topologyKey,
    namespace,
    matches: counts(pod, selector),
    nodes,
  });
}
