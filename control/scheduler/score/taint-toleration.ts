/** Prefers nodes with fewer taints PreferNoSchedule that the pod does not tolerate. */
import { tolerationOf } from '#api/pod/tolerations.ts';
import { normalise, type ScorePlugin } from '../framework.ts';

/** Makes the score plugin TaintToleration. */
export const taintTolerationScorer = (weight = 3): ScorePlugin => ({
  name: 'TaintToleration',
  weight,
  seesNodeOnly: true,
  score({ spec }, feasible) {
    return feasible.map(({ node }) => {
      let count = 0;
      for (const taint of node.spec.taints ?? [])
        if (taint.effect === 'PreferNoSchedule' && tolerationOf(spec.tolerations, taint) === undefined) count++;
      return count;
    });
  },
  normalise: (raw) => normalise(raw, true),
});

/** The plugin with upstream's weight. */
export const taintTolerationScore: ScorePlugin = taintTolerationScorer();
