/**
 * The back-off before a Job replaces failed pods: 10 s after the first failure, doubled after each further one, up to 10 minutes. A success
 * resets it.
 *
 * Source: kubernetes `pkg/controller/job/backoff_utils.go`, `job_controller.go` (MaxJobPodFailureBackOff; the documentation still says
 * six minutes).
 */
import type { Pod } from '#api/types.generated.ts';
import { failuresBefore, finishedMs, ignoredBefore } from './pod-facts.ts';

const firstMs = 10_000;
const maxMs = 600_000;

/** The failures of a Job since its last success. */
export interface BackOff {
  failures: number;
  lastFailureMs?: number;
}

/** The state of a Job whose pods have not failed since the last success. */
export const noFailures: BackOff = { failures: 0 };

/** The state after these newly finished pods. Pure. */
export function nextBackOff(before: BackOff, succeeded: readonly Pod[], failed: readonly Pod[]): BackOff {
  const failuresMs = failed.map(finishedMs);
  if (succeeded.length > 0) {
    const lastSuccessMs = Math.max(...succeeded.map(finishedMs));
    return addFailures(
      noFailures,
      failuresMs.filter((atMs) => atMs > lastSuccessMs),
    );
  }
  return addFailures(before, failuresMs);
}

function addFailures(before: BackOff, failuresMs: readonly number[]): BackOff {
  if (failuresMs.length === 0) return before;
  return { failures: before.failures + failuresMs.length, lastFailureMs: Math.max(...failuresMs) };
}

/** Milliseconds until a pod may be created; 0: now. */
export function remainingMs({ failures, lastFailureMs }: BackOff, nowMs: number): number {
  if (failures === 0 || lastFailureMs === undefined) return 0;
  const backOffMs = Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 20));
  return Math.max(0, backOffMs - (nowMs - lastFailureMs));
}

/** The same for one index. `lastFailed` is its last failed pod, whose annotation has the number of earlier failures. */
export function remainingOfIndexMs(lastFailed: Pod | undefined, nowMs: number): number {
  if (lastFailed === undefined) return 0;
  const failures = failuresBefore(lastFailed) + ignoredBefore(lastFailed) + 1;
  return remainingMs({ failures, lastFailureMs: finishedMs(lastFailed) }, nowMs);
}
