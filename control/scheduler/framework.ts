/**
 * The interfaces of filter and score plugins. Both are pure functions of the pod and the snapshot. Source: KEP-624 (scheduling
 * framework).
 */
import type { Pod } from '#api/types.generated.ts';
import type { NodeInfo } from './node-info.ts';
import type { Snapshot } from './snapshot.ts';

/** Why a node cannot run a pod. */
export interface Rejection {
  plugin: string;
  /** The reasons in upstream's words; most plugins give one. */
  reasons: readonly string[];
  /**
   * Whether the node could run the pod if other pods were evicted (upstream's status Unschedulable; otherwise
   * UnschedulableAndUnresolvable).
   */
  preemptible: boolean;
}

/**
 * The result of a filter for one pod, prepared once for all nodes. It is nothing to check; a check per node (possibly with the
 * only nodes that can match); or a refusal of all nodes.
 */
export type Filtering =
  | { kind: 'skip' }
  | { kind: 'check'; check: (info: NodeInfo) => Rejection | undefined; onlyNodes?: ReadonlySet<string> }
  | { kind: 'refuse'; rejection: Rejection };

/** A filter plugin: finds the nodes that can run a pod. */
export interface FilterPlugin {
  name: string;
  /** Prepares the check of one pod, once for all nodes. Pure. */
  prepare(pod: Pod, snapshot: Snapshot): Filtering;
}

/** A score plugin: ranks the feasible nodes. */
export interface ScorePlugin {
  name: string;
  /** The factor of this plugin's scores in the sum of all scores. */
  weight: number;
  /**
   * A score from 0 to 100 for each feasible node, in the order of `feasible`. Undefined when the plugin does not apply to this
   * pod.
   */
  score(pod: Pod, feasible: readonly NodeInfo[], snapshot: Snapshot): number[] | undefined;
}

/** The highest score of a plugin. */
export const maxNodeScore = 100;

/** Makes a rejection. */
export const rejectionOf = (plugin: string, preemptible: boolean, ...reasons: string[]): Rejection => ({
  plugin,
  reasons,
  preemptible,
});

/**
 * Scales scores to 0…100, so that the largest becomes 100. With `reverse` the smallest score gets the highest result (upstream's
 * DefaultNormalizeScore).
 */
export function normalise(scores: readonly number[], reverse: boolean): number[] {
  const largest = Math.max(0, ...scores);
  if (largest === 0) return scores.map((score) => (reverse ? maxNodeScore : score));
  return scores.map((score) => {
    const scaled = Math.trunc((maxNodeScore * score) / largest);
    return reverse ? maxNodeScore - scaled : scaled;
  });
}
