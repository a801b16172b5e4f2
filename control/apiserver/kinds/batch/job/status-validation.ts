/**
 * The status of a Job, as our controller or another one (`managedBy`) reports it. A rule is applied only where the update changes
 * what the rule is about, so that a stored Job that already breaks it can still be updated.
 *
 * Source: upstream `pkg/registry/batch/job/strategy.go` (getStatusValidationOptions), `pkg/apis/batch/validation/validation.go`
 * (validateJobStatus, ValidateJobStatusUpdate).
 */
import { finishedCondition, isIndexed, isJobConditionTrue } from '#api/batch/job.ts';
import type { FieldError } from '#api/field-error.ts';
import { duplicate, invalidField, invalidValue, required } from '#api/field-error.ts';
import { sameJson } from '#api/meta.ts';
import type { Job, JobStatus } from '#api/types.generated.ts';
import { validateNonNegative } from '../../../validation/paths.ts';
import { semanticEqual } from '../../../validation/semantic-equal.ts';
import { goUncountedPods } from './go-policies.ts';
import { countIndexes, overlap } from './index-list.ts';

const conditionsPath = 'status.conditions';

/** What is true of a status, and which parts differ from the old one. */
interface Comparison {
  job: Job;
  status: JobStatus;
  old: JobStatus;
  is: Facts;
  was: Facts;
  /** Whether any of these parts changed. */
  changed(...parts: (keyof JobStatus | keyof Facts)[]): boolean;
}

interface Facts {
  complete: boolean;
  isFailed: boolean;
  finished: boolean;
  failureTarget: boolean;
  successCriteriaMet: boolean;
}

function factsOf({ status }: Job): Facts {
  const isTrue = (type: Parameters<typeof isJobConditionTrue>[1]): boolean => isJobConditionTrue(status?.conditions, type);
  return {
    complete: isTrue('Complete'),
    isFailed: isTrue('Failed'),
    finished: finishedCondition({ status }) !== undefined,
    failureTarget: isTrue('FailureTarget'),
    successCriteriaMet: isTrue('SuccessCriteriaMet'),
  };
}

/** All that is wrong with a new status, besides `metadata`. */
export function validateJobStatus(job: Job, oldJob: Job): FieldError[] {
  const [status, old] = [job.status ?? {}, oldJob.status ?? {}];
  const [is, was] = [factsOf(job), factsOf(oldJob)];
  const compared: Comparison = {
    job,
    status,
    old,
    is,
    was,
    changed: (...parts) =>
      parts.some((part) =>
        part in is
          ? is[part as keyof Facts] !== was[part as keyof Facts]
          : differs(part as keyof JobStatus, status[part as keyof JobStatus], old[part as keyof JobStatus]),
      ),
  };
  return [
    ...validateCounts(status),
    ...validateUncounted(status),
    ...validateEnd(compared),
    ...validateFinished(compared),
    ...validateIndexes(compared),
    ...validatePods(compared),
    ...validateSuccess(compared),
    ...validateChange(compared),
  ];
}

/**
 * Whether a part of the status changed. An absent count equals zero, where Go has no pointer; absent uncounted pods equal empty
 * ones.
 */
function differs(part: keyof JobStatus, value: unknown, old: unknown): boolean {
  if (part === 'active' || part === 'completedIndexes' || part === 'uncountedTerminatedPods') return !semanticEqual(value, old);
  return !sameJson(value, old);
}

function validateCounts(status: JobStatus): FieldError[] {
  const counts = ['active', 'succeeded', 'failed', 'ready', 'terminating'] as const;
  return counts.flatMap((name) => validateNonNegative(status[name], `status.${name}`));
}

function validateUncounted({ uncountedTerminatedPods: { succeeded = [], failed = [] } = {} }: JobStatus): FieldError[] {
  const seen = new Set<string>();
  const check = (uids: readonly string[], path: string): FieldError[] =>
    uids.flatMap((uid, index) => {
      if (uid === '') return [invalidValue(`${path}[${index}]`, uid, 'must not be empty')];
      if (seen.has(uid)) return [duplicate(`${path}[${index}]`, uid)];
      seen.add(uid);
      return [];
    });
  const path = 'status.uncountedTerminatedPods';
  return [...check(succeeded, `${path}.succeeded`), ...check(failed, `${path}.failed`)];
}

