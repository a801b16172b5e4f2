/**
 * Computes a Job's new status: counts of pods, conditions, and whether the Job ends. Pure.
 *
 * Source: kubernetes `pkg/controller/job/job_controller.go` (syncJob, enactJobFinished).
 */
import { isJobConditionTrue } from '#api/batch/job.ts';
import { rfc3339 } from '#api/meta.ts';
import type { Job, JobCondition, JobStatus } from '#api/types.generated.ts';
import type { Assessment } from './assess.ts';
import { newCondition, withCondition } from './conditions.ts';
import type { PodOutcome } from './pod-changes.ts';
import { isAllCounted } from './tracking.ts';

/** The changes of a Job's status. */
export interface Conclusion {
  status: JobStatus;
  /** The condition with which the Job ends; undefined when it does not end (yet). */
  ending: JobCondition | undefined;
  /** Events to record after the status was written. */
  events: { reason: string; message: string }[];
}

/** Computes the new status from the counts of pods and from why the Job ends, if it does. */
export function conclude(
  job: Job,
  { ending, active, succeeded }: Pick<Assessment, 'ending' | 'active' | 'succeeded'>,
  outcome: PodOutcome,
  nowMs: number,
): Conclusion {
  const { active: _, ...before } = job.status ?? {};
  const status: JobStatus = {
    ...before,
    ...(before.startTime === undefined && job.spec.suspend !== true ? { startTime: rfc3339(nowMs) } : {}),
    ...(outcome.active === 0 ? {} : { active: outcome.active }),
    ready: outcome.ready,
    terminating: outcome.terminating,
  };
  if (ending !== undefined) {
    // The Job has not ended while some pods could not be deleted.
    const isOver = outcome.removed === active.length;
    return { status: isOver ? withInterim(status, ending) : status, ending: isOver ? ending : undefined, events: [] };
  }
  if (isComplete(job, succeeded, outcome.active)) {
    const met = newCondition(
      'SuccessCriteriaMet',
      'True',
      'CompletionsReached',
      'Reached expected number of succeeded pods',
      nowMs,
    );
    return { status: withInterim(status, met), ending: met, events: [] };
  }
  return job.metadata.deletionTimestamp === undefined
    ? withSuspension(job, status, nowMs)
    : { status, ending: undefined, events: [] };
}

function isComplete({ spec: { completions } }: Job, succeeded: number, active: number): boolean {
  return active === 0 && (completions === undefined ? succeeded > 0 : succeeded >= completions);
}

/** Adds the interim condition, which is written before finalizers are removed, so that a restart does not decide again. */
function withInterim(status: JobStatus, ending: JobCondition): JobStatus {
  const { conditions = [] } = status;
  if (ending.type === 'Failed' || isJobConditionTrue(conditions, 'SuccessCriteriaMet')) return status;
  return { ...status, conditions: [...conditions, ending] };
}

function withSuspension(job: Job, status: JobStatus, nowMs: number): Conclusion {
  const { conditions = [] } = status;
  const isSuspended = job.spec.suspend === true;
  const condition = isSuspended
    ? newCondition('Suspended', 'True', 'JobSuspended', 'Job suspended', nowMs)
    : newCondition('Suspended', 'False', 'JobResumed', 'Job resumed', nowMs);
  const changed = withCondition(conditions, condition);
  if (changed === conditions) return { status, ending: undefined, events: [] };
  const { startTime: _, ...rest } = status;
  // activeDeadlineSeconds does not count while the Job is suspended, and starts again when it is resumed.
  const timed = isSuspended ? rest : { ...rest, startTime: rfc3339(nowMs) };
  const event = isSuspended ? { reason: 'Suspended', message: 'Job suspended' } : { reason: 'Resumed', message: 'Job resumed' };
  return { status: { ...timed, conditions: [...changed] }, ending: undefined, events: [event] };
}

/**
 * The status of the Job that has ended: Complete or Failed. Undefined while pods are left that are not counted or still run.
 */
export function finish(
  status: JobStatus,
  ending: JobCondition | undefined,
  terminating: number,
  nowMs: number,
): { status: JobStatus } | undefined {
  if (ending === undefined || !isAllCounted(status) || terminating > 0) return undefined;
  const { reason = '', message = '' } = ending;
  const type = ending.type === 'SuccessCriteriaMet' ? 'Complete' : 'Failed';
  const condition = newCondition(type, 'True', reason, message, nowMs);
  return {
    status: {
      ...status,
      conditions: [...withCondition(status.conditions ?? [], condition)],
      ...(type === 'Complete' ? { completionTime: rfc3339(nowMs) } : {}),
    },
  };
}
