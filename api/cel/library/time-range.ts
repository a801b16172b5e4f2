/** The ranges of durations and timestamps, and texts of durations. Source: cel-go `common/types/{duration,timestamp,overflow}.go`. */
import { CelError, Duration, Timestamp } from '../values.ts';

const secondNanos = 1_000_000_000n;
/** From year 1 to the end of year 9999. */
const minTimestamp = -62_135_596_800n * secondNanos;
const maxTimestamp = 253_402_300_799n * secondNanos + 999_999_999n;

/** @throws CelError beyond some 290 years, where nanoseconds no longer fit 64 bits */
export function checkDuration(nanos: bigint): Duration {
  if (BigInt.asIntN(64, nanos) !== nanos) throw new CelError('duration overflow');
  return new Duration(nanos);
}

/** @throws CelError outside the years 1 to 9999 */
export function checkTimestamp(nanos: bigint): Timestamp {
  if (nanos < minTimestamp || nanos > maxTimestamp) throw new CelError('timestamp overflow');
  return new Timestamp(nanos);
}

const unitNanos: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1000n,
  µs: 1000n,
  μs: 1000n,
  ms: 1_000_000n,
  s: secondNanos,
  m: 60n * secondNanos,
  h: 3600n * secondNanos,
};

/** Parses a duration such as `1h30m` exactly. @throws CelError with Go's text */
export function parseDurationNanos(text: string): Duration {
  const invalid = (): CelError => new CelError(`time: invalid duration ${JSON.stringify(text)}`);
  const isNegative = text.startsWith('-');
  const body = text.replace(/^[+-]/, '');
  if (body === '0') return new Duration(0n);
  if (!/^(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(body)) throw invalid();
  let total = 0n;
  for (const [, whole = '', fraction = '', unit = ''] of body.matchAll(/(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/g)) {
    const nanos = unitNanos[unit] as bigint;
    total += BigInt(whole === '' ? '0' : whole) * nanos;
    if (fraction !== '') total += (BigInt(fraction) * nanos) / 10n ** BigInt(fraction.length);
  }
  const signed = isNegative ? -total : total;
  if (BigInt.asIntN(64, signed) !== signed) throw invalid();
  return new Duration(signed);
}

/** Seconds with their fraction: `5400.5s`. */
export function durationText({ nanos }: Duration): string {
  const sign = nanos < 0n ? '-' : '';
  const size = nanos < 0n ? -nanos : nanos;
  return `${sign}${size / secondNanos}${fractionText(size % secondNanos)}s`;
}

/** RFC 3339 in UTC, with as many decimals as it takes. */
export function timestampText({ nanos }: Timestamp): string {
  const fraction = ((nanos % secondNanos) + secondNanos) % secondNanos;
  const seconds = (nanos - fraction) / secondNanos;
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}${fractionText(fraction)}Z`;
}

const fractionText = (nanos: bigint): string => (nanos === 0n ? '' : `.${nanos.toString().padStart(9, '0').replace(/0+$/, '')}`);

const timestampShape = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/;

/** Reads RFC 3339. @throws CelError */
export function parseTimestamp(text: string): Timestamp {
  const match = timestampShape.exec(text);
  if (match === null) throw invalidTimestamp(text);
  const [
    ,
    year = '',
    month = '',
    day = '',
    hour = '',
    minute = '',
    second = '',
    fraction = '',
    sign,
    zoneHour = '0',
    zoneMinute = '0',
  ] = match;
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  const isDate = date.getUTCMonth() === Number(month) - 1 && date.getUTCDate() === Number(day);
  if (
    !isDate ||
    Number(hour) > 23 ||
    Number(minute) > 59 ||
    Number(second) > 59 ||
    Number(zoneHour) > 23 ||
    Number(zoneMinute) > 59
  )
    throw invalidTimestamp(text);
  const offset = (Number(zoneHour) * 3600 + Number(zoneMinute) * 60) * (sign === '-' ? -1 : 1);
  const seconds = date.getTime() / 1000 + Number(hour) * 3600 + Number(minute) * 60 + Number(second) - offset;
  return checkTimestamp(BigInt(seconds) * secondNanos + BigInt(fraction.slice(0, 9).padEnd(9, '0')));
}

const invalidTimestamp = (text: string): CelError => new CelError(`invalid timestamp ${JSON.stringify(text)}`);
