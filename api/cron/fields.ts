/**
 * The fields of a cron schedule: numbers, names, ranges, steps and lists, with upstream's error texts.
 *
 * Source: robfig/cron v3 `parser.go` (getField), `spec.go` (bounds).
 */
import { parseInt64 } from '../int64.ts';

/** The schedule is malformed. The message is upstream's. */
export class ScheduleError extends Error {
  override name = 'ScheduleError';
}

/** The values that a field may have. */
export interface Bounds {
  min: number;
  max: number;
  /** In lower case. */
  names?: ReadonlyMap<string, number>;
}

/**
 * The values at which a field is due, as bits: 0 to 31 in `low`, 32 to 63 in `high`. `star`: it was written as `*` or `?`, which counts when
 * days of month and week are combined.
 */
export interface Field {
  low: number;
  high: number;
  star: boolean;
}

/** Whether the field is due at that value. */
export const isDueAt = ({ low, high }: Field, value: number): boolean =>
  ((value < 32 ? low >>> value : high >>> (value - 32)) & 1) === 1;

/** Whether the field is due at no value at all. */
export const isNeverDue = ({ low, high }: Field): boolean => low === 0 && high === 0;

const named = (first: number, names: string): Map<string, number> =>
  new Map(names.split(' ').map((name, index): [string, number] => [name, first + index]));

/** The first field of a schedule. */
export const minutes: Bounds = { min: 0, max: 59 };
/** The second field of a schedule. */
export const hours: Bounds = { min: 0, max: 23 };
/** The third field of a schedule. */
export const daysOfMonth: Bounds = { min: 1, max: 31 };
/** The fourth field of a schedule; names in three letters. */
export const months: Bounds = { min: 1, max: 12, names: named(1, 'jan feb mar apr may jun jul aug sep oct nov dec') };
/** The fifth field of a schedule: Sunday is 0; names in three letters. */
export const daysOfWeek: Bounds = { min: 0, max: 6, names: named(0, 'sun mon tue wed thu fri sat') };

/** A list of ranges, separated by commas. A list without any item is never due. @throws ScheduleError */
export function parseField(text: string, bounds: Bounds): Field {
  const field = { low: 0, high: 0, star: false };
  for (const range of text.split(',')) if (range !== '') addRange(field, range, bounds);
  return field;
}

/** `5`, `1-5`, `1-5/2`, `3/10` (from 3 to the end), `*`, `*` with a step (`/15`). */
function addRange(field: Field, text: string, bounds: Bounds): void {
  const [range = '', stepText, ...moreSteps] = text.split('/');
  const [low = '', high, ...moreEnds] = range.split('-');
  let star = low === '*' || low === '?';
  let start: number | bigint = bounds.min;
  let end: number | bigint = bounds.max;
  if (!star) {
    start = parseNumber(low, bounds.names);
    if (moreEnds.length > 0) throw new ScheduleError(`too many hyphens: ${text}`);
    end = high === undefined ? start : parseNumber(high, bounds.names);
  }
  if (moreSteps.length > 0) throw new ScheduleError(`too many slashes: ${text}`);
  let step: number | bigint = 1;
  if (stepText !== undefined) {
    step = parseNumber(stepText);
    if (high === undefined) end = bounds.max;
    if (step > 1) star = false;
  }
  checkRange(start, end, step, bounds, text);
  field.star ||= star;
  for (let value = Number(start); value <= end; value += Number(step)) {
    if (value < 32) field.low |= 1 << value;
    else field.high |= 1 << (value - 32);
  }
}

function checkRange(
  start: number | bigint,
  end: number | bigint,
  step: number | bigint,
  { min, max }: Bounds,
  text: string,
): void {
  if (start < min) throw new ScheduleError(`beginning of range (${start}) below minimum (${min}): ${text}`);
  if (end > max) throw new ScheduleError(`end of range (${end}) above maximum (${max}): ${text}`);
  if (start > end) throw new ScheduleError(`beginning of range (${start}) beyond end of range (${end}): ${text}`);
  if (step === 0) throw new ScheduleError(`step of range should be a positive number: ${text}`);
}

/** A bigint only where a number would not be exact. */
function parseNumber(text: string, names?: ReadonlyMap<string, number>): number | bigint {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  const byName = names?.get(text.toLowerCase());
  if (byName !== undefined) return byName;
  const value = integer(text);
  if (value < 0n) throw new ScheduleError(`negative number (${value}) not allowed: ${text}`);
  return value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}

function integer(text: string): bigint {
  try {
    return parseInt64(text, 'Atoi');
  } catch (error) {
    if (error instanceof RangeError) throw new ScheduleError(`failed to parse int from ${text}: ${error.message}`);
    throw error;
  }
}
