/**
 * How ended pods are counted, each exactly once: its UID is written to `status.uncountedTerminatedPods`, then its finalizer is removed, then
 * the UID leaves the list and the count rises. After a crash between any two steps the next look at the Job goes on. Pure.
 *
 * Source: kubernetes `pkg/controller/job/job_controller.go` (trackJobStatusAndRemoveFinalizers); KEP-2307.
 */
import { isIndexed } from '#api/batch/job.ts';
import type { Job, JobCondition, JobStatus, Pod } from '#api/types.generated.ts';
import type { Assessment } from './assess.ts';
import { judgeFailure } from './failure-policy.ts';
import { hasIndex, indexSetOf, indexSetText, sizeOf, union } from './index-set.ts';
import { completionIndex, hasFailed, hasSucceeded, isTracked, validIndex } from './pod-facts.ts';

/** Limit of pods in the status, which keeps it below about 20 KB. */
const maxUncounted = 500;

/** One step of counting the ended pods. */
export interface Tracking {
  status: JobStatus;
  /** The pods that are in the status now, or need not be counted, so their finalizers are removed. */
  release: Pod[];
  /** Whether there are more pods to count. */
  more: boolean;
}

/** Plans one step. @param ending the condition with which the Job ends; undefined while it does not */
export function track(
  job: Job,
  pods: readonly Pod[],
  { indexes }: Pick<Assessment, 'indexes'>,
  ending: JobCondition | undefined,
  before: JobStatus,
): Tracking {
  const status = countReleased(before, new Set(pods.filter(isTracked).map(({ metadata }) => metadata.uid)));
  const { succeeded = [], failed = [] } = status.uncountedTerminatedPods ?? {};
  const known = {
    succeeded: new Set(before.uncountedTerminatedPods?.succeeded),
    failed: new Set(before.uncountedTerminatedPods?.failed),
  };
  const uncounted = { succeeded: [...succeeded], failed: [...failed] };
  const newIndexes: number[] = [];
  const release: Pod[] = [];
  let more = false;
  for (const pod of inIndexOrder(job, pods)) {
    if (!isTracked(pod) || !mayRelease(job, pod, indexes, ending)) continue;
    release.push(pod);
    const { uid } = pod.metadata;
    if (hasSucceeded(pod) && !known.failed.has(uid)) {
      const index = validIndex(pod, job);
      // For Indexed Jobs, the index is enough to avoid counting twice.
      if (isIndexed(job)) {
        if (index !== undefined && !hasIndex(indexes?.previous ?? [], index)) newIndexes.push(index);
      } else if (!known.succeeded.has(uid)) uncounted.succeeded.push(uid);
    } else if (countsAsFailed(job, pod, ending) && !known.failed.has(uid)) uncounted.failed.push(uid);
    if (newIndexes.length + uncounted.succeeded.length + uncounted.failed.length >= maxUncounted) {
      more = true;
      break;
    }
  }
  const counted = { ...status, uncountedTerminatedPods: compact(uncounted) };
  return { status: withIndexes(counted, indexes, newIndexes), release, more };
}

/** Moves pods without a finalizer from the uncounted ones to the counts. @param held the UIDs of pods with a finalizer */
export function countReleased(status: JobStatus, held: ReadonlySet<string>): JobStatus {
  const { succeeded = [], failed = [] } = status.uncountedTerminatedPods ?? {};
  const left = { succeeded: succeeded.filter((uid) => held.has(uid)), failed: failed.filter((uid) => held.has(uid)) };
  return {
    ...status,
    succeeded: (status.succeeded ?? 0) + succeeded.length - left.succeeded.length,
    failed: (status.failed ?? 0) + failed.length - left.failed.length,
    uncountedTerminatedPods: compact(left),
  };
}

/** Whether nothing is left to be counted. */
export const isAllCounted = ({ uncountedTerminatedPods: { succeeded = [], failed = [] } = {} }: JobStatus): boolean =>
  succeeded.length + failed.length === 0;

/** Lists that are empty are left out, as the server leaves them out. */
const compact = ({
  succeeded,
  failed,
}: {
  succeeded: string[];
  failed: string[];
}): { succeeded?: string[]; failed?: string[] } => ({
  ...(succeeded.length === 0 ? {} : { succeeded }),
  ...(failed.length === 0 ? {} : { failed }),
});

function inIndexOrder(job: Job, pods: readonly Pod[]): readonly Pod[] {
  return isIndexed(job) ? [...pods].sort((a, b) => (completionIndex(a) ?? -1) - (completionIndex(b) ?? -1)) : pods;
}

function mayRelease(job: Job, pod: Pod, indexes: Assessment['indexes'], ending: JobCondition | undefined): boolean {
  if (job.metadata.deletionTimestamp !== undefined || ending !== undefined || hasSucceeded(pod)) return true;
  if (!hasFailed(pod, job)) return false;
  const index = completionIndex(pod);
  return index === undefined || indexes?.delayed.get(index)?.metadata.uid !== pod.metadata.uid;
}

/** When the Job fails, each pod that has not succeeded counts as failed. */
function countsAsFailed(job: Job, pod: Pod, ending: JobCondition | undefined): boolean {
  const failsWithJob = ending !== undefined && ending.type !== 'SuccessCriteriaMet';
  if (!hasFailed(pod, job) && !failsWithJob) return false;
  if (isIndexed(job) && validIndex(pod, job) === undefined) return false;
  return judgeFailure(job.spec.podFailurePolicy, pod).counts;
}

function withIndexes(status: JobStatus, indexes: Assessment['indexes'], newIndexes: readonly number[]): JobStatus {
  if (indexes === undefined) return status;
  const succeeded = union(indexes.succeeded, indexSetOf(newIndexes));
  const completedIndexes = indexSetText(succeeded);
  const { completedIndexes: _, failedIndexes: __, ...rest } = status;
  return {
    ...rest,
    succeeded: sizeOf(succeeded),
    ...(completedIndexes === '' ? {} : { completedIndexes }),
    ...(indexes.failed === undefined ? {} : { failedIndexes: indexSetText(indexes.failed) }),
  };
}
