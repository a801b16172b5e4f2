/** Columns of CronJobs. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { CronJob } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, containerCells, nameColumn, selectorText, since, templateColumns } from '../../columns.ts';

/** The table of CronJobs: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const cronJobColumns: TableColumns<CronJob> = {
  columns: [
    nameColumn,
    column('Schedule', 'When jobs are due, in cron form.'),
    column('Timezone', 'The time zone of the schedule.'),
    column('Suspend', 'Whether no further jobs are started.', 'boolean'),
    column('Active', 'How many jobs are running.', 'integer'),
    column('Last Schedule', 'The time since a job was last due and started.'),
    ageColumn,
    ...templateColumns,
  ],
  cells: (cronJob, nowMs) => {
    const { metadata, spec, status } = cronJob;
    const { spec: job } = spec.jobTemplate;
    return [
      metadata.name,
      spec.schedule,
      spec.timeZone ?? '<none>',
      spec.suspend === undefined ? '<unset>' : spec.suspend ? 'True' : 'False',
      status?.active?.length ?? 0,
      status?.lastScheduleTime === undefined ? '<none>' : since(status.lastScheduleTime, nowMs),
      ageOf(cronJob, nowMs),
      ...containerCells(job?.template.spec?.containers),
      selectorText(job?.selector) || '<none>',
    ];
  },
};
