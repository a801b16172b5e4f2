/** The score plugin NodeResourcesFit: how full a node would be. Source: upstream `plugins/noderesources`. */
import { amountOf } from '#api/pod/requests.ts';
import { maxNodeScore, type ScorePlugin } from '../framework.ts';
import type { NodeInfo } from '../node-info.ts';
import { podResources } from '../resources.ts';

/** A resource that counts, and how much. */
export interface ResourceWeight {
  name: string;
  weight: number;
}

/** A point of a function from utilization (percent) to score (0 to 10). */
export interface ShapePoint {
  utilization: number;
  score: number;
}

/** How resources become a score. */
export type ScoringStrategy =
  | { type: 'LeastAllocated' | 'MostAllocated'; resources: readonly ResourceWeight[] }
  | { type: 'RequestedToCapacityRatio'; resources: readonly ResourceWeight[]; shape: readonly ShapePoint[] };

/** cpu and memory, with the same weight (upstream's default of all strategies). */
export const cpuAndMemory: readonly ResourceWeight[] = [
  { name: 'cpu', weight: 1 },
  { name: 'memory', weight: 1 },
];

/** Makes the score plugin. */
export function nodeResourcesFitScore(strategy: ScoringStrategy, weight = 1): ScorePlugin {
  const { resources } = strategy;
  const scoreOne = functionOf(strategy);
  return {
    name: 'NodeResourcesFit',
    weight,
    seesNodeOnly: true,
    score(pod, feasible) {
      const { nonZero } = podResources(pod);
      const wanted = resources.map(({ name }) => amountOf(nonZero, name));
      return feasible.map((info) => {
        let sum = 0;
        let weights = 0;
        for (let index = 0; index < resources.length; index++) {
          const { name, weight: ofResource } = resources[index] as ResourceWeight;
          const pods = wanted[index] ?? 0;
          // A pod that does not ask for an extended resource is not scored by it.
          if (pods === 0 && !isNative(name)) continue;
          const capacity = name === 'cpu' ? info.cpu : name === 'memory' ? info.memory : amountOf(info.allocatable, name);
          if (capacity === 0) continue;
          const score = scoreOne(usedOf(info, name) + pods, capacity);
          if (strategy.type === 'RequestedToCapacityRatio' && score <= 0) continue;
          sum += score * ofResource;
          weights += ofResource;
        }
        if (weights === 0) return 0;
        return strategy.type === 'RequestedToCapacityRatio' ? Math.round(sum / weights) : Math.trunc(sum / weights);
      });
    },
  };
}

/** The strategy LeastAllocated with upstream's defaults: the mean of the free fractions of cpu and memory. */
export const leastAllocated: ScorePlugin = nodeResourcesFitScore({ type: 'LeastAllocated', resources: cpuAndMemory });

const isNative = (name: string): boolean => name === 'cpu' || name === 'memory' || name === 'ephemeral-storage';

/** What the node's pods have requested; cpu and memory with a small request for containers that have none. */
function usedOf(info: NodeInfo, name: string): number {
  if (name === 'cpu') return info.nonZeroCpu;
  return name === 'memory' ? info.nonZeroMemory : amountOf(info.requested, name);
}

function functionOf(strategy: ScoringStrategy): (used: number, capacity: number) => number {
  switch (strategy.type) {
    case 'LeastAllocated':
      return (used, capacity) => (used > capacity ? 0 : Math.trunc(((capacity - used) * maxNodeScore) / capacity));
    case 'MostAllocated':
      return (used, capacity) => Math.trunc((Math.min(used, capacity) * maxNodeScore) / capacity);
    case 'RequestedToCapacityRatio': {
      const at = brokenLine(strategy.shape);
      return (used, capacity) => at(used > capacity ? 100 : Math.trunc((used * 100) / capacity));
    }
  }
}

/** Scores of shapes go to 10, those of nodes to 100. */
const shapeScale = 10;

/** The function that is linear between the points. */
function brokenLine(shape: readonly ShapePoint[]): (utilization: number) => number {
  const points = shape.map(({ utilization, score }) => ({ utilization, score: score * shapeScale }));
  return (utilization) => {
    for (const [index, point] of points.entries()) {
      if (utilization > point.utilization) continue;
      const before = points[index - 1];
      if (before === undefined) return point.score;
      const share = (point.score - before.score) * (utilization - before.utilization);
      return before.score + Math.trunc(share / (point.utilization - before.utilization));
    }
    return points.at(-1)?.score ?? 0;
  };
}
