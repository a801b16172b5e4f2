/** `"%s".format([…])`. Source: cel-go `ext/formatting.go`. */

import { bytesToText } from '../text.ts';
import { CelError, Duration, ListValue, MapValue, Timestamp, TypeValue, typeNameOf, Uint, type Value } from '../values.ts';
import { doubleText } from './conversions.ts';
import { durationText, timestampText } from './time-range.ts';

const clause = /%(%|(?:\.(\d+))?([a-zA-Z]))?/g;

/** @throws CelError */
export function formatString(format: string, args: ListValue): string {
  let next = 0;
  return format.replace(clause, (text, percent: string | undefined, precision: string | undefined, verb: string | undefined) => {
    if (percent === '%') return '%';
    if (verb === undefined) throw new CelError(`could not parse formatting clause: unrecognized formatting clause "${text}"`);
    if (next >= args.size) throw new CelError(`index ${next} out of range`);
    return formatOne(verb, args.at(next++), precision === undefined ? undefined : Number(precision));
  });
}

function formatOne(verb: string, value: Value, precision: number | undefined): string {
  switch (verb) {
    case 's':
      return textOf(value);
    case 'd':
      return decimal(value);
    case 'f':
      return fixed(value, precision ?? 6);
    case 'e':
      return scientific(value, precision ?? 6);
    case 'b':
      return typeof value === 'boolean' ? String(Number(value)) : integer(value, 'binary formatting').toString(2);
    case 'o':
      return integer(value, 'octal formatting').toString(8);
    case 'x':
      return hex(value);
    case 'X':
      return hex(value).toUpperCase();
    default:
      throw new CelError(`could not parse formatting clause: unrecognized formatting clause "${verb}"`);
  }
}

const wrong = (what: string, allowed: string, value: Value): CelError =>
  new CelError(`error during formatting: ${what} can only be used with ${allowed}, was given ${typeNameOf(value)}`);

function integer(value: Value, what: string): bigint {
  if (typeof value === 'bigint') return value;
  if (value instanceof Uint) return value.value;
  throw wrong(what, what.startsWith('binary') ? 'integers and bools' : 'integers', value);
}

function decimal(value: Value): string {
  if (typeof value === 'number' && !Number.isFinite(value)) return special(value);
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Uint) return String(value.value);
  throw wrong('decimal clause', 'integers', value);
}

const special = (value: number): string => (Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity');

function numberOf(value: Value, what: string): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Uint) return Number(value.value);
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') return Number(value);
  throw wrong(what, 'doubles', value);
}

function fixed(value: Value, precision: number): string {
  const number = numberOf(value, 'fixed-point clause');
  return Number.isFinite(number) ? roundHalfEven(number, Math.min(precision, 40)) : special(number);
}

/** Limit of digits: toFixed is exact up to here. */
const maxDigits = 100;

/** Like toFixed, but rounds ties to the even digit as Go does (toFixed rounds them up). */
function roundHalfEven(number: number, precision: number): string {
  const rounded = number.toFixed(precision);
  const exact = Math.abs(number).toFixed(maxDigits);
  const point = exact.indexOf('.') + 1;
  const kept = exact.slice(0, point + precision);
  if (!/^50*$/.test(exact.slice(point + precision)) || /[13579]\.?$/.test(kept)) return rounded;
  return `${number < 0 ? '-' : ''}${precision === 0 ? kept.slice(0, -1) : kept}`;
}

function scientific(value: Value, precision: number): string {
  const number = numberOf(value, 'scientific clause');
  if (!Number.isFinite(number)) return special(number);
  return number.toExponential(Math.min(precision, 100)).replace(/e([+-])(\d)$/, 'e$10$2');
}

function hex(value: Value): string {
  if (typeof value === 'string') return Buffer.from(value).toString('hex');
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (typeof value !== 'bigint' && !(value instanceof Uint))
    throw wrong('hex formatting', 'integers, byte buffers, and strings', value);
  return integer(value, 'hex formatting').toString(16);
}

function textOf(value: Value): string {
  if (typeof value === 'string') return value;
  if (value === null) return 'null';
  if (typeof value === 'number') return Number.isFinite(value) ? doubleText(value) : special(value);
  if (typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  if (value instanceof Uint) return String(value.value);
  if (value instanceof Uint8Array) return bytesToText(value) ?? Buffer.from(value).toString();
  if (value instanceof Duration) return durationText(value);
  if (value instanceof Timestamp) return timestampText(value);
  if (value instanceof TypeValue) return value.name;
  if (value instanceof ListValue) return `[${[...value].map(textOf).join(', ')}]`;
  if (value instanceof MapValue) {
    const entries = [...value.keys()].map((key) => [textOf(key), textOf(value.get(key) as Value)] as const);
    return `{${entries
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => `${key}: ${item}`)
      .join(', ')}}`;
  }
  throw wrong('string clause', 'strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps', value);
}
