/**
 * When a CronJob's jobs are due. Pure.
 *
 * Source: kubernetes `pkg/controller/cronjob/utils.go`.
 */
import type { Schedule } from '#api/cron/schedule.ts';
import type { CronJob } from '#api/types.generated.ts';

/** Above so many missed starts a warning is recorded. */
const manyMissed = 100;
/** Clocks differ a little: a look that is late costs less than one that is too early. */
const paddingMs = 100;

/** The last start that is due. */
export interface DueStart {
  atMs: number | undefined;
  missed: 'none' | 'few' | 'many';
  /** The last start before, or the creation: nothing before it is due. */
  earliestMs: number;
}

/** The schedule can be read, but there is no such day. The message is upstream's. */
export class NeverDueError extends Error {
  override name = 'NeverDueError';
}

/** @throws NeverDueError */
export function lastDue(cronJob: CronJob, schedule: Schedule, nowMs: number, withDeadline: boolean): DueStart {
  const { metadata, spec, status } = cronJob;
  let earliestMs = Date.parse(status?.lastScheduleTime ?? metadata.creationTimestamp);
  if (withDeadline && spec.startingDeadlineSeconds !== undefined)
    earliestMs = Math.max(earliestMs, nowMs - Number(spec.startingDeadlineSeconds) * 1000);
  const first = schedule.next(earliestMs);
  const second = first === undefined ? undefined : schedule.next(first);
  if (first === undefined || second === undefined)
    throw new NeverDueError('time difference between two schedules is less than 1 second');
  if (nowMs < first) return { atMs: undefined, missed: 'none', earliestMs };
  if (nowMs < second) return { atMs: first, missed: 'none', earliestMs };
  // How many there are is estimated from the first two: there may be very many.
  const betweenMs = second - first;
  const count = Math.floor((nowMs - first) / betweenMs) + 1;
  let atMs: number | undefined;
  let next = schedule.next(first + (count - 2) * betweenMs);
  while (next !== undefined && next <= nowMs) {
    atMs = next;
    next = schedule.next(next);
  }
  return { atMs, missed: count > manyMissed ? 'many' : 'few', earliestMs };
}

/** How long until the CronJob is to be looked at again, in milliseconds. Undefined: never. */
export function untilNextMs(cronJob: CronJob, schedule: Schedule, nowMs: number): number | undefined {
  const next = schedule.next(nextFromMs(cronJob, schedule, nowMs));
  return next === undefined ? undefined : next + paddingMs - nowMs;
}

function nextFromMs(cronJob: CronJob, schedule: Schedule, nowMs: number): number {
  try {
    const { atMs, missed, earliestMs } = lastDue(cronJob, schedule, nowMs, false);
    return atMs ?? (missed === 'none' ? earliestMs : nowMs);
  } catch (error) {
    if (error instanceof NeverDueError) return nowMs;
    throw error;
  }
}
