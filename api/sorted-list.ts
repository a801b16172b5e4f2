/** Looks in sorted lists. Pure. */

/**
 * The index of the first item for which `isBehind` holds; the list's length when it holds for none.
 * @param sorted all items for which it does not hold come first
 */
export function firstIndex<T>(sorted: readonly T[], isBehind: (item: T) => boolean): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBehind(sorted[middle] as T)) high = middle;
    else low = middle + 1;
  }
  return low;
}
