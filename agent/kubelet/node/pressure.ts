/**
 * Resource pressure of a node. A condition becomes true at once when a threshold is met, and stays true for a while after the shortage has
 * ended: otherwise a node near its threshold would change its conditions all the time.
 *
 * Source: upstream `pkg/kubelet/eviction` (signals, their resources, `evictionPressureTransitionPeriod`).
 */
import type { FilesystemUsage } from '#agent/host/proc.ts';
import type { Clock } from '#client/clock.ts';

/** The readings that thresholds are compared with. */
export interface NodeReadings {
  memoryAvailableBytes: number;
  nodefs: FilesystemUsage;
  /** The filesystem of the images; the node's own where the runtime does not say which one it is. */
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

/** Upstream's: 100 MiB of memory; 10 % of the node's disk, 15 % of the images'; 5 % of the inodes. */
export const defaultThresholds: PressureThresholds = {
  memoryAvailableBytes: 100 * 1024 * 1024,
  nodefsAvailable: 0.1,
  nodefsInodesFree: 0.05,
  imagefsAvailable: 0.15,
  pidAvailable: 0,
};

/** The pressure conditions of a Node. */
export type PressureCondition = 'MemoryPressure' | 'DiskPressure' | 'PIDPressure';

/** A threshold that is met, and its resource, with upstream's names. */
export interface Shortage {
  condition: PressureCondition;
  resource: 'memory' | 'ephemeral-storage' | 'inodes' | 'pids';
}

/**
 * The message of the event `EvictionThresholdMet`. Upstream's message also says that it attempts to reclaim; this kubelet does not evict
 * pods, so it leaves that out. Pure.
 */
export const thresholdMessage = ({ resource }: Shortage): string =>
  `The node is low on resource: ${resource}. It may refuse pods until it has enough; it evicts none`;

/** The thresholds that the observation meets, the most urgent first. Pure. */
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

/** Remembers when each condition was last true. @returns which conditions are true, given the present shortages */
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