/** How the job ended, and when. */
function validateEnd({ status, is, changed }: Comparison): FieldError[] {
  const { startTime, completionTime } = status;
  const at = 'status.completionTime';
  const errors: FieldError[] = [];
  if (changed('complete', 'isFailed') && is.complete && is.isFailed)
    errors.push(invalidField(conditionsPath, 'cannot set Complete=True and Failed=true conditions'));
  if (changed('complete', 'failureTarget') && is.complete && is.failureTarget)
    errors.push(invalidField(conditionsPath, 'cannot set Complete=True and FailureTarget=true conditions'));
  if (changed('complete', 'completionTime')) {
    if (completionTime !== undefined && !is.complete)
      errors.push(invalidValue(at, completionTime, 'cannot set completionTime when there is no Complete=True condition'));
    if (completionTime === undefined && is.complete) errors.push(required(at, 'completionTime is required for Complete jobs'));
  }
  const ordered = startTime === undefined || completionTime === undefined || Date.parse(completionTime) >= Date.parse(startTime);
  if (changed('startTime', 'completionTime') && !ordered)
    errors.push(invalidValue(at, completionTime, 'must be equal to or after `startTime`'));
  if (changed('isFailed', 'failedIndexes') && is.isFailed && !is.failureTarget)
    errors.push(invalidField(conditionsPath, 'cannot set Failed=True condition without the FailureTarget=true condition'));
  if (changed('complete', 'successCriteriaMet') && is.complete && !is.successCriteriaMet)
    errors.push(invalidField(conditionsPath, 'cannot set Complete=True condition without the SuccessCriteriaMet=true condition'));
  return errors;
}

/** What the status of a Job that has ended may not contain. */
function validateFinished({ job, status, is, changed }: Comparison): FieldError[] {
  const { active = 0, startTime, uncountedTerminatedPods: uncounted } = status;
  if (!is.finished) return [];
  const errors: FieldError[] = [];
  if (changed('finished', 'active') && active > 0)
    errors.push(invalidValue('status.active', active, 'active>0 is invalid for finished job'));
  const neverStarts = job.spec.suspend === true && job.spec.completions === 0;
  if (changed('finished', 'startTime') && !neverStarts && startTime === undefined)
    errors.push(required('status.startTime', 'startTime is required for finished job'));
  const count = (uncounted?.failed ?? []).length + (uncounted?.succeeded ?? []).length;
  if (changed('finished', 'uncountedTerminatedPods') && uncounted !== undefined && count > 0) {
    const shown = goUncountedPods(uncounted);
    errors.push(invalidValue('status.uncountedTerminatedPods', shown, 'must be empty for finished job'));
  }
  return errors;
}

function validateIndexes({ job, status, changed }: Comparison): FieldError[] {
  const { completions, backoffLimitPerIndex } = job.spec;
  const { completedIndexes: completed = '', failedIndexes: failed } = status;
  const atCompleted = 'status.completedIndexes';
  const atFailed = 'status.failedIndexes';
  const [completedChanged, failedChanged] = [changed('completedIndexes'), changed('failedIndexes')];
  const errors: FieldError[] = [];
  const check = (list: string, path: string, what: string): void => {
    const counted = countIndexes(list, completions ?? 0);
    if ('error' in counted) errors.push(invalidValue(path, list, `error parsing ${what}: ${counted.error}`));
  };
  if (completedChanged && completions !== undefined) check(completed, atCompleted, 'completedIndexes');
  if (failedChanged && completions !== undefined && backoffLimitPerIndex !== undefined && failed !== undefined)
    check(failed, atFailed, 'failedIndexes');
  if (completedChanged && completed !== '' && !isIndexed(job)) {
    const text = 'cannot set non-empty completedIndexes when non-indexed completion mode';
    errors.push(invalidValue(atCompleted, completed, text));
  }
  if (failed === undefined) return errors;
  if (failedChanged && backoffLimitPerIndex === undefined)
    errors.push(invalidValue(atFailed, failed, 'cannot set non-null failedIndexes when backoffLimitPerIndex is null'));
  if ((completedChanged || failedChanged) && completions !== undefined) {
    const index = overlap(completed, failed, completions);
    if (index !== undefined)
      errors.push(invalidValue(atFailed, failed, `failedIndexes and completedIndexes overlap at index: ${index}`));
  }
  return errors;
}

