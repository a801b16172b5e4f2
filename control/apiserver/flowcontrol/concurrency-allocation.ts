/**
 * Divides the server's seats among priority levels that lend and borrow: each gets the same fraction of its target, within its bounds.
 * Pure.
 *
 * Source: KEP-1040; apiserver `pkg/util/flowcontrol/conc_alloc.go`.
 */

/** The bounds and the target of one priority level, in seats. */
export interface AllocationItem {
  lower: number;
  upper: number;
  /** Its demand for seats. */
  target: number;
}

/** The sum of the results is `total` if the bounds allow it. `fraction`: the fraction of its target that each level gets. */
export function allocate(total: number, items: readonly AllocationItem[]): { fraction: number; allocations: number[] } {
  // A target of zero becomes the smallest positive number, to avoid a division by zero.
  const least = Math.max(1, total) * 1e-7;
  const wanted = items.map(({ lower, upper, target }) => ({ lower, upper, target: Math.max(target, least) }));
  const at = (fraction: number): number[] =>
    wanted.map(({ lower, upper, target }) => Math.max(lower, Math.min(upper, fraction * target)));
  const sumAt = (fraction: number): number => at(fraction).reduce((sum, one) => sum + one, 0);
  // The sum is a piecewise linear function of the fraction, with these breakpoints.
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
