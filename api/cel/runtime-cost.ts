/**
 * The costs of operations at run time. One unit is about 50 ns of cel-go on a usual machine.
 *
 * Source: cel-go `interpreter/runtimecost.go`, `common/cost.go`; apiserver `pkg/cel/library/cost.go` (CallCost).
 */
import type { Cost } from './declarations.ts';
import { ListValue, MapValue, Opaque, sizeOf, type Value } from './values.ts';

/** Costs of creating a list, a map or an object. */
export const createCosts = { list: 10, map: 30, struct: 40 };

/** Cost per traversed character. */
export const traversalFactor = 0.1;
/** The cost of one character of a regular expression. */
export const regexFactor = 0.25;

/** Cost of traversing a value of this size once. */
export const traversal = (size: number): number => Math.ceil(size * traversalFactor);

const sizeAt = (args: readonly Value[], index: number): number => sizeOf(args[index] as Value);

/** Cost of traversing one argument `times` times. */
export const traverses =
  (index: number, times = 1): Cost =>
  (args) =>
    Math.ceil(sizeAt(args, index) * times * traversalFactor);

/** Cost of comparing two arguments up to the shorter one's length. */
export const comparison: Cost = (args) => traversal(Math.min(sizeAt(args, 0), sizeAt(args, 1)));

/** The cost of joining two texts or lists. */
export const concatenation: Cost = (args) => traversal(sizeAt(args, 0) + sizeAt(args, 1));

/** Cost of matching a text (first argument) with a regular expression (second argument). */
export const matching: Cost = (args) =>
  Math.ceil((1 + sizeAt(args, 0)) * traversalFactor) * Math.ceil(sizeAt(args, 1) * regexFactor);

/** Cost of searching the second argument in the first. */
export const containing: Cost = (args) => traversal(sizeAt(args, 0)) * traversal(sizeAt(args, 1));

/** Cost of searching a list. */
export const listSearch: Cost = (args) => sizeAt(args, 1);

/** Cost of `==` and `!=`. */
export function equalityCost(a: Value, b: Value): number {
  return a instanceof Opaque ? 1 : traversal(Math.min(sizeOf(a), sizeOf(b)));
}

/** Cost of traversing the first argument with everything in it. */
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
