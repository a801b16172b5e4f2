/**
 * Lists of completion indexes in text form: `1,3-5,7`.
 *
 * Source: upstream `pkg/apis/batch/validation/validation.go` (validateIndexesFormat).
 */

interface Interval {
  first: number;
  last: number;
}

/** The number of indexes, or what is wrong with the list. */
export type IndexCount = { total: number } | { error: string };

/** Counts the indexes of a list in increasing order, below `completions`. An empty list has none. */
export function countIndexes(list: string, completions: number): IndexCount {
  if (list === '') return { total: 0 };
  let total = 0;
  let last: number | undefined;
  for (const text of list.split(',')) {
    const interval = parseInterval(text, completions);
    if (typeof interval === 'string') return { error: interval };
    if (last !== undefined && last >= interval.first) return { error: orderText(last, interval.first) };
    total += interval.last - interval.first + 1;
    last = interval.last;
  }
  return { total };
}

/** The first index that is in both lists, of those that can be read. */
export function overlap(a: string, b: string, completions: number): number | undefined {
  const left = readable(a, completions);
  const right = readable(b, completions);
  for (let i = 0, j = 0; i < left.length && j < right.length; ) {
    const [one, other] = [left[i], right[j]];
    if (one === undefined || other === undefined) return undefined;
    if (one.first <= other.last && other.first <= one.last) return Math.max(one.first, other.first);
    if (one.first <= other.first) i++;
    else j++;
  }
  return undefined;
}

const readable = (list: string, completions: number): Interval[] =>
  list === ''
    ? []
    : list
        .split(',')
        .map((text) => parseInterval(text, completions))
        .filter((one) => typeof one !== 'string');

const orderText = (previous: number, current: number): string =>
  `non-increasing order, previous: ${previous}, current: ${current}`;

/** The interval, or what is wrong with it. */
function parseInterval(text: string, completions: number): Interval | string {
  const [first = '', last, ...more] = text.split('-');
  if (more.length > 0) {
    const rule = "violates the requirement that an index interval can have at most two parts separated by '-'";
    return `the fragment ${JSON.stringify(text)} ${rule}`;
  }
  const start = parseIndex(first, completions);
  if (typeof start === 'string') return start;
  if (last === undefined) return { first: start, last: start };
  const end = parseIndex(last, completions);
  if (typeof end === 'string') return end;
  return start >= end ? orderText(start, end) : { first: start, last: end };
}

function parseIndex(text: string, completions: number): number | string {
  // Like Go's Atoi: 64 bits.
  if (!/^\+?\d+$/.test(text) || Number(text) >= 2 ** 63)
    return `cannot convert string to integer for index: ${JSON.stringify(text)}`;
  return Number(text) >= completions ? `too large index: ${JSON.stringify(text)}` : Number(text);
}
