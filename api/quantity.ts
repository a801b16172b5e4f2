/**
 * Resource quantities: `100m`, `1.5Gi`, `2e3`. They are exact at any size; no floating point is used.
 *
 * Source: apimachinery `pkg/api/resource/{quantity,suffix,amount}.go`.
 */
import type { Quantity } from './json.ts';

/** The format of a quantity, which is kept when it is written: `1Ki`, `1k` or `1e3`. */
export type QuantityFormat = 'BinarySI' | 'DecimalSI' | 'DecimalExponent';

/** A parsed quantity: `unscaled * 10^scale`. Immutable. */
export interface ParsedQuantity {
  readonly unscaled: bigint;
  readonly scale: number;
  readonly format: QuantityFormat;
  /** The parsed text, if upstream writes it unchanged; see {@link keepsText}. */
  readonly text?: string | undefined;
}

/** The text is not a quantity. The message is upstream's. */
export class QuantityError extends Error {
  override name = 'QuantityError';
}

const formatText = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const suffixText = "unable to parse quantity's suffix";

/**
 * Matches what upstream's scanner accepts. That is more than its error message says (`.5`, `1.`, `Ki` for zero), but only one
 * dot. No two parts of the expression can match the same character, so matching takes linear time.
 */
const shape = /^([+-]?)([0-9]*)(?:\.([0-9]*))?((?:[eEinumkKMGTP]+[-+]?[0-9]*|[-+][0-9]*)?)$/;
/** Limit of a text's length. No real quantity is that long, and arithmetic with huge numbers is slow. */
const maxLength = 1000;

const decimalSuffixes: readonly (readonly [suffix: string, exponent: number])[] = [
  ['n', -9],
  ['u', -6],
  ['m', -3],
  ['', 0],
  ['k', 3],
  ['M', 6],
  ['G', 9],
  ['T', 12],
  ['P', 15],
  ['E', 18],
];
const binarySuffixes = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const exponents = new Map(decimalSuffixes);
const suffixOf = new Map(decimalSuffixes.map(([suffix, exponent]) => [exponent, suffix]));

/** The smallest exponent: upstream rounds up to nano. */
const nano = -9;
const maxInt64 = 2n ** 63n - 1n;
/** Limit of decimal exponents. Larger ones would need numbers with thousands of digits. */
const maxExponent = 1000;

interface Suffix {
  format: QuantityFormat;
  /** Exponent of 10, or of 2 for BinarySI. */
  exponent: number;
}

function parseSuffix(suffix: string): Suffix {
  const decimal = exponents.get(suffix);
  if (decimal !== undefined) return { format: 'DecimalSI', exponent: decimal };
  const binary = binarySuffixes.indexOf(suffix);
  if (binary > 0) return { format: 'BinarySI', exponent: binary * 10 };
  if (!/^[eE][-+]?[0-9]+$/.test(suffix)) throw new QuantityError(suffixText);
  const exponent = Number(suffix.slice(1));
  if (exponent > maxExponent) throw new QuantityError(suffixText);
  return { format: 'DecimalExponent', exponent: Math.max(exponent, -maxExponent) };
}

/** Whether the text is a quantity. */
export function isQuantity(text: string): boolean {
  try {
    parseQuantity(text);
    return true;
  } catch (error) {
    if (error instanceof QuantityError) return false;
    throw error;
  }
}

/** Parses a quantity. @throws QuantityError with upstream's text */
export function parseQuantity(value: Quantity): ParsedQuantity {
  const text = String(value);
  const match = text === '' || text.length > maxLength ? null : shape.exec(text);
  if (match === null) throw new QuantityError(formatText);
  const [, sign, integer = '', fraction = '', suffix = ''] = match;
  const whole = integer.replace(/^0+/, '');
  const { format, exponent } = parseSuffix(suffix);
  const digits = (whole === '' ? '0' : whole) + fraction;
  const binary = format === 'BinarySI';
  const magnitude = binary ? BigInt(digits) << BigInt(exponent) : BigInt(digits);
  const scale = (binary ? 0 : exponent) - fraction.length;
  const unscaled = sign === '-' ? -magnitude : magnitude;
  if (keepsText(digits, fraction, scale, format, exponent)) return { unscaled, scale, format, text };
  return limited(unscaled, scale, format);
}

