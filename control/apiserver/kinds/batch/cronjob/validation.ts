/** CronJobs. Source: upstream `pkg/apis/batch/validation/validation.go` (validateCronJobSpec). */
import { parseSchedule, ScheduleError } from '#api/cron/schedule.ts';
import { loadTimeZone, TimeZoneError } from '#api/cron/time-zone.ts';
import type { FieldError } from '#api/field-error.ts';
import { invalidValue, notSupported, required } from '#api/field-error.ts';
import { labelMaxLength } from '#api/names.ts';
import type { CronJob, CronJobSpec, JobSpec } from '#api/types.generated.ts';
import { validateNonNegative } from '../../../validation/paths.ts';
import { type Submitted, submitted } from '../../../validation/submitted.ts';
import { validateJobSpecParts } from '../job/spec-validation.ts';

/** A Job's name is that of its CronJob with a dash and the minute, which has ten digits. */
const maxNameBytes = labelMaxLength - 11;

/** Problems of the spec. @param old undefined on create */
export function validateCronJob({ metadata, spec }: CronJob, old: CronJob | undefined): FieldError[] {
  const errors = validateSpec(spec, old?.spec);
  // Only on create, so that CronJobs that were stored with longer names can still be changed.
  if (old === undefined && Buffer.byteLength(metadata.name) > maxNameBytes)
    errors.push(invalidValue('metadata.name', metadata.name, `must be no more than ${maxNameBytes} characters`));
  return errors;
}

function validateSpec(spec: CronJobSpec, old: CronJobSpec | undefined): FieldError[] {
  const { schedule = '' } = submitted(spec);
  return [
    ...(schedule === '' ? [required('spec.schedule')] : validateSchedule(schedule, spec, old)),
    ...validateNonNegative(spec.startingDeadlineSeconds, 'spec.startingDeadlineSeconds'),
    ...(old !== undefined && old.timeZone === spec.timeZone ? [] : validateTimeZone(spec.timeZone, 'spec.timeZone')),
    ...validateConcurrency(spec.concurrencyPolicy ?? '', 'spec.concurrencyPolicy'),
    ...validateJobTemplate(spec.jobTemplate.spec, 'spec.jobTemplate.spec'),
    ...validateNonNegative(spec.successfulJobsHistoryLimit, 'spec.successfulJobsHistoryLimit'),
    ...validateNonNegative(spec.failedJobsHistoryLimit, 'spec.failedJobsHistoryLimit'),
  ];
}

function validateSchedule(schedule: string, { timeZone }: CronJobSpec, old: Submitted<CronJobSpec> | undefined): FieldError[] {
  const path = 'spec.schedule';
  const errors: FieldError[] = [];
  try {
    parseSchedule(schedule);
  } catch (error) {
    if (!(error instanceof ScheduleError)) throw error;
    errors.push(invalidValue(path, schedule, error.message));
  }
  if (!schedule.includes('TZ')) return errors;
  // A CronJob that was stored before this was checked may keep it.
  const hadZone = old?.schedule?.includes('TZ') === true;
  if (!hadZone) errors.push(invalidValue(path, schedule, 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead'));
  else if (timeZone !== undefined)
    errors.push(invalidValue(path, schedule, 'cannot use both timeZone field and TZ or CRON_TZ in schedule'));
  return errors;
}

function validateTimeZone(name: string | undefined, path: string): FieldError[] {
  if (name === undefined) return [];
  if (name === '') return [invalidValue(path, name, 'timeZone must be nil or non-empty string')];
  const isPart = (part: string): boolean => part !== '.' && part !== '..' && /^(?!-)[A-Za-z.\-_0-9+]{1,14}$/.test(part);
  if (!name.split('/').every(isPart)) return [invalidValue(path, name, `unknown time zone ${name}`)];
  const errors: FieldError[] = [];
  if (name.toLowerCase() === 'local') {
    const text = 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones';
    errors.push(invalidValue(path, name, text));
  }
  try {
    loadTimeZone(name);
  } catch (error) {
    if (!(error instanceof TimeZoneError)) throw error;
    errors.push(invalidValue(path, name, error.message));
  }
  return errors;
}

function validateConcurrency(policy: string, path: string): FieldError[] {
  const policies = ['Allow', 'Forbid', 'Replace'];
  if (policy === '') return [required(path)];
  return policies.includes(policy) ? [] : [notSupported(path, policy, policies)];
}

function validateJobTemplate(spec: JobSpec | undefined, path: string): FieldError[] {
  if (spec === undefined) return [];
  const errors = validateJobSpecParts(spec, path);
  if (spec.selector !== undefined)
    errors.push(invalidValue(`${path}.selector`, spec.selector, '`selector` will be auto-generated'));
  if (spec.manualSelector === true) errors.push(notSupported(`${path}.manualSelector`, spec.manualSelector, ['nil', 'false']));
  return errors;
}
