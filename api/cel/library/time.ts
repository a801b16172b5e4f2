/** Parts of timestamps and durations. Source: cel-spec `doc/langdef.md` (Standard Definitions); cel-go `common/types/timestamp.go`. */
import { define, type Library } from '../declarations.ts';
import { CelError, type Duration, type Timestamp } from '../values.ts';

/** Date and time of day in a time zone. */
interface Clock {
  year: number;
  /** From 0. */
  month: number;
  day: number;
  weekday: number;
  hour: number;
  minute: number;
  second: number;
  millisecond: number;
  /** From 0. */
  dayOfYear: number;
}

const floorMillis = (nanos: bigint): number => Number((nanos - (((nanos % 1_000_000n) + 1_000_000n) % 1_000_000n)) / 1_000_000n);

function clockAt({ nanos }: Timestamp, zone: string): Clock {
  const date = new Date(floorMillis(nanos) + offsetMs(floorMillis(nanos), zone));
  const yearStart = new Date(date);
  yearStart.setUTCMonth(0, 1);
  yearStart.setUTCHours(0, 0, 0, 0);
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth(),
    day: date.getUTCDate(),
    weekday: date.getUTCDay(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    millisecond: date.getUTCMilliseconds(),
    dayOfYear: Math.floor((date.getTime() - yearStart.getTime()) / 86_400_000),
  };
}

const fixedOffset = /^([+-]?)(\d{1,2}):(\d{2})$/;

/** The offset of a zone from UTC at a moment, in ms. @param zone `UTC`, a name of the time zone database, or `+02:00` @throws CelError */
function offsetMs(atMs: number, zone: string): number {
  if (zone === '' || zone === 'UTC') return 0;
  const fixed = fixedOffset.exec(zone);
  if (fixed !== null) {
    const [, sign, hours, minutes] = fixed;
    return (Number(hours) * 60 + Number(minutes)) * 60_000 * (sign === '-' ? -1 : 1);
  }
  const parts = formatFor(zone).formatToParts(atMs);
  const get = (type: string): number => Number(parts.find((part) => part.type === type)?.value);
  const local = Date.UTC(get('year'), get('month') - 1, get('day'), get('hour'), get('minute'), get('second'));
  return local - Math.floor(atMs / 1000) * 1000;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatFor(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (format === undefined) {
    try {
      const two = '2-digit';
      const fields = { year: 'numeric', month: two, day: two, hour: two, minute: two, second: two, hourCycle: 'h23' } as const;
      format = new Intl.DateTimeFormat('en-US', { timeZone: zone, ...fields });
    } catch {
      throw new CelError(`unknown time zone ${zone}`);
    }
    // No limit is needed: there are about 600 zones.
    formats.set(zone, format);
  }
  return format;
}

const parts: [name: string, part: (clock: Clock) => number][] = [
  ['getFullYear', ({ year }) => year],
  ['getMonth', ({ month }) => month],
  ['getDayOfYear', ({ dayOfYear }) => dayOfYear],
  ['getDayOfMonth', ({ day }) => day - 1],
  ['getDate', ({ day }) => day],
  ['getDayOfWeek', ({ weekday }) => weekday],
  ['getHours', ({ hour }) => hour],
  ['getMinutes', ({ minute }) => minute],
  ['getSeconds', ({ second }) => second],
  ['getMilliseconds', ({ millisecond }) => millisecond],
];

const lengths: [name: string, of: (nanos: bigint) => bigint][] = [
  ['getHours', (nanos) => nanos / 3_600_000_000_000n],
  ['getMinutes', (nanos) => nanos / 60_000_000_000n],
  ['getSeconds', (nanos) => nanos / 1_000_000_000n],
  // The whole duration in ms, as upstream's engine computes it. The language definition would return only the part below a second.
  ['getMilliseconds', (nanos) => nanos / 1_000_000n],
];

/** Members of timestamps and durations: `getHours`, `getDate`, … Source: cel-spec, "Timestamps and Durations". */
export const timeLibrary: Library = [
  ...parts.flatMap(([name, part]) => [
    define(`.${name}(timestamp): int`, (moment: Timestamp) => BigInt(part(clockAt(moment, 'UTC')))),
    define(`.${name}(timestamp, string): int`, (moment: Timestamp, zone: string) => BigInt(part(clockAt(moment, zone)))),
  ]),
  ...lengths.map(([name, of]) => define(`.${name}(duration): int`, ({ nanos }: Duration) => of(nanos))),
];
