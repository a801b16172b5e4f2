/**
 * Durations as the format `duration` writes them: Go's (`1h30m`), and words after numbers (`3 days`).
 *
 * Source: kube-openapi `pkg/validation/strfmt/duration.go` (ParseDuration).
 */
import { parseDuration } from '../duration.ts';

const unitNames: readonly (readonly [nanos: bigint, names: readonly string[]])[] = [
  [1n, ['ns', 'nano']],
  [1_000n, ['us', 'µs', 'micro']],
  [1_000_000n, ['ms', 'milli']],
  [1_000_000_000n, ['s', 'sec']],
  [60_000_000_000n, ['m', 'min']],
  [3_600_000_000_000n, ['h', 'hr', 'hour']],
  [86_400_000_000_000n, ['d', 'day']],
  [604_800_000_000_000n, ['w', 'wk', 'week']],
];

const maxDigits = 18;

/** In nanoseconds. Undefined: the text is no duration. */
export function tryParseDuration(text: string): bigint | undefined {
  try {
    return BigInt(Math.round(parseDuration(text) * 1e6));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  let nanos: bigint | undefined;
  const letters = /[A-Za-zµ]+/y;
  for (const match of text.matchAll(/(\d+)[\t\n\f\r ]*/g)) {
    letters.lastIndex = match.index + match[0].length;
    const [word] = letters.exec(text) ?? [];
    if (word === undefined) continue;
    const [, digits = ''] = match;
    if (digits.length > maxDigits) return undefined;
    for (const [factor, names] of unitNames)
      if (isUnit(word.toLowerCase(), names)) nanos = (nanos ?? 0n) + BigInt(digits) * factor;
  }
  return nanos === undefined ? undefined : BigInt.asIntN(64, nanos);
}

/** The last name of a unit is the beginning of a word: `hour`, `hours`. */
const isUnit = (word: string, names: readonly string[]): boolean =>
  names.some((name, index) => word === name || (index === names.length - 1 && word.startsWith(name)));
