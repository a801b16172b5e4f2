/** Scores nodes by their free resources: the emptiest ones first, and those on which cpu and memory are used evenly. */
import type { Amounts } from '#api/pod/requests.ts';
import { maxNodeScore, type ScorePlugin } from '../framework.ts';
import type { NodeInfo } from '../node-info.ts';
import { podResources } from '../resources.ts';

const scored = ['cpu', 'memory'] as const;

/** The score plugin NodeResourcesFit with the strategy LeastAllocated: the mean of the free fractions of cpu and memory. */
export const leastAllocated: ScorePlugin = {
  name: 'NodeResourcesFit',
  weight: 1,
  score: (pod, feasible) => feasible.map((info) => leastAllocatedScore(podResources(pod).nonZero, info)),
};

function leastAllocatedScore(wanted: Amounts, { allocatable, nonZeroRequested }: NodeInfo): number {
  const shares = scored.flatMap((resource) => {
    const capacity = allocatable[resource] ?? 0;
    if (capacity === 0) return [];
    const used = (nonZeroRequested[resource] ?? 0) + (wanted[resource] ?? 0);
    return [used > capacity ? 0 : Math.trunc(((capacity - used) * maxNodeScore) / capacity)];
  });
  return shares.length === 0 ? 0 : Math.trunc(shares.reduce((sum, share) => sum + share, 0) / shares.length);
}

/**
 * The score plugin NodeResourcesBalancedAllocation: how much more even the pod makes the use of cpu and memory; 75 means no
 * change.
 */
export const balancedAllocation: ScorePlugin = {
  name: 'NodeResourcesBalancedAllocation',
  weight: 1,
  score(pod, feasible) {
    const { requested } = podResources(pod);
    // A pod without requests changes nothing on any node.
    if (scored.every((resource) => (requested[resource] ?? 0) === 0)) return undefined;
    return feasible.map((info) => {
      const difference = evenness(info, requested) - evenness(info, {});
      return Math.trunc(maxNodeScore / 2 + Math.trunc((maxNodeScore / 2 + difference) / 2));
    });
  },
};

/** 100 when all used fractions are equal, reduced by their standard deviation. */
function evenness({ allocatable, requested }: NodeInfo, added: Amounts): number {
  const fractions = scored.flatMap((resource) => {
    const capacity = allocatable[resource] ?? 0;
    return capacity === 0 ? [] : [Math.min(1, ((requested[resource] ?? 0) + (added[resource] ?? 0)) / capacity)];
  });
  const [cpu, memory] = fractions;
  const deviation = cpu === undefined || memory === undefined ? 0 : Math.abs((cpu - memory) / 2);
  return Math.trunc((1 - deviation) * maxNodeScore);
}
