/**
 * The int64 fields of the API. JavaScript's numbers are exact up to 2^53; an integer beyond is kept as a bigint, so that it comes out of
 * every form (JSON, YAML, protobuf, patches, the store) as it went in. The types say `number`: bigints compare like numbers, and whoever
 * calculates with a field that may be one asks {@link toNumber}.
 */

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

/** Digits enough for an integer that a number cannot hold; few texts have them, and the exact way is slow. */
const mayBeLarge = /[0-9]{16}/;

type Reviver = (this: unknown, key: string, value: unknown, context: { source?: string }) => unknown;
const exactIntegers: Reviver = (_key, value, { source }) =>
  typeof value === 'number' && source !== undefined && !Number.isSafeInteger(value) ? numberFromText(source) : value;

/** JSON.parse that keeps integers beyond 2^53. @throws SyntaxError */
export function parseExact(text: string): unknown {
  return mayBeLarge.test(text) ? JSON.parse(text, exactIntegers as (key: string, value: unknown) => unknown) : JSON.parse(text);
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
