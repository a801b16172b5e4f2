/** Conditions of a Job. Source: kubernetes `pkg/controller/job/job_controller.go` (newCondition, ensureJobConditionStatus). */
import type { JobConditionType } from '#api/batch/job.ts';
import { rfc3339 } from '#api/meta.ts';
import type { JobCondition } from '#api/types.generated.ts';

/** A condition of the Job; both of its times are now. */
export function newCondition(
  type: JobConditionType,
  status: 'True' | 'False',
  reason: string,
  message: string,
  nowMs: number,
): JobCondition {
  return { type, status, reason, message, lastProbeTime: rfc3339(nowMs), lastTransitionTime: rfc3339(nowMs) };
}

/**
 * Replaces the condition of this type. A condition with status False is not added if there was none. Returns the same list when nothing
 * changes.
 */
export function withCondition(conditions: readonly JobCondition[], one: JobCondition): readonly JobCondition[] {
  const present = conditions.find(({ type }) => type === one.type);
  if (present === undefined) return one.status === 'False' ? conditions : [...conditions, one];
  const isSame = present.status === one.status && present.reason === one.reason && present.message === one.message;
  return isSame ? conditions : conditions.map((condition) => (condition === present ? one : condition));
}
