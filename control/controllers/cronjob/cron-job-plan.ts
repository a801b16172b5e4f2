/**
 * Plans a CronJob's next actions: which Jobs to remove from its status or delete, and whether to start one. Pure.
 *
 * Source: kubernetes `pkg/controller/cronjob/cronjob_controllerv2.go` (syncCronJob, cleanupFinishedJobs).
 */
import { finishedCondition } from '#api/batch/job.ts';
import { parseSchedule, type Schedule, ScheduleError } from '#api/cron/schedule.ts';
import { loadTimeZone, rfc3339In, TimeZoneError } from '#api/cron/time-zone.ts';
import { errorText } from '#api/error-text.ts';
import type { New } from '#api/meta.ts';
import { controllerReference } from '#api/meta.ts';
import type { CronJob, CronJobStatus, Job } from '#api/types.generated.ts';
import { lastDue, NeverDueError, untilNextMs } from './schedule-times.ts';

/** An event about the CronJob. */
export interface CronJobEvent {
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
}

const warning = (reason: string, message: string): CronJobEvent => ({ type: 'Warning', reason, message });
const normal = (reason: string, message: string): CronJobEvent => ({ type: 'Normal', reason, message });

/** The name of the Job for a scheduled time. It is the same for each attempt, so the Job is created only once. */
export const jobNameAt = (cronJob: CronJob, atMs: number): string => `${cronJob.metadata.name}-${Math.floor(atMs / 60_000)}`;

/** The Job for a scheduled time. @throws TimeZoneError */
export function jobAt(cronJob: CronJob, atMs: number): New<Job> {
  const { metadata, spec } = cronJob;
  const { metadata: template = {}, spec: job = { template: {} } } = spec.jobTemplate;
  const scheduled = rfc3339In(loadTimeZone(spec.timeZone ?? ''), atMs);
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: jobNameAt(cronJob, atMs),
      namespace: metadata.namespace,
      labels: { ...template.labels },
      annotations: { ...template.annotations, 'batch.kubernetes.io/cronjob-scheduled-timestamp': scheduled },
      ownerReferences: [controllerReference(cronJob)],
    },
    spec: structuredClone(job),
  };
}

/** The comparison of a CronJob's Jobs with its status. */
export interface Observation {
  status: CronJobStatus;
  events: CronJobEvent[];
  /** Running Jobs that are not in the status. */
  unexpected: Job[];
  /** Jobs in the status that do not exist. */
  missing: { name: string; namespace: string; uid: string }[];
}

/** Compares the Jobs of a CronJob with its status. @param jobs the CronJob's Jobs */
export function observeJobs({ status = {} }: CronJob, jobs: readonly Job[]): Observation {
  const known = new Set((status.active ?? []).map(({ uid }) => uid));
  const finished = new Set<string>();
  const events: CronJobEvent[] = [];
  const unexpected: Job[] = [];
  let { lastSuccessfulTime } = status;
  for (const job of jobs) {
    const { uid, name } = job.metadata;
    const end = finishedCondition(job);
    if (end === undefined) {
      if (!known.has(uid)) unexpected.push(job);
      continue;
    }
    if (known.has(uid)) events.push(normal('SawCompletedJob', `Saw completed job: ${name}, condition: ${end.type}`));
    finished.add(uid);
    const completed = end.type === 'Complete' ? job.status?.completionTime : undefined;
    if (completed !== undefined && (lastSuccessfulTime === undefined || Date.parse(completed) > Date.parse(lastSuccessfulTime)))
      lastSuccessfulTime = completed;
  }
  const there = new Set(jobs.map(({ metadata }) => metadata.uid));
  const active = (status.active ?? []).filter(({ uid }) => !finished.has(uid ?? ''));
  return {
    status: { ...status, active, ...(lastSuccessfulTime === undefined ? {} : { lastSuccessfulTime }) },
    events,
    unexpected,
    missing: active
      .filter(({ uid }) => !there.has(uid ?? ''))
      .map(({ name = '', namespace = '', uid = '' }) => ({ name, namespace, uid })),
  };
}

/** The oldest finished Jobs beyond the history limits. */
export function jobsBeyondHistory({ spec }: CronJob, jobs: readonly Job[]): Job[] {
  const oldest = (type: string, limit: number | undefined): Job[] => {
    if (limit === undefined) return [];
    const ended = jobs.filter((job) => finishedCondition(job)?.type === type).sort(byStart);
    const beyond = ended.slice(0, Math.max(0, ended.length - limit));
    return beyond.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  };
  return [...oldest('Complete', spec.successfulJobsHistoryLimit), ...oldest('Failed', spec.failedJobsHistoryLimit)];
}

