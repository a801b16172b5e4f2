/** Warnings about CronJobs. Source: upstream `pkg/registry/batch/cronjob/strategy.go`. */
import type { CronJob } from '#api/types.generated.ts';
import { podNameWarnings } from '../../core/pod/template.ts';
import { jobSpecWarnings } from '../job/warnings.ts';

const docs = 'https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/';

/**
 * Texts for clients: names that make odd host names, what the Job's spec warns of, a time zone within the schedule. Source:
 * upstream `pkg/registry/batch/cronjob/strategy.go`.
 */
export function cronJobWarnings(cronJob: CronJob, old: CronJob | undefined): string[] {
  const { metadata, spec } = cronJob;
  const isSame = old !== undefined && old.metadata.generation === metadata.generation;
  const job = spec.jobTemplate.spec;
  const warnings = podNameWarnings(cronJob, old);
  if (job !== undefined && !isSame) warnings.push(...jobSpecWarnings(job, 'spec.jobTemplate.spec'));
  // The path is upstream's.
  if (old !== undefined && spec.schedule.includes('TZ'))
    warnings.push(`cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see ${docs} for more details`);
  return warnings;
}
