/** Prefers the domains with the fewest matching pods, by the constraints with ScheduleAnyway, or by default constraints. */
import { hostnameLabel, zoneLabel } from '#api/node-labels.ts';
import type { Pod, TopologySpreadConstraint } from '#api/types.generated.ts';
import { domainOf, eachNode } from '../domain-counts.ts';
import { maxNodeScore, type ScorePlugin } from '../framework.ts';
import type { NodeInfo } from '../node-info.ts';
import { type Snapshot, spreadSelector } from '../snapshot.ts';
import { compileConstraints, countsOf, hasAllKeys, type SpreadConstraint, withAllKeys } from '../spread-constraints.ts';

/** Default constraints of a profile. `isSystem`: nodes without all their labels take part (upstream's defaultingType System). */
export interface DefaultConstraints {
  constraints: readonly TopologySpreadConstraint[];
  isSystem: boolean;
}

/** Upstream's own default constraints. */
export const systemConstraints: DefaultConstraints = {
  constraints: [
    { topologyKey: hostnameLabel, maxSkew: 3, whenUnsatisfiable: 'ScheduleAnyway' },
    { topologyKey: zoneLabel, maxSkew: 5, whenUnsatisfiable: 'ScheduleAnyway' },
  ],
  isSystem: true,
};

/** The number of a node that takes no part (upstream's invalidScore). */
const notScored = -1;

/** Makes the score plugin PodTopologySpread. */
export const podTopologySpreadScorer = (defaults: DefaultConstraints = systemConstraints, weight = 2): ScorePlugin => ({
  name: 'PodTopologySpread',
  weight,
  score(pod, feasible, snapshot) {
    const own = pod.spec.topologySpreadConstraints ?? [];
    const constraints = own.length > 0 ? compileConstraints(pod, own, 'ScheduleAnyway') : defaultsFor(pod, defaults, snapshot);
    if (constraints.length === 0) return undefined;
    // With the system's constraints, a node without a zone label also takes part: pods are still spread by hostname.
    const needed = own.length > 0 || !defaults.isSystem ? constraints.map(({ topologyKey }) => topologyKey) : [];
    const candidates = needed.length === 0 ? feasible : feasible.filter((info) => hasAllKeys(info, needed));
    const isCandidate = candidates.length === feasible.length ? undefined : new Set(candidates);
    const crowds = constraints.map((constraint) => crowding(pod, constraint, candidates, needed, snapshot));
    return feasible.map((info) => {
      if (isCandidate !== undefined && !isCandidate.has(info)) return notScored;
      let sum = 0;
      for (const crowd of crowds) sum += crowd(info);
      return Math.round(sum);
    });
  },
  normalise: fewestBest,
});

/** The plugin with upstream's defaults. */
export const podTopologySpreadScore: ScorePlugin = podTopologySpreadScorer();

function defaultsFor(pod: Pod, { constraints }: DefaultConstraints, snapshot: Snapshot): SpreadConstraint[] {
  if (constraints.length === 0) return [];
  const selector = spreadSelector(pod, snapshot);
  return selector === undefined ? [] : compileConstraints(pod, constraints, 'ScheduleAnyway', selector);
}

/**
 * The number of matching pods in a node's domain, weighted by the number of domains, so that a topology with few domains counts
 * as much as one with many.
 */
function crowding(
  pod: Pod,
  { topologyKey, selector, maxSkew, nodes }: SpreadConstraint,
  candidates: readonly NodeInfo[],
  needed: readonly string[],
  snapshot: Snapshot,
): (info: NodeInfo) => number {
  // Pods of the same host are counted on the node itself, whatever the policies say of it.
  if (topologyKey === hostnameLabel) {
    const onNode = countsOf(pod, selector, eachNode, undefined, snapshot);
    const weight = Math.log(candidates.length + 2);
    return (info) => (domainOf(info, topologyKey) === undefined ? 0 : onNode.in(info.name) * weight + maxSkew - 1);
  }
  const counts = countsOf(pod, selector, topologyKey, needed.length === 0 ? nodes : withAllKeys(nodes, needed), snapshot);
  const present = new Set<string | undefined>();
  for (const info of candidates) present.add(domainOf(info, topologyKey));
  const weight = Math.log(present.size + 2);
  return (info) => {
    const domain = domainOf(info, topologyKey);
    return domain === undefined ? 0 : counts.in(domain) * weight + maxSkew - 1;
  };
}

function fewestBest(sums: readonly number[]): number[] {
  let [least, most] = [Number.POSITIVE_INFINITY, 0];
  for (const sum of sums) {
    if (sum === notScored) continue;
    if (sum < least) least = sum;
    if (sum > most) most = sum;
  }
  return sums.map((sum) => {
    if (sum === notScored) return 0;
    return most === 0 ? maxNodeScore : Math.trunc((maxNodeScore * (most + least - sum)) / most);
  });
}
