/** The lines in which two values differ, as a unified diff of their JSON with three lines of context. */
import { stringifyExact } from '#api/int64.ts';

const CONTEXT = 3;

type Line = { mark: ' ' | '-' | '+'; text: string; oldLine: number; newLine: number };

/** Source: apimachinery `pkg/util/diff/diff.go`, which prints one-space indented JSON the same way. */
export function unifiedDiff(before: unknown, after: unknown): string {
  const lines = align(stringifyExact(before, 1).split('\n'), stringifyExact(after, 1).split('\n'));
  return hunks(lines)
    .map((hunk) => {
      const olds = hunk.filter(({ mark }) => mark !== '+');
      const news = hunk.filter(({ mark }) => mark !== '-');
      const header = `@@ -${range(hunk[0]?.oldLine ?? 0, olds.length)} +${range(hunk[0]?.newLine ?? 0, news.length)} @@\n`;
      return header + hunk.map(({ mark, text }) => `${mark}${text}\n`).join('');
    })
    .join('');
}

const range = (start: number, count: number): string =>
  count === 1 ? `${start}` : `${count === 0 ? start - 1 : start},${count}`;

/** Longest common subsequence; what lies outside the common ends is short for objects that differ in a few fields. */
function align(a: readonly string[], b: readonly string[]): Line[] {
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const marks = middle(a.slice(head, a.length - tail), b.slice(head, b.length - tail));
  const lines: Line[] = [];
  let [oldLine, newLine] = [1, 1];
  const push = (mark: Line['mark'], text: string): void => {
    lines.push({ mark, text, oldLine, newLine });
    if (mark !== '+') oldLine++;
    if (mark !== '-') newLine++;
  };
  for (const text of a.slice(0, head)) push(' ', text);
  for (const [mark, text] of marks) push(mark, text);
  for (const text of a.slice(a.length - tail)) push(' ', text);
  return lines;
}

/**
 * Limit of the table's cells, which cost time and memory (lines before × lines after). Beyond it the diff says that all lines are replaced: a
 * diff of that size is not read anyway.
 */
const maxCells = 1_000_000;

function middle(a: readonly string[], b: readonly string[]): [Line['mark'], string][] {
  if (a.length * b.length > maxCells) {
    return [...a.map((text): [Line['mark'], string] => ['-', text]), ...b.map((text): [Line['mark'], string] => ['+', text])];
  }
  const width = b.length + 1;
  const common = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const skip = Math.max(common[(i + 1) * width + j] ?? 0, common[i * width + j + 1] ?? 0);
      common[i * width + j] = a[i] === b[j] ? (common[(i + 1) * width + j + 1] ?? 0) + 1 : skip;
    }
  }
  const marks: [Line['mark'], string][] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      marks.push([' ', a[i++] ?? '']);
      j++;
    } else if (j >= b.length || (i < a.length && (common[(i + 1) * width + j] ?? 0) >= (common[i * width + j + 1] ?? 0))) {
      marks.push(['-', a[i++] ?? '']);
    } else marks.push(['+', b[j++] ?? '']);
  }
  return marks;
}

function hunks(lines: readonly Line[]): Line[][] {
  const result: Line[][] = [];
  let end = -1;
  lines.forEach(({ mark }, index) => {
    if (mark === ' ') return;
    const from = Math.max(0, index - CONTEXT);
    const to = Math.min(lines.length, index + CONTEXT + 1);
    const last = result.at(-1);
    if (last !== undefined && from <= end) last.push(...lines.slice(end, to));
    else result.push(lines.slice(from, to));
    end = Math.max(end, to);
  });
  return result;
}
