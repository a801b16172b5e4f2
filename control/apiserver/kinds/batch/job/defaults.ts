/** What the API promises for absent fields of a Job. Source: upstream `pkg/apis/batch/v1/defaults.go`. */
import type { Job, JobSpec } from '#api/types.generated.ts';

const defaultBackoffLimit = 6;
/** With a limit for each index, that for all of them does not count unless it is set. */
const noBackoffLimit = 2 ** 31 - 1;

/** In place; the template's own come after. */
export function setJobDefaults(job: Job): void {
  job.spec ??= {} as JobSpec;
  const { spec } = job;
  spec.template ??= {};
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? defaultBackoffLimit : noBackoffLimit;
  const labels = spec.template.metadata?.labels;
  // The very same map, as upstream: what is added to the template's labels is then added to the Job's (`selector.ts`).
  if (labels !== undefined && Object.keys(job.metadata.labels ?? {}).length === 0) job.metadata.labels = labels;
  spec.completionMode ??= 'NonIndexed';
  spec.suspend ??= false;
  spec.podReplacementPolicy ??= spec.podFailurePolicy === undefined ? 'TerminatingOrFailed' : 'Failed';
  spec.manualSelector ??= false;
  setFailurePolicyDefaults(spec);
}

/** In place: of a Job's spec, also inside a CronJob. */
export function setFailurePolicyDefaults({ podFailurePolicy }: JobSpec): void {
  for (const rule of podFailurePolicy?.rules ?? [])
    for (const pattern of rule.onPodConditions ?? []) if ((pattern.status ?? '') === '') pattern.status = 'True';
}
