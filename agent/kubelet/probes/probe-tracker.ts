/** Counts a probe's successes and failures in a row against its thresholds. Pure. */
import type { Probe } from '#api/types.generated.ts';

/** The last result of a probe, and how often in a row it came (`run`). */
export interface ProbeTracker {
  last: 'success' | 'failure' | undefined;
  run: number;
}

/** The tracker of a container that was not probed yet. */
export const freshTracker: ProbeTracker = { last: undefined, run: 0 };

/** The tracker after one more result, and the verdict once a threshold is reached. */
export function track(
  tracker: ProbeTracker,
  result: 'success' | 'failure',
  probe: Probe,
): { tracker: ProbeTracker; verdict: 'success' | 'failure' | undefined } {
  const run = tracker.last === result ? tracker.run + 1 : 1;
  const threshold = result === 'failure' ? (probe.failureThreshold ?? 3) : (probe.successThreshold ?? 1);
  return { tracker: { last: result, run }, verdict: run >= threshold ? result : undefined };
}
