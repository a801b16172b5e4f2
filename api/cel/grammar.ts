/**
 * The words and operators of CEL's grammar.
 *
 * Source: cel-spec `doc/langdef.md` (Syntax); cel-go `parser/gen/CEL.g4`.
 */
import { operators } from './ast.ts';

/** Reserved words, which cannot be identifiers. */
export const reserved = new Set(
  'as break const continue else false for function if import in let loop namespace null package return true var void while'.split(
    ' ',
  ),
);
/** Keywords of the grammar, which cannot be identifiers. */
export const keywords = new Set(['true', 'false', 'null', 'in']);

/** The tokens that can begin an expression, as error messages list them. */
export const expressionStart =
  "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";

/** Operators of relations. */
export const relations: ReadonlyMap<string, string> = new Map([
  ['<', operators.less],
  ['<=', operators.lessEquals],
  ['>', operators.greater],
  ['>=', operators.greaterEquals],
  ['==', operators.equals],
  ['!=', operators.notEquals],
  ['in', operators.in],
]);
/** Operators of sums. */
export const sums: ReadonlyMap<string, string> = new Map([
  ['+', operators.add],
  ['-', operators.subtract],
]);
/** Operators of products. */
export const products: ReadonlyMap<string, string> = new Map([
  ['*', operators.multiply],
  ['/', operators.divide],
  ['%', operators.modulo],
]);
/** Unary operators. */
export const unaries: readonly (readonly [symbol: string, name: string])[] = [
  ['!', operators.not],
  ['-', operators.negate],
];