/**
 * Whether upstream writes the text again unchanged. Its fast path treats some texts as canonical although they are not, for
 * example `1.500` and `+5`.
 */
function keepsText(digits: string, fraction: string, scale: number, format: QuantityFormat, exponent: number): boolean {
  if (format === 'BinarySI') {
    const fits = 15 - digits.length - Math.trunc((exponent * 3) / 10) - 1 >= 0;
    return fraction === '' && fits && (BigInt(digits) & 7n) !== 0n;
  }
  return digits.length <= 18 && scale >= nano && scale % 3 === 0 && !digits.endsWith('000') && !digits.startsWith('0');
}

/** Rounds up to nano, limits binary quantities to the largest int64, and makes binary quantities below 1 decimal. */
function limited(unscaled: bigint, scale: number, format: QuantityFormat): ParsedQuantity {
  const [rounded, at] = scale < nano ? [scaledTo(unscaled, scale, nano), nano] : [unscaled, scale];
  if (format !== 'BinarySI') return { unscaled: rounded, scale: at, format };
  const magnitude = rounded < 0n ? -rounded : rounded;
  if (compareScaled(magnitude, at, maxInt64, 0) > 0) return { unscaled: rounded < 0n ? -maxInt64 : maxInt64, scale: 0, format };
  const fractional = magnitude > 0n && compareScaled(magnitude, at, 1n, 0) < 0;
  return { unscaled: rounded, scale: at, format: fractional ? 'DecimalSI' : format };
}

/** The value `unscaled * 10^from` in units of `10^to`, rounded away from zero. */
function scaledTo(unscaled: bigint, from: number, to: number): bigint {
  if (from >= to) return unscaled * 10n ** BigInt(from - to);
  const divisor = 10n ** BigInt(to - from);
  const quotient = unscaled / divisor;
  if (quotient * divisor === unscaled) return quotient;
  return unscaled < 0n ? quotient - 1n : quotient + 1n;
}

function compareScaled(a: bigint, aScale: number, b: bigint, bScale: number): -1 | 0 | 1 {
  const scale = Math.min(aScale, bScale);
  const left = scaledTo(a, aScale, scale);
  const right = scaledTo(b, bScale, scale);
  return left < right ? -1 : left > right ? 1 : 0;
}

const asParsed = (value: Quantity | ParsedQuantity): ParsedQuantity => (typeof value === 'object' ? value : parseQuantity(value));

/** The canonical text: no fraction, and the largest suffix that is exact. `1024Mi` becomes `1Gi`, `0.5` becomes `500m`. */
export function formatQuantity(quantity: ParsedQuantity): string {
  if (quantity.text !== undefined) return quantity.text;
  if (quantity.unscaled === 0n) return '0';
  if (quantity.format === 'BinarySI') {
    const small = compareScaled(quantity.unscaled < 0n ? -quantity.unscaled : quantity.unscaled, quantity.scale, 1024n, 0) < 0;
    const whole = scaledTo(quantity.unscaled, quantity.scale, 0);
    const exact = compareScaled(whole, 0, quantity.unscaled, quantity.scale) === 0;
    if (!small && exact) return binaryText(whole);
    return decimalText(quantity, 'DecimalSI');
  }
  return decimalText(quantity, quantity.format);
}

function binaryText(value: bigint): string {
  let index = 0;
  let rest = value;
  while (index < binarySuffixes.length - 1 && rest % 1024n === 0n) {
    rest /= 1024n;
    index++;
  }
  return `${rest}${binarySuffixes[index]}`;
}

