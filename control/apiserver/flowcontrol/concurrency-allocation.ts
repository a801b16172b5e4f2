/**
 * How the server's seats are divided among levels that lend and borrow: each gets the same share of what it wants, within its bounds. Pure.
 *
 * Source: KEP-1040; apiserver `pkg/util/flowcontrol/conc_alloc.go`.
 */

/** One priority level in the division of seats: its bounds and its wish, in seats. */
export interface AllocationItem {
  lower: number;
  upper: number;
  /** How many seats it wants. */
  target: number;
}

/** The sum of the results is `total` wherever the bounds allow it. `fraction`: the share of its target that everybody gets. */
export function allocate(total: number, items: readonly AllocationItem[]): { fraction: number; allocations: number[] } {
  // A level that wants nothing still has a share, the smallest possible: otherwise its fraction would be a division by zero.
  const least = Math.max(1, total) * 1e-7;
  const wanted = items.map(({ lower, upper, target }) => ({ lower, upper, target: Math.max(target, least) }));
  const at = (fraction: number): number[] =>
    wanted.map(({ lower, upper, target }) => Math.max(lower, Math.min(upper, fraction * target)));
  const sumAt = (fraction: number): number => at(fraction).reduce((sum, one) => sum + one, 0);
  // The sum grows with the fraction, in straight lines between these.
  const bends = [0, ...wanted.flatMap(({ lower, upper, target }) => [lower / target, upper / target])].sort((a, b) => a - b);
  let low = 0;
  for (const bend of bends) {
    if (sumAt(bend) >= total) {
      const [from, to] = [sumAt(low), sumAt(bend)];
      const fraction = to === from ? bend : low + ((bend - low) * (total - from)) / (to - from);
      return { fraction, allocations: at(Math.max(low, fraction)) };
    }
    low = bend;
  }
  return { fraction: low, allocations: at(low) };
}
