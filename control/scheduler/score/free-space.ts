/**
 * The score plugin FreeSpace: the CPUs that are left on a node with the pod on it. The textbook's example of a score; upstream
 * has no such plugin, and no profile has it unless its configuration enables it.
 */
import { amountOf } from '#api/pod/requests.ts';
import { normalise, type ScorePlugin } from '../framework.ts';
import { podResources } from '../resources.ts';

/** Makes the plugin. */
export const freeSpaceScore = (weight = 1): ScorePlugin => ({
  name: 'FreeSpace',
  weight,
  seesNodeOnly: true,
  score(pod, feasible) {
    const wanted = amountOf(podResources(pod).requested, 'cpu');
    return feasible.map(({ cpu, usedCpu }) => Math.max(0, (cpu - usedCpu - wanted) / 1000));
  },
  normalise: (raw) => normalise(raw, false),
});
