/** Prefers the domains with the fewest matching pods, by the constraints with ScheduleAnyway, or by the system's defaults. */
import { hostnameLabel } from '#api/node-labels.ts';
import { ownValue } from '#api/own-value.ts';
import type { Pod } from '#api/types.generated.ts';
import { maxNodeScore, type ScorePlugin } from '../framework.ts';
import type { NodeInfo } from '../node-info.ts';
import type { Snapshot } from '../snapshot.ts';
import {
  countMatching,
  defaultConstraints,
  hasAllTopologyKeys,
  ownConstraints,
  type SpreadConstraint,
} from '../spread-constraints.ts';

/** The score plugin PodTopologySpread. */
export const podTopologySpreadScore: ScorePlugin = {
  name: 'PodTopologySpread',
  weight: 2,
  score(pod, feasible, snapshot) {
    const own = (pod.spec.topologySpreadConstraints ?? []).length > 0;
    const constraints = own ? ownConstraints(pod, 'ScheduleAnyway') : defaultConstraints(pod, snapshot);
    if (constraints.length === 0) return undefined;
    // With the default constraints, a node without a zone label also takes part: pods are still spread by hostname.
    const takesPart = (info: NodeInfo): boolean => !own || hasAllTopologyKeys(info, constraints);
    const crowds = constraints.map((constraint) => crowding(pod, constraint, feasible.filter(takesPart), snapshot, takesPart));
    const sums = feasible.map((info) =>
      takesPart(info) ? Math.round(crowds.reduce((sum, crowd) => sum + crowd(info), 0)) : undefined,
    );
    return fewestBest(sums);
  },
};

/**
 * The number of matching pods in a node's domain, weighted by the number of domains, so that a topology with few domains counts
 * as much as one with many.
 */
function crowding(
  pod: Pod,
  { topologyKey, selector, maxSkew, includes }: SpreadConstraint,
  candidates: readonly NodeInfo[],
  snapshot: Snapshot,
  takesPart: (info: NodeInfo) => boolean,
): (info: NodeInfo) => number {
  const { namespace } = pod.metadata;
  const counts = new Map<string, number>();
  const perNode = topologyKey === hostnameLabel;
  if (!perNode) {
    for (const { labels } of candidates) counts.set(ownValue(labels, topologyKey) ?? '', 0);
    for (const info of snapshot.nodes.filter((node) => takesPart(node) && includes(node))) {
      const value = ownValue(info.labels, topologyKey) ?? '';
      const known = counts.get(value);
      if (known !== undefined) counts.set(value, known + countMatching(info, selector, namespace));
    }
  }
  const weight = Math.log((perNode ? candidates.length : counts.size) + 2);
  return (info) => {
    const value = ownValue(info.labels, topologyKey);
    if (value === undefined) return 0;
    const count = perNode ? countMatching(info, selector, namespace) : (counts.get(value) ?? 0);
    return count * weight + maxSkew - 1;
  };
}

function fewestBest(sums: readonly (number | undefined)[]): number[] {
  const known = sums.filter((sum) => sum !== undefined);
  const most = Math.max(0, ...known);
  const least = Math.min(...known);
  return sums.map((sum) => {
    if (sum === undefined) return 0;
    return most === 0 ? maxNodeScore : Math.trunc((maxNodeScore * (most + least - sum)) / most);
  });
}
