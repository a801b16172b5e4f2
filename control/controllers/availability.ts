/** When pods that are ready become available. Source: kubernetes `pkg/controller/controller_utils.go`, FindMinNextPodAvailabilityCheck. */
import { untilAvailableMs } from '#api/pod/conditions.ts';
import type { Pod } from '#api/types.generated.ts';
import { done, type ReconcileResult, requeueAfter } from '#client/controller.ts';

/**
 * No event is sent when a pod has been ready for minReadySeconds, so the key is queued again for the time when the next one has.
 * Pure.
 */
export function nextAvailability(pods: readonly Pod[], minReadySeconds: number | undefined, nowMs: number): ReconcileResult {
  const waits = pods.map((pod) => untilAvailableMs(pod, minReadySeconds ?? 0, nowMs) ?? 0).filter((ms) => ms > 0);
  return waits.length === 0 ? done : requeueAfter(Math.min(...waits));
}
