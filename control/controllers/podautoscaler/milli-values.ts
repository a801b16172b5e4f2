/** Quantities in thousandths of a unit, as the autoscaler counts: int64 as in Go, so that sums and quotients are upstream's. */

import type { Quantity } from '#api/json.ts';
import { formatQuantity, parseQuantity, type QuantityFormat } from '#api/quantity.ts';

/** The largest number of Go's int64. */
export const maxInt64 = 2n ** 63n - 1n;

/** The largest number of Go's int32. */
export const maxInt32 = 2 ** 31 - 1;

/** Rounded up; limited to int64. @throws QuantityError */
export function milliValue(quantity: Quantity): bigint {
  const { unscaled, scale } = parseQuantity(quantity);
  if (scale >= -3) return limited(unscaled * 10n ** BigInt(scale + 3));
  const divisor = 10n ** BigInt(-3 - scale);
  const whole = unscaled / divisor;
  return limited(unscaled > 0n && whole * divisor !== unscaled ? whole + 1n : whole);
}

const limited = (value: bigint): bigint => (value > maxInt64 ? maxInt64 : value < -maxInt64 ? -maxInt64 : value);

/** A number of thousandths as a quantity. */
export const milliQuantity = (value: bigint, format: QuantityFormat = 'DecimalSI'): string =>
  formatQuantity({ unscaled: value, scale: -3, format });

/** A resource's value as a quantity: memory in bytes (`10Mi`), everything else in thousandths (`500m`). */
export const resourceQuantity = (resource: string, value: bigint): string =>
  milliQuantity(value, resource === 'memory' ? 'BinarySI' : 'DecimalSI');

/** Rounds up to an int32. Unlike Go's conversion, a larger number becomes the largest int32. */
export const ceilReplicas = (value: number): number => Math.min(Math.ceil(value), maxInt32);