/** Compares Jobs by start time. Jobs that never started come last. */
function byStart(a: Job, b: Job): number {
  const startMs = ({ status }: Job): number => (status?.startTime === undefined ? Infinity : Date.parse(status.startTime));
  const [first, second] = [startMs(a), startMs(b)];
  if (first !== second) return first < second ? -1 : 1;
  return a.metadata.name < b.metadata.name ? -1 : 1;
}

/** Whether to start a Job now. */
export interface StartPlan {
  /** The scheduled time of the Job to start. */
  startAtMs?: number;
  /** Whether to delete the running Jobs first. */
  replace: boolean;
  events: CronJobEvent[];
  schedule?: Schedule;
}

/** Decides whether to start a Job. @param activeNames names of the running Jobs */
export function planStart(cronJob: CronJob, activeNames: readonly string[], nowMs: number): StartPlan {
  const { spec, status, metadata } = cronJob;
  const none = (events: CronJobEvent[], schedule?: Schedule): StartPlan => ({
    replace: false,
    events,
    ...(schedule === undefined ? {} : { schedule }),
  });
  if (metadata.deletionTimestamp !== undefined) return none([]);
  const badZone = zoneProblem(spec.timeZone);
  if (badZone !== undefined) return none([badZone]);
  if (spec.suspend === true) return none([]);
  const { schedule, events } = readSchedule(cronJob);
  if (schedule === undefined) return none(events);
  try {
    const { atMs, missed } = lastDue(cronJob, schedule, nowMs, true);
    if (atMs === undefined) return none(events, schedule);
    if (missed === 'many') {
      const advice = 'Set or decrease .spec.startingDeadlineSeconds or check clock skew';
      events.push(warning('TooManyMissedTimes', `too many missed start times. ${advice}`));
    }
    const deadlineMs = spec.startingDeadlineSeconds === undefined ? undefined : Number(spec.startingDeadlineSeconds) * 1000;
    if (deadlineMs !== undefined && atMs + deadlineMs < nowMs)
      return none([...events, warning('MissSchedule', `Missed scheduled time to start a job: ${rfc1123(atMs)}`)], schedule);
    const isStarted =
      activeNames.includes(jobNameAt(cronJob, atMs)) ||
      (status?.lastScheduleTime !== undefined && Date.parse(status.lastScheduleTime) === atMs);
    if (isStarted) return none(events, schedule);
    if (spec.concurrencyPolicy === 'Forbid' && activeNames.length > 0) {
      const text = 'Not starting job because prior execution is running and concurrency policy is Forbid';
      return none([...events, normal('JobAlreadyActive', text)], schedule);
    }
    return { startAtMs: atMs, replace: spec.concurrencyPolicy === 'Replace', events, schedule };
  } catch (error) {
    if (!(error instanceof NeverDueError)) throw error;
    return none([...events, warning('InvalidSchedule', `invalid schedule: ${spec.schedule} : ${error.message}`)]);
  }
}

/** Milliseconds until the next reconcile; undefined: only after a change. */
export const lookAgainMs = (cronJob: CronJob, schedule: Schedule | undefined, nowMs: number): number | undefined =>
  schedule === undefined ? undefined : untilNextMs(cronJob, schedule, nowMs);

function zoneProblem(timeZone: string | undefined): CronJobEvent | undefined {
  if (timeZone === undefined) return undefined;
  try {
    loadTimeZone(timeZone);
    return undefined;
  } catch (error) {
    if (!(error instanceof TimeZoneError)) throw error;
    return warning('UnknownTimeZone', `invalid timeZone: ${JSON.stringify(timeZone)}: ${error.message}`);
  }
}

function readSchedule({ spec }: CronJob): { schedule?: Schedule; events: CronJobEvent[] } {
  const { schedule: text, timeZone } = spec;
  const events: CronJobEvent[] = [];
  const hasZone = text.includes('TZ');
  if (hasZone) {
    const docs = 'https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/';
    const what = `CRON_TZ or TZ used in schedule ${JSON.stringify(text)} is not officially supported`;
    events.push(warning('UnsupportedSchedule', `${what}, see ${docs} for more details`));
  }
  try {
    return { schedule: parseSchedule(hasZone || timeZone === undefined ? text : `TZ=${timeZone} ${text}`), events };
  } catch (error) {
    if (!(error instanceof ScheduleError)) throw error;
    return {
      events: [...events, warning('UnparseableSchedule', `unparseable schedule: ${JSON.stringify(text)} : ${errorText(error)}`)],
    };
  }
}

/** `Thu, 01 Jan 2026 00:00:00 +0000`, as Go's RFC1123Z. */
const rfc1123 = (atMs: number): string => new Date(atMs).toUTCString().replace('GMT', '+0000');
