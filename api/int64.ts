/**
 * The int64 fields of the API. JavaScript's numbers are exact up to 2^53; an integer beyond is kept as a bigint, so that it comes out of
 * every form (JSON, YAML, protobuf, patches, the store) as it went in. The types say `number`: bigints compare like numbers, and whoever
 * calculates with a field that may be one asks {@link toNumber}.
 */
import { randomUUID } from 'node:crypto';

/** What a field of type int64 holds for this integer. */
export function int64Value(value: bigint): number {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : (value as unknown as number);
}

/** The integer of a JSON number's text: exact within int64, else what JSON makes of it. */
export function numberFromText(text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) || !/^-?[0-9]+$/.test(text)) return number;
  const exact = BigInt(text);
  return BigInt.asIntN(64, exact) === exact ? int64Value(exact) : number;
}

export const isInt64 = (value: unknown): boolean => Number.isInteger(value) || typeof value === 'bigint';

/** For arithmetic: as near as a number comes. */
export const toNumber = (value: number): number => Number(value);

/** `generation` and its like, one higher; wraps as Go's int64 does. */
export const nextInt64 = (value: number): number => int64Value(BigInt.asIntN(64, BigInt(value) + 1n));

/** A number that may be beyond 2^53. May also match within a string; few texts have one, and the exact way is slower. */
const mayBeLarge = /(?:^|[:,[\s])-?[1-9][0-9]{15,}(?:[,}\]\s]|$)/;

/** Strings, to pass over them, and the integers of 16 and more digits that stand where a value does. */
const stringsAndLarge = /"[^"\\]*(?:\\.[^"\\]*)*"|(?<![\w.+-])-?[1-9][0-9]{15,}(?=\s*(?:[,}\]]|$))/g;

/** Marks an integer that goes through JSON.parse as a string. It stays in this process, so no text has it by chance or on purpose. */
const mark = `${randomUUID()}:`;

/**
 * JSON.parse that keeps integers beyond 2^53. Where there are any it takes up to twice the time (a reviver: nine times), so one
 * such object costs the list that it stands in little.
 * @throws SyntaxError
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
    // Tells of the text that the caller gave.
    if (error instanceof SyntaxError) return JSON.parse(text);
    throw error;
  }
}

/** Puts the integers in place of their marks, in place. Not by recursion: JSON may nest deeper than the stack goes. */
function unmarked(value: unknown): unknown {
  const root = { value };
  const open: object[] = [root];
  for (let parent = open.pop(); parent !== undefined; parent = open.pop()) {
    for (const [key, child] of Object.entries(parent)) {
      if (typeof child === 'object' && child !== null) open.push(child);
      else if (typeof child === 'string' && child.startsWith(mark)) {
        // Not an assignment: the key may be `__proto__`.
        Object.defineProperty(parent, key, { value: numberFromText(child.slice(mark.length)) });
      }
    }
  }
  return root.value;
}

/** JSON.stringify that writes them. */
export function stringifyExact(value: unknown, indent?: number): string {
  try {
    return JSON.stringify(value, undefined, indent);
  } catch (error) {
    // The only TypeError of a tree is a bigint's; few objects have one, and a replacer would slow down all.
    if (!(error instanceof TypeError)) throw error;
    return JSON.stringify(value, (_key, one: unknown) => (typeof one === 'bigint' ? rawJson(String(one)) : one), indent);
  }
}

const rawJson = (text: string): unknown => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(text);
