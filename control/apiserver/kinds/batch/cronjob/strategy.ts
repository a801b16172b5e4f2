/** CronJobs. Source: upstream `pkg/registry/batch/cronjob/strategy.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import { defineKind } from '../../define-kind.ts';
import { cronJobColumns } from './columns.ts';
import { setCronJobDefaults } from './defaults.ts';
import { validateCronJob } from './validation.ts';
import { cronJobWarnings } from './warnings.ts';

/** Has `/status`. The template is a Job's, so the pod template lies at `spec.jobTemplate.spec.template`. */
export const cronJobKind = defineKind({
  resource: 'cronjobs.batch',
  names: nameIsDnsSubdomain,
  defaults: setCronJobDefaults,
  podTemplate: 'spec.jobTemplate.spec.template',
  status: {},
  generation: 'spec',
  validate: validateCronJob,
  warnings: cronJobWarnings,
  columns: cronJobColumns,
});
