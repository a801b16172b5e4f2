/**
 * A range of numbers of which each is handed out once. Those that nobody asks for by name come from the upper band first,
 * so that the lower band stays free for those who do.
 *
 * Source: KEP-3070 (cluster IPs), KEP-3668 (node ports).
 */

export interface ScarceRange {
  /** Takes this one. False when it is taken; throws nothing. */
  take(value: number): boolean;
  /** Takes a free one; undefined when none is left. */
  takeNext(): number | undefined;
  release(value: number): void;
  has(value: number): boolean;
  contains(value: number): boolean;
}

interface Band {
  first: number;
  last: number;
}

/** `staticSize` is how many at the lower end are given out without being asked for only when all others are gone. */
export function createScarceRange({ first, last }: Band, staticSize: number, random: () => number): ScarceRange {
  const taken = new Set<number>();
  const bands: Band[] = [{ first: first + staticSize, last }];
  if (staticSize > 0) bands.push({ first, last: first + staticSize - 1 });

  const takeFrom = (band: Band): number | undefined => {
    const size = band.last - band.first + 1;
    const start = Math.floor(random() * size);
    for (let step = 0; step < size; step++) {
      const value = band.first + ((start + step) % size);
      if (taken.has(value)) continue;
      taken.add(value);
      return value;
    }
    return undefined;
  };

  return {
    take(value) {
      if (taken.has(value)) return false;
      taken.add(value);
      return true;
    },
    takeNext() {
      for (const band of bands) {
        const value = takeFrom(band);
        if (value !== undefined) return value;
      }
      return undefined;
    },
    release: (value) => void taken.delete(value),
    has: (value) => taken.has(value),
    contains: (value) => value >= first && value <= last,
  };
}

/** min(max(16, size / step), max), and none for ranges of at most 16. */
export function staticBandSize(size: number, step: number, max: number): number {
  return size <= 16 ? 0 : Math.min(Math.max(16, Math.floor(size / step)), max);
}
