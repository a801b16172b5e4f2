/** Reads the phase and the conditions of a pod's status. Pure. Source: upstream `pkg/api/v1/pod/util.go`. */
import { rfc3339 } from '../meta.ts';
import type { Pod, PodCondition } from '../types.generated.ts';

type WithStatus = Pick<Pod, 'status'>;

/** The pod's condition of this type; undefined when it has none. */
export const podCondition = ({ status }: WithStatus, type: string): PodCondition | undefined =>
  status?.conditions?.find((condition) => condition.type === type);

/** The conditions with this one in its place, or added last. Its time of transition stays while its status stays. Pure. @param nowMs milliseconds since 1970 */
export function withPodCondition(
  conditions: readonly PodCondition[] = [],
  wanted: Omit<PodCondition, 'lastTransitionTime'>,
  nowMs: number,
): PodCondition[] {
  const before = conditions.find(({ type }) => type === wanted.type);
  const since = before?.status === wanted.status ? before.lastTransitionTime : undefined;
  const condition: PodCondition = { ...wanted, lastTransitionTime: since ?? rfc3339(nowMs) };
  return before === undefined ? [...conditions, condition] : conditions.map((one) => (one === before ? condition : one));
}

/** Whether the pod's Ready condition is true. */
export const isPodReady = (pod: WithStatus): boolean => podCondition(pod, 'Ready')?.status === 'True';

/** Whether a pod in this phase never runs again. */
export const isTerminalPhase = (phase: string | undefined): boolean => phase === 'Succeeded' || phase === 'Failed';

/** Whether all containers of the pod have ended and will not be restarted. */
export const isPodTerminal = ({ status }: WithStatus): boolean => isTerminalPhase(status?.phase);

/** Whether the pod has not ended and is not being deleted. */
export const isPodActive = (pod: Pick<Pod, 'status' | 'metadata'>): boolean =>
  !isPodTerminal(pod) && pod.metadata.deletionTimestamp === undefined;

/** Whether the pod has been ready for at least `minReadySeconds`. */
export function isPodAvailable(pod: WithStatus, minReadySeconds: number, nowMs: number): boolean {
  const remainingMs = untilAvailableMs(pod, minReadySeconds, nowMs);
  return remainingMs !== undefined && remainingMs <= 0;
}

/**
 * Time until a ready pod counts as available, in milliseconds; zero or negative when it already does. Undefined when the pod is
 * not ready.
 */
export function untilAvailableMs(pod: WithStatus, minReadySeconds: number, nowMs: number): number | undefined {
  const ready = podCondition(pod, 'Ready');
  if (ready?.status !== 'True') return undefined;
  if (minReadySeconds === 0) return 0;
  const sinceMs = Date.parse(ready.lastTransitionTime ?? '');
  return Number.isNaN(sinceMs) ? undefined : sinceMs + minReadySeconds * 1000 - nowMs;
}
