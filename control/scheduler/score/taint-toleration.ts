/** Prefers nodes with fewer taints PreferNoSchedule that the pod does not tolerate. */
import { tolerationOf } from '#api/pod/tolerations.ts';
import { normalise, type ScorePlugin } from '../framework.ts';

/** The score plugin TaintToleration. */
export const taintTolerationScore: ScorePlugin = {
  name: 'TaintToleration',
  weight: 3,
  score({ spec }, feasible) {
    const counts = feasible.map(
      ({ node }) =>
        (node.spec.taints ?? []).filter(
          (taint) => taint.effect === 'PreferNoSchedule' && tolerationOf(spec.tolerations, taint) === undefined,
        ).length,
    );
    return normalise(counts, true);
  },
};
