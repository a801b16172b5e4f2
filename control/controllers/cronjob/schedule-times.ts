/**
 * When a CronJob's jobs are due. Pure.
 *
 * Source: kubernetes `pkg/controller/cronjob/utils.go`.
 */
import type { Schedule } from '#api/cron/schedule.ts';
import type { CronJob } from '#api/types.generated.ts';

/** Above so many missed starts a warning is recorded. */
const manyMissed = 100;
/** How many starts are computed one by one; beyond that their number is estimated. */
const fewSteps = 100;
/** Added to each wait: clocks differ a little, and being late is better than being too early. */
const paddingMs = 100;

/** The last scheduled time that has passed. */
export interface DueStart {
  atMs: number | undefined;
  missed: 'none' | 'few' | 'many';
  /** The last start, or the creation: earlier times are not considered. */
  earliestMs: number;
}

/** The schedule is valid, but never matches (for example February 30). The message is upstream's. */
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
  // Estimate the number of missed starts from the first two, because there may be very many.
  const betweenMs = second - first;
  const count = Math.floor((nowMs - first) / betweenMs) + 1;
  return {
    atMs: lastAfter(first + (count - 2) * betweenMs, schedule, nowMs),
    missed: count > manyMissed ? 'many' : 'few',
    earliestMs,
  };
}

/** The last scheduled time after `fromMs` that has passed. */
function lastAfter(fromMs: number, schedule: Schedule, nowMs: number): number | undefined {
  const isDue = (startMs: number | undefined): startMs is number => startMs !== undefined && startMs <= nowMs;
  let atMs: number | undefined;
  let next = schedule.next(fromMs);
  for (let steps = 0; isDue(next) && steps < fewSteps; steps++) {
    atMs = next;
    next = schedule.next(next);
  }
  if (!isDue(next)) return atMs;
  // Regular schedules have returned above. Irregular ones may have a start each minute for months, so use a binary search instead of
  // counting.
  let lowMs = next;
  let highMs = nowMs;
  while (highMs - lowMs >= 1000) {
    const middleMs = (lowMs + highMs) / 2;
    const start = schedule.next(middleMs);
    if (isDue(start)) lowMs = start;
    else highMs = middleMs;
  }
  return lowMs;
}

/** Milliseconds until the next reconcile of the CronJob. Undefined: never. */
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
