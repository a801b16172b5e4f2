/** Durations in Go's form: `1h15m30.918s`. Source: Go's package time (ParseDuration), with its error texts. */

const unitMs: ReadonlyMap<string, number> = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['μs', 1e-3],
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
]);
/** The largest duration in Go: a signed 64-bit number of nanoseconds. */
const maxMs = 2 ** 63 / 1e6;

/** Parses a duration. @returns milliseconds @throws RangeError with Go's message */
export function parseDuration(text: string): number {
  const fail = (why: string): RangeError => new RangeError(`time: ${why} ${JSON.stringify(text)}`);
  const sign = text.startsWith('-') ? -1 : 1;
  let rest = text.replace(/^[+-]/, '');
  if (rest === '0') return 0;
  if (rest === '') throw fail('invalid duration');
  let totalMs = 0;
  while (rest !== '') {
    const [, number = ''] = /^(\d*\.?\d*)/.exec(rest) ?? [];
    if (number === '' || number === '.') throw fail('invalid duration');
    rest = rest.slice(number.length);
    const [unit = ''] = /^[^\d.]*/.exec(rest) ?? [];
    if (unit === '') throw fail('missing unit in duration');
    const factor = unitMs.get(unit);
    if (factor === undefined) throw fail(`unknown unit ${JSON.stringify(unit)} in duration`);
    totalMs += Number(number) * factor;
    if (!(totalMs < maxMs)) throw fail('invalid duration');
    rest = rest.slice(unit.length);
  }
  return sign * totalMs;
}

/** A duration as Go prints it: `1h0m0.5s`, `15.123s`, `250ms`. @param ms finite */
export function formatDuration(ms: number): string {
  const nanos = Math.round(Math.abs(ms) * 1e6);
  const sign = ms < 0 && nanos !== 0 ? '-' : '';
  if (nanos === 0) return '0s';
  if (nanos < 1e3) return `${sign}${nanos}ns`;
  if (nanos < 1e6) return `${sign}${decimal(nanos, 1e3)}µs`;
  if (nanos < 1e9) return `${sign}${decimal(nanos, 1e6)}ms`;
  const minutes = Math.floor(nanos / 60e9);
  const seconds = `${decimal(nanos - minutes * 60e9, 1e9)}s`;
  if (minutes === 0) return `${sign}${seconds}`;
  const hours = Math.floor(minutes / 60);
  return `${sign}${hours === 0 ? '' : `${hours}h`}${minutes % 60}m${seconds}`;
}

/** `whole / unit` with all its digits, and no zeros at the end. */
function decimal(whole: number, unit: number): string {
  const rest = Math.round(whole % unit);
  const fraction = String(rest).padStart(Math.log10(unit), '0').replace(/0+$/, '');
  return `${Math.floor(whole / unit)}${fraction === '' ? '' : `.${fraction}`}`;
}
