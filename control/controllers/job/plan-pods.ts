/**
 * Plans which pods an active Job creates or removes. Pure.
 *
 * Source: kubernetes `pkg/controller/job/job_controller.go` (manageJob), `indexed_job_utils.go`.
 */
import { isIndexed } from '#api/batch/job.ts';
import type { Job, Pod } from '#api/types.generated.ts';
import { inDeletionOrder } from '../pod-deletion-order.ts';
import type { Assessment } from './assess.ts';
import { remainingMs, remainingOfIndexMs } from './back-off.ts';
import { firstMissing, indexSetOf, union } from './index-set.ts';
import { completionIndex, isTerminating, replacesOnlyFailed, validIndex } from './pod-facts.ts';

/** Limit of pods that one reconcile creates or removes. */
const burst = 500;

/** The pods to remove, and how many to create. */
export interface PodPlan {
  remove: readonly Pod[];
  /** One for each pod to create: its index, or undefined in a Job without indexes. */
  create: readonly (number | undefined)[];
  /** Time in ms until missing pods may be created. */
  waitMs?: number;
}

const nothing: PodPlan = { remove: [], create: [] };

/** Compares the active pods with parallelism and completions, and honours the back-off. */
export function planPods(job: Job, pods: readonly Pod[], assessment: Assessment, nowMs: number): PodPlan {
  const { active, succeeded } = assessment;
  if (job.spec.suspend === true) return { ...nothing, remove: podsToRemove(job, active, active.length, nowMs) };
  const wanted = wantedActive(job, active.length, succeeded);
  const remove = podsToRemove(job, active, Math.max(0, active.length - wanted), nowMs).slice(0, burst);
  // Pods are either removed or created in one sync; removal comes first.
  if (remove.length > 0) return { ...nothing, remove };
  const missing = wanted - active.length - (replacesOnlyFailed(job) ? assessment.terminating : 0);
  return missing <= 0 ? nothing : planCreation(job, pods, assessment, Math.min(missing, burst), nowMs);
}

function wantedActive({ spec }: Job, active: number, succeeded: number): number {
  const { completions, parallelism = 1 } = spec;
  // A work queue Job creates no pods after the first success.
  if (completions === undefined) return succeeded > 0 ? active : parallelism;
  return Math.max(0, Math.min(completions - succeeded, parallelism));
}

function planCreation(job: Job, pods: readonly Pod[], assessment: Assessment, count: number, nowMs: number): PodPlan {
  const { indexes, active, backOff } = assessment;
  if (indexes?.failed === undefined) {
    const waitMs = remainingMs(backOff, nowMs);
    if (waitMs > 0) return { ...nothing, waitMs };
  }
  if (indexes === undefined) return { ...nothing, create: Array.from({ length: count }, () => undefined) };
  const busy = [...active, ...(replacesOnlyFailed(job) ? pods.filter(isTerminating) : [])];
  const taken = union(
    union(indexes.succeeded, indexes.failed ?? []),
    indexSetOf(busy.flatMap((pod) => completionIndex(pod) ?? [])),
  );
  const create = firstMissing(taken, count, job.spec.completions ?? 0);
  if (indexes.failed === undefined) return { ...nothing, create };
  const waits = create.map((index) => remainingOfIndexMs(indexes.delayed.get(index), nowMs));
  const now = create.filter((_, position) => waits[position] === 0);
  return now.length > 0 || waits.length === 0 ? { ...nothing, create: now } : { ...nothing, waitMs: Math.min(...waits) };
}

/** At least `atLeast` pods, including all surplus ones: those without a valid index, and duplicates of an index. */
function podsToRemove(job: Job, active: readonly Pod[], atLeast: number, nowMs: number): Pod[] {
  const extra = isIndexed(job) ? extraPods(job, active, nowMs) : [];
  if (extra.length >= atLeast) return extra;
  const left = new Set(extra);
  const rest = inDeletionOrder(
    active.filter((pod) => !left.has(pod)),
    [],
    nowMs,
  );
  return [...extra, ...rest.slice(0, atLeast - extra.length)];
}

function extraPods(job: Job, active: readonly Pod[], nowMs: number): Pod[] {
  const byIndex = Map.groupBy(active, (pod) => validIndex(pod, job));
  return [...byIndex].flatMap(([index, pods]) => (index === undefined ? pods : inDeletionOrder(pods, [], nowMs).slice(0, -1)));
}