function validatePods({ status, is, changed }: Comparison): FieldError[] {
  const { active = 0, ready, terminating = 0 } = status;
  const errors: FieldError[] = [];
  if (changed('finished', 'terminating') && is.finished && terminating > 0)
    errors.push(invalidValue('status.terminating', terminating, 'terminating>0 is invalid for finished job'));
  if (changed('ready', 'active') && ready !== undefined && ready > active)
    errors.push(invalidValue('status.ready', ready, 'cannot set more ready pods than active'));
  return errors;
}

function validateSuccess({ job, is }: Comparison): FieldError[] {
  const errors: FieldError[] = [];
  if (is.successCriteriaMet && is.isFailed)
    errors.push(invalidField(conditionsPath, 'cannot set SuccessCriteriaMet=True and Failed=true conditions'));
  if (is.successCriteriaMet && is.failureTarget)
    errors.push(invalidField(conditionsPath, 'cannot set SuccessCriteriaMet=True and FailureTarget=true conditions'));
  if (job.spec.successPolicy !== undefined && is.complete && !is.successCriteriaMet)
    errors.push(
      invalidField(conditionsPath, 'cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True'),
    );
  return errors;
}

/** Values that may only change in one direction. */
function validateChange(compared: Comparison): FieldError[] {
  const { job, status, old, is, was, changed } = compared;
  const { completions, parallelism, suspend } = job.spec;
  const errors: FieldError[] = [];
  for (const [type, fact] of [
    ['Failed', 'isFailed'],
    ['Complete', 'complete'],
    ['FailureTarget', 'failureTarget'],
  ] as const)
    if (was[fact] && !is[fact]) errors.push(invalidField(conditionsPath, `cannot disable the terminal ${type}=True condition`));
  if ((status.failed ?? 0) < (old.failed ?? 0))
    errors.push(invalidValue('status.failed', status.failed ?? 0, 'cannot decrease the failed counter'));
  // An indexed Job whose indexes all run at once can be scaled down, and may then count fewer.
  const mayShrink = isIndexed(job) && completions === parallelism;
  if (!mayShrink && (status.succeeded ?? 0) < (old.succeeded ?? 0))
    errors.push(invalidValue('status.succeeded', status.succeeded ?? 0, 'cannot decrease the succeeded counter'));
  if (status.completionTime !== undefined && old.completionTime !== undefined && changed('completionTime'))
    errors.push(invalidValue('status.completionTime', status.completionTime, 'field is immutable'));
  if (changed('startTime') && old.startTime !== undefined && suspend !== true && !isResuming(compared))
    errors.push(invalidValue('status.startTime', status.startTime, 'field is immutable for unsuspended job once set'));
  if (was.successCriteriaMet && !is.successCriteriaMet)
    errors.push(invalidField(conditionsPath, 'cannot disable the SuccessCriteriaMet=True condition'));
  if (was.complete && !was.successCriteriaMet && is.successCriteriaMet) {
    const text = 'cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions';
    errors.push(invalidField(conditionsPath, text));
  }
  return errors;
}

const isResuming = ({ status, old }: Comparison): boolean =>
  isJobConditionTrue(old.conditions, 'Suspended') &&
  (status.conditions ?? []).some(({ type, status: value }) => type === 'Suspended' && value === 'False');
