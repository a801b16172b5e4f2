/** Preferred node affinity: the sum of the weights of the terms that match a node. */
import { nodeSelectorTerm } from '#api/pod/node-selector.ts';
import { normalise, type ScorePlugin } from '../framework.ts';

/** The score plugin NodeAffinity. */
export const nodeAffinityScore: ScorePlugin = {
  name: 'NodeAffinity',
  weight: 2,
  score({ spec }, feasible) {
    const preferred = spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    if (preferred.length === 0) return undefined;
    const terms = preferred.map(({ weight, preference }) => ({ weight, matches: nodeSelectorTerm(preference) }));
    const sums = feasible.map((info) => terms.reduce((sum, { weight, matches }) => sum + (matches(info) ? weight : 0), 0));
    return normalise(sums, false);
  },
};
