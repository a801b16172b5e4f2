/**
 * The score plugin NodeResourcesBalancedAllocation: how much more even the pod makes the use of resources; 75 means no change.
 * Source: upstream `plugins/noderesources/balanced_allocation.go`.
 */
import { type Amounts, amountOf } from '#api/pod/requests.ts';
import { maxNodeScore, type ScorePlugin } from '../framework.ts';
import type { NodeInfo } from '../node-info.ts';
import { podResources } from '../resources.ts';
import { cpuAndMemory } from './node-resources-fit.ts';

/** Makes the plugin. @param resources the names of the resources whose use is to be even */
export function balancedAllocationScore(resources: readonly string[], weight = 1): ScorePlugin {
  const isPlain = resources.length === 2 && resources[0] === 'cpu' && resources[1] === 'memory';
  return {
    name: 'NodeResourcesBalancedAllocation',
    weight,
    seesNodeOnly: true,
    score(pod, feasible) {
      const { requested } = podResources(pod);
      // A pod without requests changes nothing on any node.
      if (resources.every((resource) => amountOf(requested, resource) === 0)) return undefined;
      const [cpu, memory] = [amountOf(requested, 'cpu'), amountOf(requested, 'memory')];
      return feasible.map((info) =>
        isPlain
          ? improvement(plainEvenness(info, cpu, memory), plainEvenness(info, 0, 0))
          : improvement(evenness(info, resources, requested, true), evenness(info, resources, requested, false)),
      );
    },
  };
}

/** The plugin with upstream's defaults. */
export const balancedAllocation: ScorePlugin = balancedAllocationScore(cpuAndMemory.map(({ name }) => name));

const improvement = (withPod: number, without: number): number =>
  Math.trunc(maxNodeScore / 2 + Math.trunc((maxNodeScore / 2 + withPod - without) / 2));

/** {@link evenness} of cpu and memory. Half of the time of a decision was spent in the general form. */
function plainEvenness({ cpu, memory, usedCpu, usedMemory }: NodeInfo, moreCpu: number, moreMemory: number): number {
  if (cpu === 0 || memory === 0) return maxNodeScore;
  const [first, second] = [Math.min(1, (usedCpu + moreCpu) / cpu), Math.min(1, (usedMemory + moreMemory) / memory)];
  return Math.trunc((1 - Math.abs((first - second) / 2)) * maxNodeScore);
}

/** 100 when all used fractions are equal, reduced by their standard deviation. */
function evenness({ allocatable, requested }: NodeInfo, resources: readonly string[], pod: Amounts, isWithPod: boolean): number {
  const fractions: number[] = [];
  for (const resource of resources) {
    const capacity = amountOf(allocatable, resource);
    const more = amountOf(pod, resource);
    const isScalar = resource !== 'cpu' && resource !== 'memory' && resource !== 'ephemeral-storage';
    if (capacity === 0 || (more === 0 && isScalar)) continue;
    fractions.push(Math.min(1, (amountOf(requested, resource) + (isWithPod ? more : 0)) / capacity));
  }
  return Math.trunc((1 - deviation(fractions)) * maxNodeScore);
}

function deviation(fractions: readonly number[]): number {
  const [first = 0, second = 0] = fractions;
  if (fractions.length < 2) return 0;
  if (fractions.length === 2) return Math.abs((first - second) / 2);
  const mean = fractions.reduce((sum, fraction) => sum + fraction, 0) / fractions.length;
  return Math.sqrt(fractions.reduce((sum, fraction) => sum + (fraction - mean) ** 2, 0) / fractions.length);
}
