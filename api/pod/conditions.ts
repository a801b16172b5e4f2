/** Where a pod stands in its life, as its status tells. Pure. Source: upstream `pkg/api/v1/pod/util.go`. */
import type { Pod, PodCondition } from '../types.generated.ts';

type WithStatus = Pick<Pod, 'status'>;

export const podCondition = ({ status }: WithStatus, type: string): PodCondition | undefined =>
  status?.conditions?.find((condition) => condition.type === type);

export const isPodReady = (pod: WithStatus): boolean => podCondition(pod, 'Ready')?.status === 'True';

export const isTerminalPhase = (phase: string | undefined): boolean => phase === 'Succeeded' || phase === 'Failed';

/** All containers have ended, for good. */
export const isPodTerminal = ({ status }: WithStatus): boolean => isTerminalPhase(status?.phase);

/** Neither ended nor being deleted. */
export const isPodActive = (pod: Pick<Pod, 'status' | 'metadata'>): boolean =>
  !isPodTerminal(pod) && pod.metadata.deletionTimestamp === undefined;

/** Ready for at least `minReadySeconds`. */
export function isPodAvailable(pod: WithStatus, minReadySeconds: number, nowMs: number): boolean {
  const remainingMs = untilAvailableMs(pod, minReadySeconds, nowMs);
  return remainingMs !== undefined && remainingMs <= 0;
}

/** How long until a ready pod counts as available, not positive when it does; undefined for one that is not ready. */
export function untilAvailableMs(pod: WithStatus, minReadySeconds: number, nowMs: number): number | undefined {
  const ready = podCondition(pod, 'Ready');
  if (ready?.status !== 'True') return undefined;
  if (minReadySeconds === 0) return 0;
  const sinceMs = Date.parse(ready.lastTransitionTime ?? '');
  return Number.isNaN(sinceMs) ? undefined : sinceMs + minReadySeconds * 1000 - nowMs;
}
