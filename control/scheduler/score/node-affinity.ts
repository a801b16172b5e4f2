/** Preferred node affinity: the sum of the weights of the terms that match a node. */
import { nodeSelectorTerm } from '#api/pod/node-selector.ts';
import type { PreferredSchedulingTerm } from '#api/types.generated.ts';
import { normalise, type ScorePlugin } from '../framework.ts';

/** Makes the score plugin NodeAffinity. @param added preferences that every pod of the profile has as well */
export const nodeAffinityScorer = (weight = 2, added: readonly PreferredSchedulingTerm[] = []): ScorePlugin => ({
  name: 'NodeAffinity',
  weight,
  seesNodeOnly: true,
  score({ spec }, feasible) {
    const preferred = [...added, ...(spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [])];
    if (preferred.length === 0) return undefined;
    const terms = preferred.map((term) => ({ weight: term.weight, matches: nodeSelectorTerm(term.preference) }));
    return feasible.map((info) => terms.reduce((sum, term) => sum + (term.matches(info) ? term.weight : 0), 0));
  },
  normalise: (raw) => normalise(raw, false),
});

/** The plugin with upstream's defaults. */
export const nodeAffinityScore: ScorePlugin = nodeAffinityScorer();
