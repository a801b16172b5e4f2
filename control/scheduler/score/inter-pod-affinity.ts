/** Preferred affinity and anti-affinity between pods: of the pod to place, and of pods already placed. */
import { ownValue } from '#api/own-value.ts';
import type { Pod } from '#api/types.generated.ts';
import { maxNodeScore, type ScorePlugin } from '../framework.ts';
import type { NodeInfo } from '../node-info.ts';
import { type AffinityTerm, preferredTerms, requiredAffinity } from '../pod-affinity.ts';

/** The weight of a placed pod's required affinity for its own domain (upstream's hardPodAffinityWeight). */
const hardAffinityWeight = 1;

/** The score plugin InterPodAffinity. */
export const interPodAffinityScore: ScorePlugin = {
  name: 'InterPodAffinity',
  weight: 2,
  score(pod, feasible, snapshot) {
    const own = preferredTerms(pod, snapshot);
    const weights = new Map<string, Map<string, number>>();
    const credit = ({ topologyKey }: AffinityTerm, { labels }: NodeInfo, weight: number): void => {
      const value = ownValue(labels, topologyKey);
      if (value === undefined) return;
      const byValue = weights.get(topologyKey) ?? new Map<string, number>();
      weights.set(topologyKey, byValue.set(value, (byValue.get(value) ?? 0) + weight));
    };
    const creditOwn = (other: Pod, info: NodeInfo): void => {
      for (const term of own) if (term.matches(other)) credit(term, info, term.weight);
    };
    const creditTheirs = (other: Pod, info: NodeInfo): void => {
      for (const term of requiredAffinity(other, snapshot)) if (term.matches(pod)) credit(term, info, hardAffinityWeight);
      for (const term of preferredTerms(other, snapshot)) if (term.matches(pod)) credit(term, info, term.weight);
    };
    for (const info of snapshot.nodes) {
      if (own.length > 0) for (const other of info.pods) creditOwn(other, info);
      for (const other of info.podsWithAffinity) creditTheirs(other, info);
    }
    if (weights.size === 0) return undefined;
    const weightAt = ({ labels }: NodeInfo, key: string, byValue: ReadonlyMap<string, number>): number => {
      const value = ownValue(labels, key);
      return value === undefined ? 0 : (byValue.get(value) ?? 0);
    };
    return scaleToRange(
      feasible.map((info) => [...weights].reduce((sum, [key, byValue]) => sum + weightAt(info, key, byValue), 0)),
    );
  },
};

/** Scales the sums: the smallest becomes 0, the largest 100. */
function scaleToRange(sums: readonly number[]): number[] {
  const least = Math.min(...sums);
  const range = Math.max(...sums) - least;
  return sums.map((sum) => (range === 0 ? 0 : Math.trunc(maxNodeScore * ((sum - least) / range))));
}
