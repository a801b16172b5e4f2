/** Preferred affinity and anti-affinity between pods: of the pod to place, and of pods already placed. */
import type { Pod } from '#api/types.generated.ts';
import { domainOf } from '../domain-counts.ts';
import { maxNodeScore, type ScorePlugin } from '../framework.ts';
import { type AffinityTerm, preferredTerms } from '../pod-affinity.ts';
import type { PlacedTerm } from '../pod-index.ts';
import type { Snapshot } from '../snapshot.ts';

/** Arguments of the plugin, see upstream's InterPodAffinityArgs. */
export interface InterPodAffinityArgs {
  /** The weight of a placed pod's required affinity for its own domain. */
  hardPodAffinityWeight: number;
  /** Whether a pod without preferences of its own is not scored. */
  ignorePreferredTermsOfExistingPods: boolean;
}

/** Pods in a domain that count for or against it. */
interface Credit {
  topologyKey: string;
  weight: number;
  /** The number of those pods. */
  in(domain: string): number;
}

/** Makes the score plugin InterPodAffinity. */
export const interPodAffinityScorer = (
  { hardPodAffinityWeight, ignorePreferredTermsOfExistingPods }: InterPodAffinityArgs = {
    hardPodAffinityWeight: 1,
    ignorePreferredTermsOfExistingPods: false,
  },
  weight = 2,
): ScorePlugin => ({
  name: 'InterPodAffinity',
  weight,
  score(pod, feasible, snapshot) {
    const own = preferredTerms(pod);
    if (ignorePreferredTermsOfExistingPods && own.length === 0) return undefined;
    const credits = [
      ...own.flatMap((preferred) => ownCredit(preferred.term, preferred.weight, snapshot)),
      ...theirCredits(pod, snapshot, hardPodAffinityWeight),
    ];
    if (credits.length === 0) return undefined;
    return feasible.map((info) => {
      let sum = 0;
      for (const credit of credits) {
        const domain = domainOf(info, credit.topologyKey);
        if (domain !== undefined) sum += credit.weight * credit.in(domain);
      }
      return sum;
    });
  },
  normalise: scaleToRange,
});

/** The plugin with upstream's defaults. */
export const interPodAffinityScore: ScorePlugin = interPodAffinityScorer();

function ownCredit(term: AffinityTerm, weight: number, snapshot: Snapshot): Credit[] {
  const counts = snapshot.podIndex.counts({
    key: `affinity\n${term.topologyKey}\n${term.key}`,
    topologyKey: term.topologyKey,
    namespace: term.namespace,
    matches: (pod) => term.matches(pod, snapshot),
  });
  return counts.total === 0 ? [] : [{ topologyKey: term.topologyKey, weight, in: (domain) => counts.in(domain) }];
}

function theirCredits(pod: Pod, { podIndex }: Snapshot, hardPodAffinityWeight: number): Credit[] {
  return [...podIndex.termsFor(pod)].flatMap(({ kind, term, weight, owners }: PlacedTerm): Credit[] => {
    const each = kind === 'requiredAffinity' ? hardPodAffinityWeight : weight;
    if (kind === 'requiredAntiAffinity' || each === 0) return [];
    return [{ topologyKey: term.topologyKey, weight: each, in: (domain) => owners.get(domain) ?? 0 }];
  });
}

/** Scales the sums: the smallest becomes 0, the largest 100. */
function scaleToRange(sums: readonly number[]): number[] {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const sum of sums) {
    if (sum < least) least = sum;
    if (sum > most) most = sum;
  }
  const range = most - least;
  return sums.map((sum) => (range === 0 ? 0 : Math.trunc(maxNodeScore * ((sum - least) / range))));
}
