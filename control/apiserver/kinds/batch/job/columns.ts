/** Columns of Jobs. Source: upstream `pkg/printers/internalversion/printers.go`. */
import { isJobConditionTrue } from '#api/batch/job.ts';
import type { Job } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import {
  ageColumn,
  ageOf,
  column,
  containerCells,
  humanDuration,
  nameColumn,
  selectorText,
  templateColumns,
} from '../../columns.ts';

/** The table of Jobs: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const jobColumns: TableColumns<Job> = {
  columns: [
    nameColumn,
    column('Status', 'How far the job has come.'),
    column('Completions', 'How many pods have succeeded, and how many have to.'),
    column('Duration', 'How long the job took, or has been running.'),
    ageColumn,
    ...templateColumns,
  ],
  cells: (job, nowMs) => [
    job.metadata.name,
    statusText(job),
    completionsText(job),
    durationText(job, nowMs),
    ageOf(job, nowMs),
    ...containerCells(job.spec.template.spec?.containers),
    selectorText(job.spec.selector) || '<none>',
  ],
};

function statusText({ metadata, status }: Job): string {
  const { conditions } = status ?? {};
  for (const type of ['Complete', 'Failed'] as const) if (isJobConditionTrue(conditions, type)) return type;
  if (metadata.deletionTimestamp !== undefined) return 'Terminating';
  for (const type of ['Suspended', 'FailureTarget', 'SuccessCriteriaMet'] as const)
    if (isJobConditionTrue(conditions, type)) return type;
  return 'Running';
}

function completionsText({ spec, status }: Job): string {
  const succeeded = status?.succeeded ?? 0;
  if (spec.completions !== undefined) return `${succeeded}/${spec.completions}`;
  const parallelism = spec.parallelism ?? 0;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function durationText({ status }: Job, nowMs: number): string {
  if (status?.startTime === undefined) return '';
  const endMs = status.completionTime === undefined ? nowMs : Date.parse(status.completionTime);
  return humanDuration(endMs - Date.parse(status.startTime));
}
