/**
 * The fields of a cron schedule: numbers, names, ranges, steps and lists, with upstream's error texts.
 *
 * Source: robfig/cron v3 `parser.go` (getField), `spec.go` (bounds).
 */

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

/** The values at which a field is due. `star`: it was written as `*` or `?`, which counts when days of month and week are combined. */
export interface Field {
  values: ReadonlySet<number>;
  star: boolean;
}

const named = (first: number, names: string): Map<string, number> =>
  new Map(names.split(' ').map((name, index): [string, number] => [name, first + index]));

export const minutes: Bounds = { min: 0, max: 59 };
export const hours: Bounds = { min: 0, max: 23 };
export const daysOfMonth: Bounds = { min: 1, max: 31 };
export const months: Bounds = { min: 1, max: 12, names: named(1, 'jan feb mar apr may jun jul aug sep oct nov dec') };
export const daysOfWeek: Bounds = { min: 0, max: 6, names: named(0, 'sun mon tue wed thu fri sat') };

/** A list of ranges, separated by commas. A list without any item is never due. @throws ScheduleError */
export function parseField(text: string, bounds: Bounds): Field {
  const values = new Set<number>();
  let star = false;
  for (const range of text.split(',').filter((part) => part !== '')) {
    const one = parseRange(range, bounds);
    star ||= one.star;
    for (const value of one.values) values.add(value);
  }
  return { values, star };
}

/** `5`, `1-5`, `1-5/2`, `3/10` (from 3 to the end), `*`, `*` with a step (`/15`). */
function parseRange(text: string, bounds: Bounds): Field {
  const [range = '', stepText, ...moreSteps] = text.split('/');
  const [low = '', high, ...moreEnds] = range.split('-');
  let star = low === '*' || low === '?';
  let start = BigInt(bounds.min);
  let end = BigInt(bounds.max);
  if (!star) {
    start = parseNumber(low, bounds.names);
    if (moreEnds.length > 0) throw new ScheduleError(`too many hyphens: ${text}`);
    end = high === undefined ? start : parseNumber(high, bounds.names);
  }
  if (moreSteps.length > 0) throw new ScheduleError(`too many slashes: ${text}`);
  let step = 1n;
  if (stepText !== undefined) {
    step = parseNumber(stepText);
    if (high === undefined) end = BigInt(bounds.max);
    if (step > 1n) star = false;
  }
  checkRange(start, end, step, bounds, text);
  const values = new Set<number>();
  for (let value = start; value <= end; value += step) values.add(Number(value));
  return { values, star };
}

function checkRange(start: bigint, end: bigint, step: bigint, { min, max }: Bounds, text: string): void {
  if (start < BigInt(min)) throw new ScheduleError(`beginning of range (${start}) below minimum (${min}): ${text}`);
  if (end > BigInt(max)) throw new ScheduleError(`end of range (${end}) above maximum (${max}): ${text}`);
  if (start > end) throw new ScheduleError(`beginning of range (${start}) beyond end of range (${end}): ${text}`);
  if (step === 0n) throw new ScheduleError(`step of range should be a positive number: ${text}`);
}

function parseNumber(text: string, names?: ReadonlyMap<string, number>): bigint {
  const byName = names?.get(text.toLowerCase());
  if (byName !== undefined) return BigInt(byName);
  const fail = (why: string): ScheduleError =>
    new ScheduleError(`failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: ${why}`);
  if (!/^[+-]?\d+$/.test(text)) throw fail('invalid syntax');
  // BigInt takes long for very long texts.
  const digits = text.replace(/^([+-]?)0+(?=\d)/, '$1').replace(/^\+/, '');
  const value = digits.length > 20 ? undefined : BigInt(digits);
  if (value === undefined || BigInt.asIntN(64, value) !== value) throw fail('value out of range');
  if (value < 0n) throw new ScheduleError(`negative number (${value}) not allowed: ${text}`);
  return value;
}
