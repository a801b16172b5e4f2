/** Numbers as Go reads them from JSON and prints them. Source: Go's strconv (FormatFloat), fmt (`%v`). */

/** Whether Go's decoder makes an int64 of it, and not a float64. */
export const isGoInteger = (value: number | bigint): boolean =>
  typeof value === 'bigint' || (Number.isInteger(value) && Math.abs(value) < 2 ** 63);

/** Without an exponent: `1000000000000000000000`. */
export function plainNumber(value: number | bigint): string {
  if (typeof value === 'bigint') return String(value);
  return Number.isInteger(value) ? String(BigInt(value)) : String(value);
}

/** As `%v` prints a float64: `1e+21`, `1e-05`. */
export function goNumber(value: number | bigint): string {
  if (typeof value === 'bigint') return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e21))
    return value.toExponential().replace(/e([+-])(\d)$/, (_, sign: string, digit: string) => `e${sign}0${digit}`);
  return String(value);
}

/** go-openapi's IsFloat64AJSONInteger. */
export function isNearlyWhole(value: number): boolean {
  if (!Number.isFinite(value) || Math.abs(value) > 2 ** 53 - 1) return false;
  const rounded = Math.round(value);
  if (value === rounded) return true;
  return rounded !== 0 && Math.abs(value - rounded) < 1e-9 * Math.abs(rounded);
}
