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

/** How the pods of a node that is tried differ from those in the snapshot. */
export interface PodChanges {
  readonly added: readonly Pod[];
  readonly removed: readonly Pod[];
}

/**
 * Whether a node can run the pod. @param changes how its pods differ from the snapshot's, when a state is tried; a check that
 * counts pods elsewhere than in `info` takes them into account
 */
export type NodeCheck = (info: NodeInfo, changes?: PodChanges) => Rejection | undefined;

/**
 * The result of a filter for one pod, prepared once for all nodes. It is nothing to check; a check per node (possibly with the
 * only nodes that can match); or a refusal of all nodes.
 */
export type Filtering =
  | { kind: 'skip' }
  | {
      kind: 'check';
      check: NodeCheck;
      onlyNodes?: ReadonlySet<string>;
      /** It rejects no node as long as no pods are tried there that have affinity of their own. Default false. */
      isIdle?: boolean;
    }
  | { kind: 'refuse'; rejection: Rejection };

/** Nothing to check: upstream's status Skip of PreFilter. */
export const skip: Filtering = { kind: 'skip' };

/** A filter plugin: finds the nodes that can run a pod. */
export interface FilterPlugin {
  name: string;
  /** Its answer follows from the pod's spec and the node alone, and is remembered (`template-memo.ts`). Default false. */
  seesNodeOnly?: boolean;
  /** Prepares the check of one pod, once for all nodes. Pure. */
  prepare(pod: Pod, snapshot: Snapshot): Filtering;
}

/** A score plugin: ranks the feasible nodes. */
export interface ScorePlugin {
  name: string;
  /** The factor of this plugin's scores in the sum of all scores. */
  weight: number;
  /** As in {@link FilterPlugin}: {@link score} of each node, and whether the plugin applies, follow from pod and node alone. */
  seesNodeOnly?: boolean;
  /**
   * The plugin's own number for each feasible node, in the order of `feasible`: 0 to 100 where there is no {@link normalise}.
   * Undefined when the plugin does not apply to this pod (upstream's status Skip of PreScore).
   */
  score(pod: Pod, feasible: readonly NodeInfo[], snapshot: Snapshot): number[] | undefined;
  /** Makes scores from 0 to 100 of the numbers for all feasible nodes. */
  normalise?(raw: readonly number[]): number[];
}

/** A node, and who would have to go there. */
export interface Candidate {
  node: string;
  /** Sorted by importance, the most important first. */
  victims: readonly Pod[];
  /** Evictions that break a disruption budget. */
  violations: number;
}

/** The highest score of a plugin. */
export const maxNodeScore = 100;

/** Makes a rejection. Make it once for many nodes. */
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
  let largest = 0;
  for (const score of scores) if (score > largest) largest = score;
  if (largest === 0) return scores.map((score) => (reverse ? maxNodeScore : score));
  return scores.map((score) => {
    const scaled = Math.trunc((maxNodeScore * score) / largest);
    return reverse ? maxNodeScore - scaled : scaled;
  });
}
