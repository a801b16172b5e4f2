/**
 * The syntax tree of a CEL expression, after macros have been expanded.
 *
 * Source: cel-spec `proto/cel/expr/syntax.proto`.
 */
import type { Constant } from './values.ts';

interface Node {
  /** Unique within one expression. The checker stores its results by this ID. */
  id: number;
  /** Position in the source, in UTF-16 units: that of the operator, or for a function call that of its parenthesis. */
  offset: number;
}

/** A constant: `1`, `"text"`, `true`, `null`. */
export interface LiteralExpr extends Node {
  kind: 'literal';
  value: Constant;
}

/** The name of a variable or a type, with dots where it is qualified. */
export interface IdentExpr extends Node {
  kind: 'ident';
  name: string;
}

/** `operand.field`, or with `testOnly` the macro `has(operand.field)`. */
export interface SelectExpr extends Node {
  kind: 'select';
  operand: Expr;
  field: string;
  testOnly: boolean;
}

/** `target.name(args)`, `name(args)`, and every operator: `_+_`, `_[_]`, `_?_:_`. */
export interface CallExpr extends Node {
  kind: 'call';
  name: string;
  target: Expr | undefined;
  args: Expr[];
}

/** `[a, ?b]` */
export interface ListExpr extends Node {
  kind: 'list';
  elements: Expr[];
  /** Indexes of the elements that are written `?element`: left out when they are `optional.none()`. */
  optional: ReadonlySet<number>;
}

/** One `key: value` of a {@link MapExpr}. */
export interface MapEntry {
  key: Expr;
  value: Expr;
  /** Written `?key: value`: left out when the value is `optional.none()`. */
  optional: boolean;
}

/** `{key: value, ?other: optional}` */
export interface MapExpr extends Node {
  kind: 'map';
  entries: MapEntry[];
}

/** `Type{field: value}` */
export interface StructExpr extends Node {
  kind: 'struct';
  typeName: string;
  fields: { id: number; offset: number; name: string; value: Expr; optional: boolean }[];
}

/**
 * A loop: `accumulator` starts as `init`; for each element of `range`, while `condition` is true, `step` becomes its next value; `result`
 * is the value of the loop.
 */
export interface ComprehensionExpr extends Node {
  kind: 'comprehension';
  range: Expr;
  /** The element of a list or the key of a map; with two variables, the index or the key. */
  variable: string;
  /** With two variables, the element or the value. */
  variable2: string | undefined;
  accumulator: string;
  init: Expr;
  condition: Expr;
  step: Expr;
  result: Expr;
}

/** Any node of the tree; `kind` tells which. */
export type Expr = LiteralExpr | IdentExpr | SelectExpr | CallExpr | ListExpr | MapExpr | StructExpr | ComprehensionExpr;

/** Names of operators, as they are declared and as messages show them. */
export const operators = {
  conditional: '_?_:_',
  and: '_&&_',
  or: '_||_',
  not: '!_',
  negate: '-_',
  add: '_+_',
  subtract: '_-_',
  multiply: '_*_',
  divide: '_/_',
  modulo: '_%_',
  equals: '_==_',
  notEquals: '_!=_',
  less: '_<_',
  lessEquals: '_<=_',
  greater: '_>_',
  greaterEquals: '_>=_',
  in: '@in',
  index: '_[_]',
  optIndex: '_[?_]',
  optSelect: '_?._',
  notStrictlyFalse: '@not_strictly_false',
} as const;

/** The accumulator of macros. The name is not a valid identifier, so no expression can use it. */
export const accumulatorName = '@result';

/** `a.b.c` for a chain of field selections from an identifier; otherwise undefined. */
export function qualifiedName(expr: Expr): string | undefined {
  if (expr.kind === 'ident') return expr.name;
  if (expr.kind !== 'select' || expr.testOnly) return undefined;
  const operand = qualifiedName(expr.operand);
  return operand === undefined ? undefined : `${operand}.${expr.field}`;
}

/** The expressions within an expression. */
export function partsOf(expr: Expr): Expr[] {
  switch (expr.kind) {
    case 'select':
      return [expr.operand];
    case 'call':
      return expr.target === undefined ? expr.args : [expr.target, ...expr.args];
    case 'list':
      return expr.elements;
    case 'map':
      return expr.entries.flatMap(({ key, value }) => [key, value]);
    case 'struct':
      return expr.fields.map(({ value }) => value);
    case 'comprehension':
      return [expr.range, expr.init, expr.condition, expr.step, expr.result];
    default:
      return [];
  }
}
