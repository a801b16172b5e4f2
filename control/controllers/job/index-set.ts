/**
 * Sets of completion indexes, held as ranges: a Job may have a hundred thousand indexes. As text: `0,2-4`.
 *
 * Source: kubernetes `pkg/controller/job/indexed_job_utils.go` (orderedIntervals).
 */

/** First and last index of a range. */
export type IndexRange = readonly [first: number, last: number];

/** In order, with a gap between any two. */
export type IndexSet = readonly IndexRange[];

/** Parses a list. Invalid numbers and indexes beyond `completions` are left out. */
export function parseIndexSet(text: string | undefined, completions: number): IndexSet {
  const ranges: [number, number][] = [];
  for (const part of (text ?? '').split(',')) {
    const [first = '', last = first] = part.split('-');
    if (!/^\d+$/.test(first) || !/^\d+$/.test(last)) continue;
    if (Number(first) >= completions) break;
    ranges.push([Number(first), Math.min(Number(last), completions - 1)]);
  }
  return union(ranges, []);
}

/** The union of two sets. */
export function union(a: IndexSet, b: IndexSet): IndexSet {
  const result: [number, number][] = [];
  const append = ([first, last]: IndexRange): void => {
    const previous = result.at(-1);
    if (previous === undefined || first > previous[1] + 1) result.push([first, last]);
    else previous[1] = Math.max(previous[1], last);
  };
  let [i, j] = [0, 0];
  for (;;) {
    const [one, other] = [a[i], b[j]];
    if (one === undefined && other === undefined) return result;
    if (other === undefined || (one !== undefined && one[0] < other[0])) {
      if (one !== undefined) append(one);
      i++;
    } else {
      append(other);
      j++;
    }
  }
}

/** The set of these indexes, in any order. */
export const indexSetOf = (indexes: Iterable<number>): IndexSet =>
  union(
    [...new Set(indexes)].sort((a, b) => a - b).map((index): IndexRange => [index, index]),
    [],
  );

/** How many indexes the set has. */
export const sizeOf = (set: IndexSet): number => set.reduce((sum, [first, last]) => sum + last - first + 1, 0);

/** Whether the index is in the set. */
export function hasIndex(set: IndexSet, index: number): boolean {
  let [low, high] = [0, set.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((set[middle]?.[1] ?? 0) >= index) high = middle;
    else low = middle + 1;
  }
  const range = set[low];
  return range !== undefined && range[0] <= index;
}

/** The set as text: `0,2-4`. Two consecutive indexes are written `0,1`. */
export const indexSetText = (set: IndexSet): string =>
  set.map(([first, last]) => (first === last ? String(first) : `${first}${last === first + 1 ? ',' : '-'}${last}`)).join(',');

/** How many indexes are in both. */
export function overlapSize(a: IndexSet, b: IndexSet): number {
  let count = 0;
  for (let [i, j] = [0, 0]; ; ) {
    const [one, other] = [a[i], b[j]];
    if (one === undefined || other === undefined) return count;
    count += Math.max(0, Math.min(one[1], other[1]) - Math.max(one[0], other[0]) + 1);
    if (one[1] <= other[1]) i++;
    if (other[1] <= one[1]) j++;
  }
}

/** The first `count` indexes below `completions` that are not in the set. */
export function firstMissing(set: IndexSet, count: number, completions: number): number[] {
  const result: number[] = [];
  let candidate = 0;
  for (const [first, last] of [...set, [completions, completions] as const]) {
    for (; candidate < Math.min(first, completions) && result.length < count; candidate++) result.push(candidate);
    candidate = Math.max(candidate, last + 1);
  }
  return result;
}
