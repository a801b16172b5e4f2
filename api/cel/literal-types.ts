/**
 * The types of literals: of one constant, and the rule that the elements of a list or map literal have one type.
 *
 * Source: cel-go `cel/validator.go` (ValidateHomogeneousAggregateLiterals), with its error texts.
 */
import { type Expr, type ListExpr, type MapExpr, partsOf } from './ast.ts';
import type { Issue } from './source.ts';
import * as types from './types.ts';
import { formatType, type Type } from './types.ts';

type TypeOf = (expr: Expr) => Type;

/** The type of a constant. */
export function literalType(value: unknown): Type {
  switch (typeof value) {
    case 'bigint':
      return types.intType;
    case 'number':
      return types.doubleType;
    case 'boolean':
      return types.boolType;
    case 'string':
      return types.stringType;
    default:
      if (value === null) return types.nullType;
      return value instanceof Uint8Array ? types.bytesType : types.uintType;
  }
}

/** The elements whose type differs from that of the first one, in all literals of an expression except the arguments of `format`. */
export function literalIssues(expr: Expr, typeOf: TypeOf): Issue[] {
  const own = expr.kind === 'list' ? listIssues(expr, typeOf) : expr.kind === 'map' ? mapIssues(expr, typeOf) : [];
  if (expr.kind === 'call' && expr.name === 'format') return own;
  return [...own, ...partsOf(expr).flatMap((part) => literalIssues(part, typeOf))];
}

function listIssues({ elements, optional }: ListExpr, typeOf: TypeOf): Issue[] {
  const typeAt = (index: number): Type => valueType(typeOf(elements[index] as Expr), optional.has(index));
  const wrong = elements.findIndex((_, index) => !types.isSameType(typeAt(0), typeAt(index)));
  return wrong > 0 ? [difference(elements[wrong] as Expr, typeAt(0), typeAt(wrong))] : [];
}

function mapIssues({ entries }: MapExpr, typeOf: TypeOf): Issue[] {
  const [first, ...others] = entries.map((entry) => ({
    ...entry,
    keyType: typeOf(entry.key),
    valueType: valueType(typeOf(entry.value), entry.optional),
  }));
  if (first === undefined) return [];
  return others.flatMap(({ key, value, keyType, valueType: type }) => [
    ...(types.isSameType(first.keyType, keyType) ? [] : [difference(key, first.keyType, keyType)]),
    ...(types.isSameType(first.valueType, type) ? [] : [difference(value, first.valueType, type)]),
  ]);
}

const valueType = (type: Type, optional: boolean): Type => (optional ? types.unwrapOptional(type)[0] : type);

const difference = ({ offset }: Expr, wanted: Type, found: Type): Issue => ({
  offset,
  message: `expected type '${formatType(wanted)}' but found '${formatType(found)}'`,
});
