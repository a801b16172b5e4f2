/**
 * Resolves YAML scalars by the rules of go-yaml v2: YAML 1.1 booleans such as `yes`, no base 60, times stay strings.
 *
 * Source: go.yaml.in/yaml/v2 `resolve.go`.
 */
import { DecodeError } from './json.ts';

/** The value of a scalar. */
export type ScalarValue = string | number | bigint | boolean | null;

/** The prefix of YAML's standard tags, which `!!` abbreviates. */
export const tagPrefix = 'tag:yaml.org,2002:';
/** The tags whose scalars are resolved. With any other tag, `!!str` and custom ones too, a scalar is its text. */
const resolvableTags = new Set(['bool', 'int', 'float', 'null', 'timestamp'].map((name) => `${tagPrefix}${name}`));
/** An integer with more digits than this, leading zeros not counted, does not fit into 64 bits in any base. */
const maxIntegerDigits = 64;

/**
 * The value of a scalar.
 * @param tag its full tag, or undefined when it has none
 * @param isPlain whether it is written without quotes or block marks
 * @throws DecodeError for `!!binary` that is not base64
 */
export function scalarValue(text: string, tag: string | undefined, isPlain: boolean): ScalarValue {
  if (tag === `${tagPrefix}binary`) return binaryValue(text);
  if (tag === undefined ? !isPlain : !resolvableTags.has(tag)) return text;
  return resolvePlain(text);
}

/** The scalar as JSON text. @throws DecodeError for infinity and NaN, which JSON does not have */
export function scalarJson(value: ScalarValue): string {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new DecodeError(`json: unsupported value: ${Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'}`);
  }
  return JSON.stringify(value);
}

function binaryValue(text: string): string {
  return Buffer.from(text, 'base64').toString('utf8');
}

const words = new Map<string, ScalarValue>([
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'].map((word) => [word, true] as const),
  ...['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'].map((word) => [word, false] as const),
  ...['', '~', 'null', 'Null', 'NULL'].map((word) => [word, null] as const),
  ...['.nan', '.NaN', '.NAN'].map((word) => [word, Number.NaN] as const),
  ...['.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF'].map((word) => [word, Number.POSITIVE_INFINITY] as const),
  ...['-.inf', '-.Inf', '-.INF'].map((word) => [word, Number.NEGATIVE_INFINITY] as const),
]);

function resolvePlain(text: string): ScalarValue {
  const word = words.get(text);
  if (word !== undefined) return word;
  if (!/^[-+.0-9]/.test(text)) return text;
  const plain = text.replaceAll('_', '');
  const integer = text.startsWith('.') ? undefined : resolveInteger(plain);
  if (integer !== undefined) return integer;
  if (!/^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/.test(plain)) return text;
  const value = Number(plain);
  // Go's ParseFloat refuses numbers out of range, so the scalar stays text.
  return Number.isFinite(value) ? value : text;
}

/**
 * Parses an integer as Go's ParseInt with base 0 does: hexadecimal, octal (`0o17` and `017`), binary, decimal, within 64 bits.
 */
function resolveInteger(text: string): bigint | undefined {
  const match = /^([-+]?)(0[xX]0*([0-9a-fA-F]+)|0[oO]0*([0-7]+)|0[bB]0*([01]+)|0+([0-7]+)|0|([1-9][0-9]*))$/.exec(text);
  if (match === null) return undefined;
  const [, sign, , hex, octal, binary, legacyOctal, decimal] = match;
  // BigInt would take far longer for a million digits than reading the text does.
  if ((hex ?? octal ?? binary ?? legacyOctal ?? decimal ?? '').length > maxIntegerDigits) return undefined;
  const octalDigits = octal ?? legacyOctal;
  const magnitude =
    hex !== undefined
      ? BigInt(`0x${hex}`)
      : octalDigits !== undefined
        ? BigInt(`0o${octalDigits}`)
        : binary !== undefined
          ? BigInt(`0b${binary}`)
          : BigInt(decimal ?? 0);
  const value = sign === '-' ? -magnitude : magnitude;
  const signed = BigInt.asIntN(64, value) === value;
  return signed || (sign === '' && BigInt.asUintN(64, value) === value) ? value : undefined;
}
