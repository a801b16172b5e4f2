/**
 * Time zones by their IANA names, as Go's `time.LoadLocation` knows them.
 *
 * Source: Go's package time (`zoneinfo.go`, `time.go`).
 */

/** No time zone has this name. The message is Go's. */
export class TimeZoneError extends Error {
  override name = 'TimeZoneError';
}

/** The date and time of day in a zone at one moment. `month` is 1 for January, `weekday` 0 for Sunday. */
export interface LocalTime {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
  weekday: number;
}

/** A time zone, with its changes between summer and winter time. */
export interface TimeZone {
  /** The zone's offset from UTC at that moment, in milliseconds. */
  offsetMs(atMs: number): number;
}

const utc: TimeZone = { offsetMs: () => 0 };

/**
 * Finds a zone. '' and `UTC` are UTC, and so is `Local`: our processes take their own zone to be UTC. Names are case-sensitive, as the
 * files of Go's database are. @throws TimeZoneError
 */
export function loadTimeZone(name: string): TimeZone {
  if (name === '' || name === 'UTC' || name === 'Local') return utc;
  if (name.split(/[/\\]/).includes('..') || /^[/\\]/.test(name) || name.includes('\\'))
    throw new TimeZoneError('time: invalid location name');
  if (!isKnown(name)) throw new TimeZoneError(`unknown time zone ${name}`);
  return {
    offsetMs: (atMs) => Temporal.Instant.fromEpochMilliseconds(atMs).toZonedDateTimeISO(name).offsetNanoseconds / 1e6,
  };
}

/** Temporal also takes offsets (`+01:00`) and names in any case. */
function isKnown(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    return Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name).timeZoneId === name;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** The local time of the zone at a moment. */
export function localTime(zone: TimeZone, atMs: number): LocalTime {
  const shifted = new Date(atMs + zone.offsetMs(atMs));
  return {
    year: shifted.getUTCFullYear(),
    month: shifted.getUTCMonth() + 1,
    day: shifted.getUTCDate(),
    hour: shifted.getUTCHours(),
    minute: shifted.getUTCMinutes(),
    second: shifted.getUTCSeconds(),
    weekday: shifted.getUTCDay(),
  };
}

/**
 * The moment at which clocks in the zone show this time. Days and months beyond the calendar's count on (32 January is 1 February). Of a
 * time that the clocks skip or show twice it is the moment that Go's `time.Date` gives.
 */
export function momentOf(zone: TimeZone, year: number, month: number, day: number, hour = 0): number {
  const shownMs = Date.UTC(year, month - 1, day, hour);
  const first = zone.offsetMs(shownMs);
  if (first === 0) return shownMs;
  return shownMs - zone.offsetMs(shownMs - first);
}

/** RFC 3339 with whole seconds and the zone's offset, `Z` for none: Go's `t.In(zone).Format(time.RFC3339)`. */
export function rfc3339In(zone: TimeZone, atMs: number): string {
  const offsetMs = zone.offsetMs(atMs);
  const text = new Date(atMs + offsetMs).toISOString().slice(0, 19);
  if (offsetMs === 0) return `${text}Z`;
  const minutes = Math.trunc(Math.abs(offsetMs) / 60_000);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${text}${offsetMs < 0 ? '-' : '+'}${two(Math.trunc(minutes / 60))}:${two(minutes % 60)}`;
}
