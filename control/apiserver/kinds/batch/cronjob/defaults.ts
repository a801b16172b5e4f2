/** What the API promises for absent fields of a CronJob. Source: upstream `pkg/apis/batch/v1/defaults.go`. */
import type { CronJob, CronJobSpec, JobSpec } from '#api/types.generated.ts';
import { setFailurePolicyDefaults } from '../job/defaults.ts';

/** Sets the defaults, in place; those of the pod template are set afterwards. The defaults of Jobs are set when a Job is made. */
export function setCronJobDefaults(cronJob: CronJob): void {
  cronJob.spec ??= {} as CronJobSpec;
  const { spec } = cronJob;
  spec.jobTemplate ??= {};
  spec.jobTemplate.spec ??= {} as JobSpec;
  spec.jobTemplate.spec.template ??= {};
  if ((spec.concurrencyPolicy ?? '') === '') spec.concurrencyPolicy = 'Allow';
  spec.suspend ??= false;
  spec.successfulJobsHistoryLimit ??= 3;
  spec.failedJobsHistoryLimit ??= 1;
  setFailurePolicyDefaults(spec.jobTemplate.spec);
}
