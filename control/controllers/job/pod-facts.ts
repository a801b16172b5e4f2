/**
 * The facts that the Job controller reads from a pod.
 *
 * Source: kubernetes `pkg/controller/job/{job_controller,indexed_job_utils,backoff_utils,tracking_utils}.go`.
 */
import { isPodTerminal, podCondition } from '#api/pod/conditions.ts';
import { isSidecar } from '#api/pod/containers.ts';
import type { ContainerStatus, Job, Pod } from '#api/types.generated.ts';

/** Holds a pod until it is counted. */
export const trackingFinalizer = 'batch.kubernetes.io/job-tracking';

/** Which index of an Indexed Job the pod works on. */
export const indexAnnotation = 'batch.kubernetes.io/job-completion-index';

/** How often pods of this index failed before this one; they count against `backoffLimitPerIndex`. */
export const failureCountAnnotation = 'batch.kubernetes.io/job-index-failure-count';

/** How often pods of this index failed in a way that the pod failure policy ignores. */
export const ignoredFailureCountAnnotation = 'batch.kubernetes.io/job-index-ignored-failure-count';

const maxInt32 = 2 ** 31 - 1;

/** Whether the pod is not counted yet. */
export const isTracked = ({ metadata }: Pod): boolean => metadata.finalizers?.includes(trackingFinalizer) === true;

/** Whether all of the pod's containers have ended well. */
export const hasSucceeded = ({ status }: Pod): boolean => status?.phase === 'Succeeded';

/** Whether the pod is being deleted and still runs. */
export const isTerminating = (pod: Pod): boolean => pod.metadata.deletionTimestamp !== undefined && !isPodTerminal(pod);

/** Whether pods are replaced only once they have ended, and not when their deletion begins. */
export const replacesOnlyFailed = ({ spec }: Job): boolean =>
  spec.podReplacementPolicy === 'Failed' || spec.podFailurePolicy !== undefined;

/**
 * Whether the pod counts as failed. A pod that is being deleted counts too, because it may never reach phase Failed, unless the Job waits
 * for that (podReplacementPolicy Failed).
 */
export function hasFailed(pod: Pod, job: Job): boolean {
  if (pod.status?.phase === 'Failed') return true;
  return !replacesOnlyFailed(job) && pod.metadata.deletionTimestamp !== undefined && !hasSucceeded(pod);
}

/** The pod's completion index; undefined when it is missing or invalid. */
export function completionIndex({ metadata }: Pod): number | undefined {
  const text = metadata.annotations?.[indexAnnotation];
  return text !== undefined && /^\+?\d+$/.test(text) ? Number(text) : undefined;
}

/** The pod's index if it is valid for the Job. */
export function validIndex(pod: Pod, { spec }: Job): number | undefined {
  const index = completionIndex(pod);
  return index !== undefined && index < (spec.completions ?? 0) ? index : undefined;
}

/** How often pods of this index failed before this one, without those that were ignored. */
export const failuresBefore = (pod: Pod): number => countOf(pod, failureCountAnnotation);

/** The value of {@link ignoredFailureCountAnnotation}; 0 where it is absent. */
export const ignoredBefore = (pod: Pod): number => countOf(pod, ignoredFailureCountAnnotation);

/** Reads a count from an annotation. Users can write anything there, so an invalid number counts as 0. */
function countOf({ metadata }: Pod, annotation: string): number {
  const text = metadata.annotations?.[annotation] ?? '';
  const count = /^\+?\d+$/.test(text) ? Number(text) : 0;
  return count <= maxInt32 ? count : 0;
}

/**
 * When the pod ended: when its last container did; else when it stopped being ready; else when its deletion began; else when it was created.
 */
export function finishedMs(pod: Pod): number {
  const { metadata, status } = pod;
  const containers = containersEndMs(pod);
  if (containers !== undefined) return containers;
  const ready = podCondition({ status }, 'Ready');
  if (ready?.status === 'False' && ready.lastTransitionTime !== undefined) return Date.parse(ready.lastTransitionTime);
  const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = metadata;
  if (deletionTimestamp !== undefined) return Date.parse(deletionTimestamp) - Number(deletionGracePeriodSeconds) * 1000;
  return Date.parse(metadata.creationTimestamp);
}

/** Sidecars end after the others. */
function containersEndMs({ spec, status }: Pod): number | undefined {
  const sidecars = new Set((spec.initContainers ?? []).filter(isSidecar).map(({ name }) => name));
  const main = lastEndMs(undefined, status?.containerStatuses ?? []);
  return lastEndMs(
    main,
    (status?.initContainerStatuses ?? []).filter(({ name }) => sidecars.has(name)),
  );
}

/** The latest end of these containers and `beforeMs`; undefined when one has not ended. */
function lastEndMs(beforeMs: number | undefined, statuses: readonly ContainerStatus[]): number | undefined {
  let latestMs = beforeMs;
  for (const { state } of statuses) {
    const finishedAt = state?.terminated?.finishedAt;
    if (finishedAt === undefined) return undefined;
    latestMs = Math.max(latestMs ?? -Infinity, Date.parse(finishedAt));
  }
  return latestMs;
}
