/**
 * Assesses a Job from its pods: how many succeeded and failed, and whether the Job must end. Pure.
 *
 * Source: kubernetes `pkg/controller/job/job_controller.go` (syncJob).
 */
import { isIndexed, trueCondition } from '#api/batch/job.ts';
import { isPodActive, isPodReady } from '#api/pod/conditions.ts';
import type { Job, JobCondition, Pod } from '#api/types.generated.ts';
import { type BackOff, nextBackOff } from './back-off.ts';
import { newCondition } from './conditions.ts';
import { judgeFailure } from './failure-policy.ts';
import { hasIndex, type IndexSet, indexSetOf, parseIndexSet, sizeOf, union } from './index-set.ts';
import {
  completionIndex,
  failuresBefore,
  finishedMs,
  hasFailed,
  hasSucceeded,
  ignoredBefore,
  isTerminating,
  isTracked,
  validIndex,
} from './pod-facts.ts';
import { metSuccessRule } from './success-policy.ts';

/** The indexes of an indexed Job. */
export interface Indexes {
  /** The indexes in the status. */
  previous: IndexSet;
  /** The indexes in the status and those that have succeeded since. */
  succeeded: IndexSet;
  /** Failed indexes. Set only with backoffLimitPerIndex. */
  failed?: IndexSet;
  /** The last failed pod of each index. It is kept until its replacement has copied the index's failure count. */
  delayed: ReadonlyMap<number, Pod>;
}

/** The assessment of a Job. */
export interface Assessment {
  active: Pod[];
  /** Number of active pods that are ready. */
  ready: number;
  /** Number of pods that are being deleted and still run. */
  terminating: number;
  /** Succeeded pods, whether counted in the status already or not. */
  succeeded: number;
  failed: number;
  backOff: BackOff;
  indexes?: Indexes;
  /** The condition with which the Job ends: SuccessCriteriaMet, FailureTarget, or Failed when the status has FailureTarget already. */
  ending?: JobCondition;
  /** Milliseconds until the Job's activeDeadlineSeconds is over. */
  deadlineInMs?: number;
}

/** Assesses a Job. @param pods all existing pods of the Job @param before the failures before this reconcile */
export function assess(job: Job, pods: readonly Pod[], before: BackOff, nowMs: number): Assessment {
  const { status = {} } = job;
  const uncounted = status.uncountedTerminatedPods ?? {};
  const active = pods.filter(isPodActive);
  const newSucceeded = uncountedPods(job, pods, uncounted.succeeded).filter(hasSucceeded);
  const newFailed = uncountedPods(job, pods, uncounted.failed).filter((pod) => hasFailed(pod, job));
  const counted = newFailed.filter((pod) => judgeFailure(job.spec.podFailurePolicy, pod).counts);
  const failed = (status.failed ?? 0) + counted.length + (uncounted.failed ?? []).length;
  const ending = endOfFailures(job, pods, failed, nowMs);
  const indexes = isIndexed(job) ? assessIndexes(job, pods, active) : undefined;
  const endOfIndexes = ending ?? (indexes === undefined ? undefined : endByIndexes(job, indexes, nowMs));
  const deadlineInMs = ending === undefined ? untilDeadlineMs(job, nowMs) : undefined;
  return {
    active,
    ready: active.filter(isPodReady).length,
    terminating: pods.filter(isTerminating).length,
    succeeded:
      indexes === undefined
        ? (status.succeeded ?? 0) + newSucceeded.length + (uncounted.succeeded ?? []).length
        : sizeOf(indexes.succeeded),
    failed,
    backOff: nextBackOff(before, newSucceeded, newFailed),
    ...(indexes === undefined ? {} : { indexes }),
    ...(endOfIndexes === undefined ? {} : { ending: endOfIndexes }),
    ...(deadlineInMs === undefined ? {} : { deadlineInMs }),
  };
}

/** Pods that are not in the status yet, neither counted nor in uncountedTerminatedPods. */
function uncountedPods(job: Job, pods: readonly Pod[], uids: readonly string[] = []): Pod[] {
  const known = new Set(uids);
  return pods.filter(
    (pod) => isTracked(pod) && !known.has(pod.metadata.uid) && (!isIndexed(job) || validIndex(pod, job) !== undefined),
  );
}

