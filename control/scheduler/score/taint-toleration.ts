/** Prefers nodes with fewer taints PreferNoSchedule that the pod does not tolerate. */
import { normalise, type ScorePlugin } from '../framework.ts';
import { toleratesTaint } from '../tolerations.ts';

export const taintTolerationScore: ScorePlugin = {
  name: 'TaintToleration',
  weight: 3,
  score({ spec }, feasible) {
    const counts = feasible.map(
      ({ node }) =>
        (node.spec.taints ?? []).filter(
          (taint) => taint.effect === 'PreferNoSchedule' && !toleratesTaint(spec.tolerations, taint),
        ).length,
    );
    return normalise(counts, true);
  },
};
