/** Conversions between types. Source: cel-spec `doc/langdef.md` (Standard Definitions); cel-go `common/stdlib/standard.go`. */
import { define, type Library } from '../declarations.ts';
import { traverses } from '../runtime-cost.ts';
import { bytesToText } from '../text.ts';
import { CelError, Duration, Timestamp, TypeValue, typeNameOf, Uint, type Value } from '../values.ts';
import { int64, uint64 } from './operators.ts';
import { checkDuration, checkTimestamp, durationText, parseDurationNanos, parseTimestamp, timestampText } from './time-range.ts';

const secondNanos = 1_000_000_000n;

/** A whole number within (-2^63, 2^63). @throws CelError */
function truncated(value: number): bigint {
  // As in upstream, the limits themselves are out of range, because a double that large is not exact.
  if (!(value > -(2 ** 63) && value < 2 ** 63)) throw new CelError('integer overflow');
  return BigInt(Math.trunc(value));
}

function truncatedUint(value: number): Uint {
  if (!(value >= 0 && value < 2 ** 64)) throw new CelError('unsigned integer overflow');
  return new Uint(BigInt(Math.trunc(value)));
}

const failed = (text: string, type: string): CelError =>
  new CelError(`type conversion error from string ${JSON.stringify(text)} to ${type}`);

function intOf(text: string): bigint {
  if (!/^[-+]?\d+$/.test(text)) throw failed(text, 'int');
  return int64(BigInt(text.replace('+', '')));
}

function uintOf(text: string): Uint {
  if (!/^\d+$/.test(text)) throw failed(text, 'uint');
  return uint64(BigInt(text));
}

function doubleOf(text: string): number {
  const special = /^([-+]?)(?:inf(?:inity)?)$/i.exec(text);
  if (special !== null) return special[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  if (/^nan$/i.test(text)) return Number.NaN;
  if (!/^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/.test(text)) throw failed(text, 'double');
  return Number(text);
}

const bools: Readonly<Record<string, boolean>> = {
  ...Object.fromEntries(['1', 't', 'T', 'TRUE', 'true', 'True'].map((text) => [text, true])),
  ...Object.fromEntries(['0', 'f', 'F', 'FALSE', 'false', 'False'].map((text) => [text, false])),
};

function boolOf(text: string): boolean {
  const value = Object.hasOwn(bools, text) ? bools[text] : undefined;
  if (value === undefined) throw failed(text, 'bool');
  return value;
}

/** As Go's `strconv.FormatFloat(value, 'g', -1, 64)`. */
export function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  if (Object.is(value, -0)) return '-0';
  const [digits = '', exponent = ''] = value.toExponential().split('e');
  const power = Number(exponent);
  if (power >= -4 && power < 21) return plainDecimal(value);
  return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}

function plainDecimal(value: number): string {
  const text = String(value);
  return text.includes('e') ? value.toFixed(Math.max(0, 20)).replace(/\.?0+$/, '') : text;
}

function validUtf8(bytes: Uint8Array): string {
  const text = bytesToText(bytes);
  if (text === undefined) throw new CelError('invalid UTF-8 in bytes, cannot convert to string');
  return text;
}

const seconds = (nanos: bigint): bigint => (nanos - (((nanos % secondNanos) + secondNanos) % secondNanos)) / secondNanos;
const same = <T extends Value>(value: T): T => value;

/** Conversions between types: `int()`, `string()`, `duration()`, … Source: cel-spec, "Type Conversions". */
export const conversionLibrary: Library = [
  define('int(int): int', same),
  define('int(uint): int', ({ value }: Uint) => int64(value)),
  define('int(double): int', truncated),
  define('int(string): int', intOf),
  define('int(timestamp): int', ({ nanos }: Timestamp) => seconds(nanos)),
  define('int(duration): int', ({ nanos }: Duration) => nanos),
  define('uint(uint): uint', same),
  define('uint(int): uint', (value: bigint) => uint64(value)),
  define('uint(double): uint', truncatedUint),
  define('uint(string): uint', uintOf),
  define('double(double): double', same),
  define('double(int): double', (value: bigint) => Number(value)),
  define('double(uint): double', ({ value }: Uint) => Number(value)),
  define('double(string): double', doubleOf),
  define('bool(bool): bool', same),
  define('bool(string): bool', boolOf),
  define('bytes(bytes): bytes', same),
  define('bytes(string): bytes', (text: string) => Buffer.from(text), { id: 'string_to_bytes', cost: traverses(0) }),
  define('string(string): string', same),
  define('string(bool): string', String),
  define('string(int): string', String),
  define('string(uint): string', ({ value }: Uint) => String(value)),
  define('string(double): string', doubleText),
  define('string(bytes): string', validUtf8, { id: 'bytes_to_string', cost: traverses(0) }),
  define('string(timestamp): string', timestampText),
  define('string(duration): string', durationText),
  define('timestamp(timestamp): timestamp', same),
  define('timestamp(string): timestamp', parseTimestamp),
  define('timestamp(int): timestamp', (value: bigint) => checkTimestamp(value * secondNanos)),
  define('duration(duration): duration', same),
  define('duration(string): duration', parseDurationNanos),
  define('duration(int): duration', (value: bigint) => checkDuration(value)),
  define('dyn(A): dyn', same, { id: 'to_dyn' }),
  define('type(A): type(A)', (value: Value) => new TypeValue(typeNameOf(value))),
];
