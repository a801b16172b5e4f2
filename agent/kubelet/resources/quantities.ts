/** Resource quantities as plain numbers: the kubelet works with bytes, counts and thousandths of a CPU. Pure. */
import type { Quantity } from '#api/json.ts';
import { toMillis, toNumber } from '#api/quantity.ts';

/** Whole units, rounded up, as Go's `Quantity.Value()`; absent is 0. */
export const wholeUnits = (quantity: Quantity | undefined): number =>
  quantity === undefined ? 0 : Math.ceil(toNumber(quantity));
/** Thousandths, rounded up, as Go's `Quantity.MilliValue()`; absent is 0. */
export const milliUnits = (quantity: Quantity | undefined): number =>
  quantity === undefined ? 0 : Math.ceil(toMillis(quantity));

/** CPU as a quantity: `2`, or `1500m`. */
export const cpuQuantity = (millis: number): string => (millis % 1000 === 0 ? `${millis / 1000}` : `${millis}m`);

/** Bytes as upstream's node status writes them: in Ki where it divides evenly. */
export const byteQuantity = (bytes: number): string => (bytes !== 0 && bytes % 1024 === 0 ? `${bytes / 1024}Ki` : `${bytes}`);
