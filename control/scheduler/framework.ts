/** What a filter and a score plugin are: pure functions of the pod and the snapshot. */
import type { Pod } from '#api/types.generated.ts';
import type { NodeInfo } from './node-info.ts';
import type { Snapshot } from './snapshot.ts';

/** Why a node does not take a pod. */
export interface Rejection {
  plugin: string;
  /** In upstream's words; most plugins have one. */
  reasons: readonly string[];
  /** Whether it could take the pod if other pods were gone (upstream: Unschedulable; else UnschedulableAndUnresolvable). */
  preemptible: boolean;
}

/**
 * What a filter has to say about one pod, prepared once for all nodes:
 * nothing; a check per node (possibly only on named nodes); or a refusal of every node.
 */
export type Filtering =
  | { kind: 'skip' }
  | { kind: 'check'; check: (info: NodeInfo) => Rejection | undefined; onlyNodes?: ReadonlySet<string> }
  | { kind: 'refuse'; rejection: Rejection };

export interface FilterPlugin {
  name: string;
  prepare(pod: Pod, snapshot: Snapshot): Filtering;
}

export interface ScorePlugin {
  name: string;
  /** By which the scores are multiplied before they are added. */
  weight: number;
  /** From 0 to 100 for each feasible node, in their order; undefined when the plugin has no opinion on this pod. */
  score(pod: Pod, feasible: readonly NodeInfo[], snapshot: Snapshot): number[] | undefined;
}

export const maxNodeScore = 100;

export const rejectionOf = (plugin: string, preemptible: boolean, ...reasons: string[]): Rejection => ({
  plugin,
  reasons,
  preemptible,
});

/** Scales to 0…100 by the largest score; `reverse` makes the smallest the best (upstream's DefaultNormalizeScore). */
export function normalise(scores: readonly number[], reverse: boolean): number[] {
  const largest = Math.max(0, ...scores);
  if (largest === 0) return scores.map((score) => (reverse ? maxNodeScore : score));
  return scores.map((score) => {
    const scaled = Math.trunc((maxNodeScore * score) / largest);
    return reverse ? maxNodeScore - scaled : scaled;
  });
}
