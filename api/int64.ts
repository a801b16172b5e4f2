/**
 * The int64 fields of the API. JavaScript's numbers are exact up to 2^53. A larger integer is kept as a bigint, so that every
 * form (JSON, YAML, protobuf, patches, the store) preserves it. The types say `number`: a bigint compares like a number. Code
 * that calculates with such a field calls {@link toNumber} first.
 */
import { randomUUID } from 'node:crypto';

/** The value that a field of type int64 holds for this integer: a number, or beyond 2^53 a bigint. */
export function int64Value(value: bigint): number {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : (value as unknown as number);
}

/** The longest texts of integers of 64 bits: a sign and 19 digits, or 20 digits. BigInt takes long to read a very long text. */
const maxLength64 = 20;

/** The value of a JSON number. An integer within int64 is exact; any other number is what JSON.parse makes of it. */
export function numberFromText(text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) || text.length > maxLength64 || !/^-?[0-9]+$/.test(text)) return number;
  const exact = BigInt(text);
  return BigInt.asIntN(64, exact) === exact ? int64Value(exact) : number;
}

/** An integer of 64 bits, as Go's `strconv.ParseInt` takes it. @param call the function that Go's text names @throws RangeError with Go's text */
export const parseInt64 = (text: string, call: 'ParseInt' | 'Atoi' = 'ParseInt'): bigint =>
  valueOrThrow(call, text, readInt64(text));

/** Like {@link parseInt64}, but undefined instead of an error. */
export function tryParseInt64(text: string): bigint | undefined {
  const read = readInt64(text);
  return typeof read === 'bigint' ? read : undefined;
}

/** An integer of 64 bits without a sign, as Go's `strconv.ParseUint` takes it. @throws RangeError with Go's text */
export const parseUint64 = (text: string): bigint =>
  valueOrThrow(
    'ParseUint',
    text,
    readInteger(text, /^\d+$/, (value) => BigInt.asUintN(64, value)),
  );

type NumberProblem = 'invalid syntax' | 'value out of range';

function valueOrThrow(call: string, text: string, read: bigint | NumberProblem): bigint {
  if (typeof read === 'bigint') return read;
  throw new RangeError(`strconv.${call}: parsing ${JSON.stringify(text)}: ${read}`);
}

const readInt64 = (text: string): bigint | NumberProblem => readInteger(text, /^[-+]?\d+$/, (value) => BigInt.asIntN(64, value));

function readInteger(text: string, shape: RegExp, wrapped: (value: bigint) => bigint): bigint | NumberProblem {
  if (!shape.test(text)) return 'invalid syntax';
  const digits = text.replace(/^([-+]?)0+(?=\d)/, '$1').replace(/^\+/, '');
  if (digits.length > maxLength64) return 'value out of range';
  const value = BigInt(digits);
  return wrapped(value) === value ? value : 'value out of range';
}

/** Whether the value is an integer in a field of type int64: an integral number or a bigint. */
export const isInt64 = (value: unknown): boolean => Number.isInteger(value) || typeof value === 'bigint';

/** The nearest number, for arithmetic. */
export const toNumber = (value: number): number => Number(value);

/** The next value of a counter such as `generation`. Overflow wraps as Go's int64 does. */
export const nextInt64 = (value: number): number => int64Value(BigInt.asIntN(64, BigInt(value) + 1n));

/**
 * Finds a number that may be beyond 2^53. It may also match inside a string. Few texts match, so that most can use the faster
 * JSON.parse.
 */
const mayBeLarge = /(?:^|[:,[\s])-?[1-9][0-9]{15,}(?:[,}\]\s]|$)/;

/** Matches strings, in order to skip them, and integers of 16 and more digits at the place of a value. */
const stringsAndLarge = /"[^"\\]*(?:\\.[^"\\]*)*"|(?<![\w.+-])-?[1-9][0-9]{15,}(?=\s*(?:[,}\]]|$))/g;

/** Marks an integer that passes through JSON.parse as a string. It is random per process, so no client can send it. */
const mark = `${randomUUID()}:`;

/**
 * JSON.parse that keeps integers beyond 2^53 exact. For text with such integers it takes up to twice the time (a reviver would
 * take nine times), so one such object does not slow down its whole list. @throws SyntaxError
 */
export function parseExact(text: string): unknown {
  if (!mayBeLarge.test(text)) return JSON.parse(text);
  let marked = 0;
  const withMarks = text.replace(stringsAndLarge, (token) => {
    if (token.startsWith('"') || Number.isSafeInteger(Number(token))) return token;
    marked += 1;
    return `"${mark}${token}"`;
  });
  if (marked === 0) return JSON.parse(text);
  try {
    return unmarked(JSON.parse(withMarks));
  } catch (error) {
    // Parses again, because the message must be about the text that the caller gave.
    if (error instanceof SyntaxError) return JSON.parse(text);
    throw error;
  }
}

/**
 * Replaces marked strings by their integers, in place. It does not recurse, because JSON may nest deeper than the stack allows.
 */
function unmarked(value: unknown): unknown {
  const root = { value };
  const open: object[] = [root];
  for (let parent = open.pop(); parent !== undefined; parent = open.pop()) {
    for (const [key, child] of Object.entries(parent)) {
      if (typeof child === 'object' && child !== null) open.push(child);
      else if (typeof child === 'string' && child.startsWith(mark)) {
        // An assignment would not work for the key `__proto__`.
        Object.defineProperty(parent, key, { value: numberFromText(child.slice(mark.length)) });
      }
    }
  }
  return root.value;
}

/** JSON.stringify that also writes bigints, as numbers. */
export function stringifyExact(value: unknown, indent?: number): string {
  try {
    return JSON.stringify(value, undefined, indent);
  } catch (error) {
    // In a tree, a TypeError can only come from a bigint. Few objects have one, and a replacer would slow down all.
    if (!(error instanceof TypeError)) throw error;
    return JSON.stringify(value, (_key, one: unknown) => (typeof one === 'bigint' ? rawJson(String(one)) : one), indent);
  }
}

const rawJson = (text: string): unknown => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(text);
