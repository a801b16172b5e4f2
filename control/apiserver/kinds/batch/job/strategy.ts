/** Jobs. Source: upstream `pkg/registry/batch/job/strategy.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import { defineKind } from '../../define-kind.ts';
import { jobColumns } from './columns.ts';
import { setJobDefaults } from './defaults.ts';
import { generateSelector } from './selector.ts';
import { validateJobStatus } from './status-validation.ts';
import { validateJob, validateJobUpdate } from './validation.ts';
import { jobDeleteWarnings, jobWarnings } from './warnings.ts';

/** Has `/status`. Deleting a Job without a propagation policy orphans its pods, which old clients rely on. */
export const jobKind = defineKind({
  resource: 'jobs.batch',
  names: nameIsDnsSubdomain,
  checkedAgain: 'first',
  defaults: setJobDefaults,
  podTemplate: 'spec.template',
  status: { validate: validateJobStatus },
  generation: 'spec',
  prepare(job, old) {
    if (old === undefined) generateSelector(job);
  },
  validate: validateJob,
  validateUpdate: validateJobUpdate,
  warnings: jobWarnings,
  fieldSelectors: { 'status.successful': ({ status }) => String(status?.succeeded ?? 0) },
  unknownField: (field) => `field label ${JSON.stringify(field)} not supported for Job`,
  defaultPropagation: 'Orphan',
  deleteWarnings: jobDeleteWarnings,
  columns: jobColumns,
});
