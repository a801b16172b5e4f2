/** Warnings about Jobs. Source: upstream `pkg/api/job/warnings.go`, `pkg/registry/batch/job/{strategy.go,storage/storage.go}`. */
import type { DeleteOptions, Job, JobSpec } from '#api/types.generated.ts';
import { podNameWarnings } from '../../core/pod/template.ts';

const manyCompletions = 100_000;
const muchParallelism = 10_000;

/**
 * Texts for clients about a valid Job, in front of those of its pod template. Source: upstream
 * `pkg/registry/batch/job/strategy.go` (WarningsOnCreate).
 */
export function jobWarnings(job: Job, old: Job | undefined): string[] {
  const isSame = old !== undefined && old.metadata.generation === job.metadata.generation;
  return [...podNameWarnings(job, old), ...(isSame ? [] : jobSpecWarnings(job.spec, 'spec'))];
}

/** Warnings about the Job's spec, without those about its pod template. @param path `spec` */
export function jobSpecWarnings({ completionMode, completions = 0, parallelism = 0 }: JobSpec, path: string): string[] {
  if (completionMode !== 'Indexed' || completions <= manyCompletions || parallelism <= muchParallelism) return [];
  const text =
    'In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail';
  return [`${path}: ${text}`];
}

/** Warns that the pods will outlive their Job, which surprises people. batch/v1 keeps this default for old clients. */
export function jobDeleteWarnings({ propagationPolicy, orphanDependents }: Partial<DeleteOptions>): string[] {
  if (propagationPolicy !== undefined || orphanDependents !== undefined) return [];
  const advice = 'set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning';
  return [`child pods are preserved by default when jobs are deleted; ${advice}`];
}
