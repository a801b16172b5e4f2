/**
 * What operations cost when they are done. One unit is some 50 ns of cel-go on a usual machine.
 *
 * Source: cel-go `interpreter/runtimecost.go`, `common/cost.go`; apiserver `pkg/cel/library/cost.go` (CallCost).
 */
import type { Cost } from './declarations.ts';
import { ListValue, MapValue, Opaque, sizeOf, type Value } from './values.ts';

/** Of making a list, a map, or an object. */
export const createCosts = { list: 10, map: 30, struct: 40 };

/** Of looking at one character, and per character of a regular expression. */
export const traversalFactor = 0.1;
/** The cost of one character of a regular expression. */
export const regexFactor = 0.25;

/** Of looking once at all of something of this size. */
export const traversal = (size: number): number => Math.ceil(size * traversalFactor);

const sizeAt = (args: readonly Value[], index: number): number => sizeOf(args[index] as Value);

/** Of looking at one argument, `times` times over. */
export const traverses =
  (index: number, times = 1): Cost =>
  (args) =>
    Math.ceil(sizeAt(args, index) * times * traversalFactor);

/** Of looking at both arguments as far as the shorter one goes. */
export const comparison: Cost = (args) => traversal(Math.min(sizeAt(args, 0), sizeAt(args, 1)));

/** The cost of joining two texts or lists. */
export const concatenation: Cost = (args) => traversal(sizeAt(args, 0) + sizeAt(args, 1));

/** Of a regular expression, the second argument, on a text, the first. */
export const matching: Cost = (args) =>
  Math.ceil((1 + sizeAt(args, 0)) * traversalFactor) * Math.ceil(sizeAt(args, 1) * regexFactor);

/** Of finding the second argument in the first. */
export const containing: Cost = (args) => traversal(sizeAt(args, 0)) * traversal(sizeAt(args, 1));

/** Of a list search. */
export const listSearch: Cost = (args) => sizeAt(args, 1);

/** Of `==` and `!=`. */
export function equalityCost(a: Value, b: Value): number {
  return a instanceof Opaque ? 1 : traversal(Math.min(sizeOf(a), sizeOf(b)));
}

/** Of looking at everything in the first argument. */
export const deepTraversal: Cost = ([value]) => depth(value as Value);

function depth(value: Value): number {
  if (typeof value === 'string') return Math.floor(Buffer.byteLength(value) * traversalFactor);
  if (value instanceof Uint8Array) return Math.floor(value.length * traversalFactor);
  let cost = 0;
  if (value instanceof ListValue) {
    for (const item of value) cost += depth(item);
    return cost;
  }
  if (!(value instanceof MapValue)) return 1;
  for (const key of value.keys()) cost += depth(key) + depth(value.get(key) as Value);
  return cost;
}
