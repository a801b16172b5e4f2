/**
 * What several controllers ask about pods.
 *
 * Source: kubernetes `pkg/api/v1/pod/util.go`, `pkg/controller/controller_utils.go`.
 */
import type { Pod, PodCondition } from '#api/types.generated.ts';

export function podCondition(pod: Pod, type: string): PodCondition | undefined {
  return pod.status?.conditions?.find((condition) => condition.type === type);
}

export const isPodReady = (pod: Pod): boolean => podCondition(pod, 'Ready')?.status === 'True';

/** All containers have ended, for good. */
export const isPodTerminal = (pod: Pod): boolean => pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';

/** Neither ended nor being deleted. */
export const isPodActive = (pod: Pod): boolean => !isPodTerminal(pod) && pod.metadata.deletionTimestamp === undefined;

/** Ready for at least `minReadySeconds`. */
export function isPodAvailable(pod: Pod, minReadySeconds: number, nowMs: number): boolean {
  const remainingMs = untilAvailableMs(pod, minReadySeconds, nowMs);
  return remainingMs !== undefined && remainingMs <= 0;
}

/** How long until a ready pod counts as available, not positive when it does; undefined for one that is not ready. */
export function untilAvailableMs(pod: Pod, minReadySeconds: number, nowMs: number): number | undefined {
  const ready = podCondition(pod, 'Ready');
  if (ready?.status !== 'True') return undefined;
  if (minReadySeconds === 0) return 0;
  const sinceMs = Date.parse(ready.lastTransitionTime ?? '');
  return Number.isNaN(sinceMs) ? undefined : sinceMs + minReadySeconds * 1000 - nowMs;
}

/** A pod's position in an order by age; objects without a time are the youngest. */
export function creationMs(object: { metadata: { creationTimestamp?: string | undefined } }): number {
  const ms = Date.parse(object.metadata.creationTimestamp ?? '');
  return Number.isNaN(ms) ? Number.MAX_SAFE_INTEGER : ms;
}
