/**
 * What a node is short of. Conditions follow at once when it runs short, and stay for a while after it has enough again, so that
 * a node on the edge does not swing.
 *
 * Source: upstream `pkg/kubelet/eviction` (signals, their resources, `evictionPressureTransitionPeriod`).
 */
import type { FilesystemUsage } from '#agent/host/proc.ts';
import type { Clock } from '#client/clock.ts';

/** What shortages are told from. */
export interface NodeReadings {
  memoryAvailableBytes: number;
  nodefs: FilesystemUsage;
  /** Of the images' filesystem; the node's own where the runtime does not say. */
  imagefs: FilesystemUsage;
  pids: { max: number; running: number };
}

/** When the node counts as short of something: upstream's `evictionHard`. */
export interface PressureThresholds {
  memoryAvailableBytes: number;
  /** Shares of the capacity, 0..1. */
  nodefsAvailable: number;
  nodefsInodesFree: number;
  imagefsAvailable: number;
  pidAvailable: number;
}

export const defaultThresholds: PressureThresholds = {
  memoryAvailableBytes: 100 * 1024 * 1024,
  nodefsAvailable: 0.1,
  nodefsInodesFree: 0.05,
  imagefsAvailable: 0.15,
  pidAvailable: 0,
};

export type PressureCondition = 'MemoryPressure' | 'DiskPressure' | 'PIDPressure';

/** A threshold that is met, and the resource that it counts, in upstream's words. */
export interface Shortage {
  condition: PressureCondition;
  resource: 'memory' | 'ephemeral-storage' | 'inodes' | 'pids';
}

/** For `EvictionThresholdMet`. Upstream says `Attempting to reclaim …`, which it then does; we evict nothing. Pure. */
export const thresholdMessage = ({ resource }: Shortage): string =>
  `The node is low on resource: ${resource}. It may refuse pods until it has enough; it evicts none`;

/** What the observation is short of, the most urgent first. Pure. */
export function shortages(
  { memoryAvailableBytes, nodefs, imagefs, pids }: NodeReadings,
  thresholds: PressureThresholds,
): Shortage[] {
  const storage =
    nodefs.availableBytes < nodefs.capacityBytes * thresholds.nodefsAvailable ||
    imagefs.availableBytes < imagefs.capacityBytes * thresholds.imagefsAvailable;
  const met: [boolean, Shortage][] = [
    [memoryAvailableBytes < thresholds.memoryAvailableBytes, { condition: 'MemoryPressure', resource: 'memory' }],
    [storage, { condition: 'DiskPressure', resource: 'ephemeral-storage' }],
    [nodefs.inodesFree < nodefs.inodes * thresholds.nodefsInodesFree, { condition: 'DiskPressure', resource: 'inodes' }],
    [pids.max - pids.running < pids.max * thresholds.pidAvailable, { condition: 'PIDPressure', resource: 'pids' }],
  ];
  return met.flatMap(([isMet, shortage]) => (isMet ? [shortage] : []));
}

/** Remembers when each condition was last true. */
export function createPressures(
  clock: Clock,
  transitionPeriodMs: number,
): (now: readonly Shortage[]) => ReadonlySet<PressureCondition> {
  const lastMs = new Map<PressureCondition, number>();
  return (now) => {
    for (const { condition } of now) lastMs.set(condition, clock.monotonic());
    const isHeld = ([, atMs]: [PressureCondition, number]): boolean => clock.monotonic() - atMs < transitionPeriodMs;
    return new Set([...now.map(({ condition }) => condition), ...[...lastMs].filter(isHeld).map(([condition]) => condition)]);
  };
}