function decimalText({ unscaled, scale }: ParsedQuantity, format: QuantityFormat): string {
  let rest = unscaled;
  let exponent = scale;
  while (rest % 10n === 0n) {
    rest /= 10n;
    exponent++;
  }
  while (exponent % 3 !== 0 || (format === 'DecimalSI' && exponent > 18)) {
    rest *= 10n;
    exponent--;
  }
  if (format === 'DecimalSI') return `${rest}${suffixOf.get(exponent) ?? ''}`;
  return exponent === 0 ? `${rest}` : `${rest}e${exponent}`;
}

/** Texts that are canonical already, as most quantities are: integers of up to nine digits with a usual suffix. */
const canonicalDecimal = /^[1-9][0-9]{0,8}[mkMGTP]?$/;
const endsInThousand = /000[mkMGTP]?$/;

/** The canonical text of a text or number. @throws QuantityError */
export function canonicalQuantity(value: Quantity): string {
  if (typeof value === 'string' && canonicalDecimal.test(value) && !endsInThousand.test(value)) return value;
  return formatQuantity(parseQuantity(value));
}

/** Compares two quantities by value. @throws QuantityError */
export function compareQuantity(a: Quantity | ParsedQuantity, b: Quantity | ParsedQuantity): -1 | 0 | 1 {
  const [left, right] = [asParsed(a), asParsed(b)];
  return compareScaled(left.unscaled, left.scale, right.unscaled, right.scale);
}

/** The sum, in the format of `a`, or of `b` when `a` is zero. @throws QuantityError */
export function addQuantity(a: Quantity | ParsedQuantity, b: Quantity | ParsedQuantity): ParsedQuantity {
  const [left, right] = [asParsed(a), asParsed(b)];
  const scale = Math.min(left.scale, right.scale);
  const unscaled = scaledTo(left.unscaled, left.scale, scale) + scaledTo(right.unscaled, right.scale, scale);
  return { unscaled, scale, format: left.unscaled === 0n ? right.format : left.format };
}

/** The difference, in the format of `a`, or of `b` when `a` is zero. @throws QuantityError */
export function subtractQuantity(a: Quantity | ParsedQuantity, b: Quantity | ParsedQuantity): ParsedQuantity {
  const right = asParsed(b);
  return addQuantity(a, { unscaled: -right.unscaled, scale: right.scale, format: right.format });
}

/**
 * The value in whole units (bytes, cores), rounded away from zero (upstream's `Value()`). Exact up to 2^53. @throws QuantityError
 */
export function toNumber(value: Quantity | ParsedQuantity): number {
  return Number(wholeUnits(value));
}

/** The same, exact at any size. @throws QuantityError */
export function wholeUnits(value: Quantity | ParsedQuantity): bigint {
  const { unscaled, scale } = asParsed(value);
  return scaledTo(unscaled, scale, 0);
}

/** Whether the value has no fraction. @throws QuantityError */
export function isWhole(value: Quantity | ParsedQuantity): boolean {
  const { unscaled, scale } = asParsed(value);
  return scale >= 0 || unscaled % 10n ** BigInt(-scale) === 0n;
}

/** The value in thousandths, rounded away from zero (upstream's `MilliValue()`): 1500 for `1.5`. @throws QuantityError */
export function toMillis(value: Quantity | ParsedQuantity): number {
  const { unscaled, scale } = asParsed(value);
  return Number(scaledTo(unscaled, scale, -3));
}

/** A quantity of whole units, in the given format. */
export function wholeQuantity(value: number | bigint, format: QuantityFormat): ParsedQuantity {
  return { unscaled: BigInt(value), scale: 0, format };
}

/** A quantity of thousandths, in decimal format: `250m`, `2`. */
export function milliQuantity(millis: number | bigint): ParsedQuantity {
  return { unscaled: BigInt(millis), scale: -3, format: 'DecimalSI' };
}
