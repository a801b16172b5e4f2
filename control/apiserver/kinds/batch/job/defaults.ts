/** What the API promises for absent fields of a Job. Source: upstream `pkg/apis/batch/v1/defaults.go`. */
import type { Job, JobSpec } from '#api/types.generated.ts';

const defaultBackoffLimit = 6;
/** The backoffLimit of a Job with backoffLimitPerIndex and no backoffLimit of its own: in effect no limit for the whole Job. */
const noBackoffLimit = 2 ** 31 - 1;

/** Sets the defaults, in place. Those of the pod template are set afterwards (`define-strategy.ts`). */
export function setJobDefaults(job: Job): void {
  job.spec ??= {} as JobSpec;
  const { spec } = job;
  spec.template ??= {};
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? defaultBackoffLimit : noBackoffLimit;
  const labels = spec.template.metadata?.labels;
  // As upstream, both share one map object: a label that `selector.ts` adds to the template then also shows on the Job.
  if (labels !== undefined && Object.keys(job.metadata.labels ?? {}).length === 0) job.metadata.labels = labels;
  spec.completionMode ??= 'NonIndexed';
  spec.suspend ??= false;
  spec.podReplacementPolicy ??= spec.podFailurePolicy === undefined ? 'TerminatingOrFailed' : 'Failed';
  spec.manualSelector ??= false;
  setFailurePolicyDefaults(spec);
}

/** Sets the defaults of a pod failure policy, in place, for Jobs and for the Job template of a CronJob. */
export function setFailurePolicyDefaults({ podFailurePolicy }: JobSpec): void {
  for (const rule of podFailurePolicy?.rules ?? [])
    for (const pattern of rule.onPodConditions ?? []) if ((pattern.status ?? '') === '') pattern.status = 'True';
}
