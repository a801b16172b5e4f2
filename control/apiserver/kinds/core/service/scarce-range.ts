/**
 * A range of numbers of which each is handed out once. Those that nobody asks for by name come from the upper band first,
 * so that the lower band stays free for those who do. Pure.
 *
 * Source: KEP-3070 (cluster IPs), KEP-3668 (node ports).
 */

/** Both ends belong to it. `staticSize`: how many at the lower end are given out unasked only when all others are gone. */
export interface ScarceRange {
  first: number;
  last: number;
  staticSize: number;
}

/** Whether the number lies in the range; both ends belong to it. */
export const contains = ({ first, last }: ScarceRange, value: number): boolean => value >= first && value <= last;

/** Whether the number is of the lower band, which is given out unasked only when the upper is used up. */
export const isStatic = ({ first, staticSize }: ScarceRange, value: number): boolean => value < first + staticSize;

/** One that is not taken, beginning anywhere; undefined: all are. */
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