/** The reason for a failure of the Job: first one that is in the status already, then others in upstream's order. */
function endOfFailures(job: Job, pods: readonly Pod[], failed: number, nowMs: number): JobCondition | undefined {
  const { conditions } = job.status ?? {};
  const successMet = trueCondition(conditions, 'SuccessCriteriaMet');
  if (successMet !== undefined) return successMet;
  const target = trueCondition(conditions, 'FailureTarget');
  if (target !== undefined) return newCondition('Failed', 'True', target.reason ?? '', target.message ?? '', nowMs);
  const fail = (reason: string, message: string): JobCondition => newCondition('FailureTarget', 'True', reason, message, nowMs);
  const message = pods
    .filter((pod) => hasFailed(pod, job))
    .map((pod) => judgeFailure(job.spec.podFailurePolicy, pod).failJobMessage)
    .find((text) => text !== undefined);
  if (message !== undefined) return fail('PodFailurePolicy', message);
  if (failed > (job.spec.backoffLimit ?? 0) || isPastRestarts(job, pods))
    return fail('BackoffLimitExceeded', 'Job has reached the specified backoff limit');
  const leftMs = untilDeadlineMs(job, nowMs);
  if (leftMs !== undefined && leftMs <= 0) return fail('DeadlineExceeded', 'Job was active longer than specified deadline');
  return undefined;
}

/** Containers that are restarted in place count towards the limit, too. */
function isPastRestarts({ spec }: Job, pods: readonly Pod[]): boolean {
  if (spec.template.spec?.restartPolicy !== 'OnFailure') return false;
  const restarts = pods
    .filter(({ status }) => status?.phase === 'Running' || status?.phase === 'Pending')
    .flatMap(({ status }) => [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])])
    .reduce((sum, { restartCount }) => sum + restartCount, 0);
  const limit = spec.backoffLimit ?? 0;
  return limit === 0 ? restarts > 0 : restarts >= limit;
}

/** Milliseconds until the deadline. Undefined when the Job has none, or is suspended. A Job that has not started has the whole time. */
function untilDeadlineMs({ spec, status }: Job, nowMs: number): number | undefined {
  const { activeDeadlineSeconds } = spec;
  if (activeDeadlineSeconds === undefined || spec.suspend === true) return undefined;
  const startMs = status?.startTime === undefined ? nowMs : Date.parse(status.startTime);
  return startMs + Number(activeDeadlineSeconds) * 1000 - nowMs;
}

function assessIndexes(job: Job, pods: readonly Pod[], active: readonly Pod[]): Indexes {
  const { completions = 0, backoffLimitPerIndex } = job.spec;
  const tracked = pods.filter(isTracked);
  const indexesOf = (some: readonly Pod[]): IndexSet => indexSetOf(some.flatMap((pod) => validIndex(pod, job) ?? []));
  const previous = parseIndexSet(job.status?.completedIndexes, completions);
  const succeeded = union(previous, indexesOf(tracked.filter(hasSucceeded)));
  if (backoffLimitPerIndex === undefined) return { previous, succeeded, delayed: new Map() };
  const before = parseIndexSet(job.status?.failedIndexes, completions);
  const failed = union(before, indexesOf(tracked.filter((pod) => isLastFailure(pod, job, backoffLimitPerIndex))));
  return { previous, succeeded, failed, delayed: delayedPods(job, tracked, active, union(succeeded, failed)) };
}

function isLastFailure(pod: Pod, job: Job, limit: number): boolean {
  if (!hasFailed(pod, job)) return false;
  const { action, counts } = judgeFailure(job.spec.podFailurePolicy, pod);
  return action === 'FailIndex' || (counts && failuresBefore(pod) >= limit);
}

/** The last failed pod of each index that is not finished and has no active pod. */
function delayedPods(job: Job, tracked: readonly Pod[], active: readonly Pod[], ended: IndexSet): Map<number, Pod> {
  const running = new Set(active.map(completionIndex));
  const delayed = new Map<number, Pod>();
  for (const pod of tracked) {
    const index = hasFailed(pod, job) ? validIndex(pod, job) : undefined;
    if (index === undefined || running.has(index) || hasIndex(ended, index)) continue;
    const last = delayed.get(index);
    const isLater = last === undefined || (allFailures(last) <= allFailures(pod) && finishedMs(pod) >= finishedMs(last));
    if (isLater) delayed.set(index, pod);
  }
  return delayed;
}

const allFailures = (pod: Pod): number => failuresBefore(pod) + ignoredBefore(pod);

function endByIndexes(job: Job, { succeeded, failed = [] }: Indexes, nowMs: number): JobCondition | undefined {
  const { completions = 0, maxFailedIndexes } = job.spec;
  const failures = sizeOf(failed);
  const fail = (reason: string, message: string): JobCondition => newCondition('FailureTarget', 'True', reason, message, nowMs);
  if (maxFailedIndexes !== undefined && failures > maxFailedIndexes)
    return fail('MaxFailedIndexesExceeded', 'Job has exceeded the specified maximal number of failed indexes');
  if (failures > 0 && failures + sizeOf(succeeded) >= completions) return fail('FailedIndexes', 'Job has failed indexes');
  const message = metSuccessRule(job, succeeded);
  return message === undefined ? undefined : newCondition('SuccessCriteriaMet', 'True', 'SuccessPolicy', message, nowMs);
}
