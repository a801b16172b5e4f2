/**
 * Cron schedules of CronJobs: five fields, `@daily` and its like, `@every 1h30m`, and a time zone in front (`TZ=Europe/Berlin `).
 *
 * Not a library: what is accepted, which error is reported and what happens where clocks change are visible to users, and have to be as in
 * the library that upstream uses.
 *
 * Source: robfig/cron v3 `parser.go` (ParseStandard), `spec.go` (Next), `constantdelay.go`; kubernetes `pkg/util/parsers`.
 */
import { parseDuration } from '../duration.ts';
import {
  daysOfMonth,
  daysOfWeek,
  type Field,
  hours,
  isDueAt,
  isNeverDue,
  minutes,
  months,
  parseField,
  ScheduleError,
} from './fields.ts';
import { loadTimeZone, localTime, momentOf, type TimeZone, TimeZoneError } from './time-zone.ts';

export { ScheduleError } from './fields.ts';

/** A schedule that has been read. */
export interface Schedule {
  /** The first time after `afterMs` at which the schedule is due; undefined: there is none within five years. */
  next(afterMs: number): number | undefined;
}

interface Fields {
  minute: Field;
  hour: Field;
  dayOfMonth: Field;
  month: Field;
  dayOfWeek: Field;
}

const fieldCount = 5;
const minuteMs = 60_000;
const hourMs = 3_600_000;
/** How far ahead to search for a due time. */
const maxYears = 5;

const descriptors: ReadonlyMap<string, string> = new Map([
  ['@yearly', '0 0 1 1 *'],
  ['@annually', '0 0 1 1 *'],
  ['@monthly', '0 0 1 * *'],
  ['@weekly', '0 0 * * 0'],
  ['@daily', '0 0 * * *'],
  ['@midnight', '0 0 * * *'],
  ['@hourly', '0 * * * *'],
]);

/** Parses a schedule. @throws ScheduleError with upstream's message */
export function parseSchedule(text: string): Schedule {
  if (text === '') throw new ScheduleError('empty spec string');
  const { zone, rest } = splitZone(text);
  if (!rest.startsWith('@')) return fieldSchedule(parseFields(rest), zone);
  const fields = descriptors.get(rest);
  if (fields !== undefined) return fieldSchedule(parseFields(fields), zone);
  const every = '@every ';
  if (!rest.startsWith(every)) throw new ScheduleError(`unrecognized descriptor: ${rest}`);
  return everySchedule(rest, rest.slice(every.length));
}

function splitZone(text: string): { zone: TimeZone; rest: string } {
  if (!text.startsWith('TZ=') && !text.startsWith('CRON_TZ=')) return { zone: loadTimeZone(''), rest: text };
  const space = text.indexOf(' ');
  // Upstream's library fails in its own code here, and upstream reports that.
  if (space < 0) throw new ScheduleError('invalid schedule format: runtime error: slice bounds out of range [:-1]');
  const name = text.slice(text.indexOf('=') + 1, space);
  try {
    return { zone: loadTimeZone(name), rest: text.slice(space).trim() };
  } catch (error) {
    if (error instanceof TimeZoneError) throw new ScheduleError(`provided bad location ${name}: ${error.message}`);
    throw error;
  }
}

function parseFields(text: string): Fields {
  const fields = text.split(/\s+/).filter((field) => field !== '');
  const [minute = '', hour = '', dayOfMonth = '', month = '', dayOfWeek = ''] = fields;
  if (fields.length !== fieldCount)
    throw new ScheduleError(`expected exactly ${fieldCount} fields, found ${fields.length}: [${fields.join(' ')}]`);
  return {
    minute: parseField(minute, minutes),
    hour: parseField(hour, hours),
    dayOfMonth: parseField(dayOfMonth, daysOfMonth),
    month: parseField(month, months),
    dayOfWeek: parseField(dayOfWeek, daysOfWeek),
  };
}

function everySchedule(text: string, duration: string): Schedule {
  const delayMs = Math.max(1000, Math.trunc(everyMs(text, duration) / 1000) * 1000);
  return { next: (afterMs) => Math.floor(afterMs / 1000) * 1000 + delayMs };
}

function everyMs(text: string, duration: string): number {
  try {
    return parseDuration(duration);
  } catch (error) {
    if (error instanceof RangeError) throw new ScheduleError(`failed to parse duration ${text}: ${error.message}`);
    throw error;
  }
}

function fieldSchedule(fields: Fields, zone: TimeZone): Schedule {
  // A field without values (`,`) is never due. Looking for a time would take long.
  const never = Object.values(fields).some(isNeverDue);
  return { next: (afterMs) => (never ? undefined : nextDue(fields, zone, afterMs)) };
}

/**
 * Moves a time forward, the largest unit first, until every field fits. When a unit wraps around, the larger ones are checked again. Steps
 * within a day are steps of real time, so a skipped hour is passed over and a repeated one comes twice, as upstream does it.
 */
function nextDue(fields: Fields, zone: TimeZone, afterMs: number): number | undefined {
  let atMs = Math.floor(afterMs / 1000) * 1000 + 1000;
  const lastYear = localTime(zone, atMs).year + maxYears;
  // Whether the smaller units have been set back to their beginning.
  let moved = false;
  for (;;) {
    const local = localTime(zone, atMs);
    if (local.year > lastYear) return undefined;
    if (!isDueAt(fields.month, local.month)) {
      atMs = momentOf(zone, local.year, local.month + 1, 1);
    } else if (!isDayDue(fields, local)) {
      atMs = nextMidnight(zone, local);
    } else if (!isDueAt(fields.hour, local.hour)) {
      atMs = (moved ? atMs : momentOf(zone, local.year, local.month, local.day, local.hour)) + hourMs;
    } else if (!isDueAt(fields.minute, local.minute)) {
      atMs = (moved ? atMs : Math.floor(atMs / minuteMs) * minuteMs) + minuteMs;
    } else if (local.second !== 0) {
      atMs += 1000 * (60 - local.second);
    } else {
      return atMs;
    }
    moved = true;
  }
}

function isDayDue({ dayOfMonth, dayOfWeek }: Fields, { day, weekday }: { day: number; weekday: number }): boolean {
  const byMonth = isDueAt(dayOfMonth, day);
  const byWeek = isDueAt(dayOfWeek, weekday);
  return dayOfMonth.star || dayOfWeek.star ? byMonth && byWeek : byMonth || byWeek;
}

/** Where there is no midnight, because clocks change then, upstream corrects by whole hours. */
function nextMidnight(zone: TimeZone, { year, month, day }: { year: number; month: number; day: number }): number {
  const atMs = momentOf(zone, year, month, day + 1);
  const { hour } = localTime(zone, atMs);
  if (hour === 0) return atMs;
  return atMs + (hour > 12 ? 24 - hour : -hour) * hourMs;
}
