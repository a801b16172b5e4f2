/**
 * Ranges and multiples of numbers.
 *
 * Source: kube-openapi `pkg/validation/validate/{validator,values}.go` (numberValidator, IsValueValidAgainstRange).
 */
import type { JSONSchemaProps } from '../types.generated.ts';
import { goNumber, isGoInteger, isNearlyWhole, plainNumber } from './json-numbers.ts';
import type { Result, ValueError } from './value-errors.ts';

/** @param format as values are checked against it */
export function validateNumber(
  value: number | bigint,
  { multipleOf, maximum, exclusiveMaximum = false, minimum, exclusiveMinimum = false }: JSONSchemaProps,
  types: readonly string[],
  format: string,
  path: string,
  result: Result,
): void {
  const type = types.length === 1 ? (types[0] as string) : '';
  const isInteger = isGoInteger(value);
  const add = (text: string | undefined): void => {
    if (text !== undefined) result.add({ kind: 'invalid', path, message: `${path} in body should be ${text}`, value });
  };
  const isWithin = (number: number | bigint, what: string): boolean => {
    const error = rangeError(number, type, format, what, path);
    if (error !== undefined) result.add(error);
    return error === undefined;
  };
  isWithin(value, 'Checked');
  if (multipleOf !== undefined) {
    const error = multipleError(value, multipleOf, isWithin(multipleOf, 'MultipleOf') && isInteger, path);
    if (error !== undefined) result.add(error);
  }
  // Go compares integers with the limit's whole part.
  if (minimum !== undefined) {
    const limit = isWithin(minimum, 'Minimum boundary') && isInteger ? Math.trunc(minimum) : minimum;
    if (exclusiveMinimum ? value <= limit : value < limit)
      add(`greater than ${exclusiveMinimum ? '' : 'or equal to '}${goNumber(limit)}`);
  }
  if (maximum !== undefined) {
    const limit = isWithin(maximum, 'Maximum boundary') && isInteger ? Math.trunc(maximum) : maximum;
    if (exclusiveMaximum ? value >= limit : value > limit)
      add(`less than ${exclusiveMaximum ? '' : 'or equal to '}${goNumber(limit)}`);
  }
}

function multipleError(value: number | bigint, factor: number, asIntegers: boolean, path: string): ValueError | undefined {
  const by = asIntegers ? Math.trunc(factor) : factor;
  if (by <= 0) {
    const message = `factor MultipleOf declared for ${path} must be positive: ${goNumber(by)}`;
    return { kind: 'invalid', path, message, value: by };
  }
  if (asIntegers ? BigInt(value) % BigInt(by) === 0n : isNearlyWhole(by < 1 ? (1 / by) * Number(value) : Number(value) / by))
    return undefined;
  return { kind: 'invalid', path, message: `${path} in body should be a multiple of ${goNumber(by)}`, value };
}

/** Whether a number can be one of the schema's type at all. */
function rangeError(number: number | bigint, type: string, format: string, what: string, path: string): ValueError | undefined {
  const isFine =
    type === 'integer'
      ? fitsInteger(number, format === 'int32' ? 32 : 64)
      : format !== 'float' || type !== 'number' || Number.isFinite(Math.fround(Number(number)));
  if (isFine) return undefined;
  const known = type === 'integer' ? ['int32', 'int64'] : ['float', 'double'];
  const shown = known.includes(format) ? `with format ${format}` : '(default format)';
  return { kind: 'loose', path, message: `${what} value must be of type ${type} ${shown} in ${path}` };
}

function fitsInteger(number: number | bigint, bits: number): boolean {
  if (typeof number === 'number' && Number.isSafeInteger(number)) return bits === 64 || (number | 0) === number;
  const text = plainNumber(number);
  return /^-?\d{1,19}$/.test(text) && BigInt.asIntN(bits, BigInt(text)) === BigInt(text);
}
