/** Ranges of sizes and costs. Source: cel-go `checker/cost.go` (SizeEstimate, CostEstimate). */
import type { Expr } from './ast.ts';
import type { Type } from './types.ts';

/** From `min` to `max`, whole numbers up to {@link unbounded}. */
export interface Range {
  min: number;
  max: number;
}

/** Stands for "no bound": upstream's largest uint64. */
export const unbounded = 2 ** 64;

const cap = (value: number): number => Math.min(value, unbounded);
/** The range of a known value. */
export const exactly = (value: number): Range => ({ min: value, max: value });
/** The range of an unknown value. */
export const unknownRange: Range = { min: 0, max: unbounded };
/** The range of a sum; at most {@link unbounded}. */
export const plus = (a: Range, b: Range): Range => ({ min: cap(a.min + b.min), max: cap(a.max + b.max) });
/** The range of a product; at most {@link unbounded}. */
export const times = (a: Range, b: Range): Range => ({ min: product(a.min, b.min), max: product(a.max, b.max) });
/** The range times a number, rounded up; at most {@link unbounded}. */
export const scaled = (a: Range, factor: number): Range => ({
  min: cap(Math.ceil(a.min * factor)),
  max: cap(Math.ceil(a.max * factor)),
});
/** The smallest range that contains both: of a value that comes from one of two branches. */
export const union = (a: Range, b: Range): Range => ({ min: Math.min(a.min, b.min), max: Math.max(a.max, b.max) });
const product = (a: number, b: number): number => (a === 0 || b === 0 ? 0 : cap(a * b));

/** An expression with its path and sizes. */
export interface Sized {
  /** `['self', 'spec', 'items', '@items']`; undefined: it is no part of a variable. */
  path: readonly string[] | undefined;
  type: Type;
  expr: Expr | undefined;
  size: Range;
}

/** Estimates the size of a value. @returns undefined when it is unknown */
export type SizeEstimator = (path: readonly string[], type: Type) => Range | undefined;
