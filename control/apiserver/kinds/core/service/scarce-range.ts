/**
 * A range of numbers that are each allocated once. Dynamic allocations use the upper band first, so that the lower (static) band stays free
 * for numbers that clients choose. Pure.
 *
 * Source: KEP-3070 (cluster IPs), KEP-3668 (node ports).
 */

/**
 * Both ends are included. `staticSize`: size of the static band at the lower end, which dynamic allocation uses only when all other numbers
 * are allocated.
 */
export interface ScarceRange {
  first: number;
  last: number;
  staticSize: number;
}

/** Whether the number is in the range, ends included. */
export const contains = ({ first, last }: ScarceRange, value: number): boolean => value >= first && value <= last;

/** Whether the number is in the static band. */
export const isStatic = ({ first, staticSize }: ScarceRange, value: number): boolean => value < first + staticSize;

/** A free number, searched from a random start; undefined when all are allocated. */
export function nextFree(range: ScarceRange, isTaken: (value: number) => boolean, random: () => number): number | undefined {
  const dynamic = range.first + range.staticSize;
  return (
    freeBetween(dynamic, range.last, isTaken, random) ??
    (range.staticSize > 0 ? freeBetween(range.first, dynamic - 1, isTaken, random) : undefined)
  );
}

function freeBetween(first: number, last: number, isTaken: (value: number) => boolean, random: () => number): number | undefined {
  const size = last - first + 1;
  const start = Math.floor(random() * size);
  for (let step = 0; step < size; step++) {
    const value = first + ((start + step) % size);
    if (!isTaken(value)) return value;
  }
  return undefined;
}

/** min(max(16, size / step), max), and none for ranges of at most 16. */
export function staticBandSize(size: number, step: number, max: number): number {
  return size <= 16 ? 0 : Math.min(Math.max(16, Math.floor(size / step)), max);
}
