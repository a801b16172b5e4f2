/** Resource quantities as plain numbers: the kubelet works with bytes, counts and thousandths of a CPU. Pure. */
import type { Quantity } from '#api/json.ts';

const multipliers: Record<string, number> = {
  '': 1,
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** The quantity's value; the API server has checked its form. @throws RangeError on what is no quantity */
export function quantityValue(quantity: Quantity): number {
  if (typeof quantity === 'number') return quantity;
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d+)|([a-zA-Z]*))$/.exec(quantity.trim());
  const factor = multipliers[match?.[3] ?? ''];
  if (match === null || factor === undefined) throw new RangeError(`"${quantity}" is not a resource quantity`);
  return Number(match[1]) * factor * 10 ** Number(match[2] ?? 0);
}

/** Whole units, rounded up, as Go's `Quantity.Value()`. */
export const wholeUnits = (quantity: Quantity | undefined): number => (quantity === undefined ? 0 : ceil(quantityValue(quantity)));
/** Thousandths, rounded up, as Go's `Quantity.MilliValue()`. */
export const milliUnits = (quantity: Quantity | undefined): number => (quantity === undefined ? 0 : ceil(quantityValue(quantity) * 1000));

/** Rounds up, forgiving the last digits of binary fractions: 0.1 × 1000 is 100. */
const ceil = (value: number): number => Math.ceil(Number(value.toPrecision(15)));

/** CPU as a quantity: `2`, or `1500m`. */
export const cpuQuantity = (millis: number): string => (millis % 1000 === 0 ? `${millis / 1000}` : `${millis}m`);
/** Bytes as upstream's node status writes them: the largest power of 1024 that divides them evenly. */
export function byteQuantity(bytes: number): string {
  let value = bytes;
  let unit = 0;
  const units = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
  while (value !== 0 && value % 1024 === 0 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value}${units[unit]}`;
}
