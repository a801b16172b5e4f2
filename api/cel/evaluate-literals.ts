/**
 * Compiles list, map and object literals to functions that create their values.
 *
 * Source: cel-go `interpreter/interpretable.go` (evalList, evalMap, evalObj), with its error texts.
 */
import type { Expr, ListExpr, MapExpr, StructExpr } from './ast.ts';
import type { Evaluate } from './evaluation.ts';
import { createCosts } from './runtime-cost.ts';
import { plainText } from './value-access.ts';
import { CelError, keyOf, NativeList, NativeMap, Optional, typeNameOf, type Value } from './values.ts';

type Compile = (expr: Expr) => Evaluate;

/** Creates the value of `Name{…}`. */
export type MakeStruct = (name: string, fields: Map<string, Value>) => Value;

/** `[a, ?b]` */
export function listLiteral({ elements, optional }: ListExpr, compile: Compile): Evaluate {
  const evaluates = elements.map((element) => compile(element));
  return (frame) => {
    const items: Value[] = [];
    for (const [index, evaluate] of evaluates.entries()) {
      const value = evaluate(frame);
      if (!optional.has(index)) items.push(value);
      else if (!(value instanceof Optional))
        throw new CelError(`cannot initialize optional list element from non-optional value ${plainText(value)}`);
      else if (value.value !== undefined) items.push(value.value);
    }
    frame.charge(createCosts.list);
    return new NativeList(items);
  };
}

/** `{key: value, ?other: optional}` */
export function mapLiteral({ entries }: MapExpr, compile: Compile): Evaluate {
  const parts = entries.map(({ key, value, optional }) => ({ key: compile(key), value: compile(value), optional }));
  return (frame) => {
    const map = new Map<string, readonly [Value, Value]>();
    for (const { key: evaluateKey, value: evaluateValue, optional } of parts) {
      const key = evaluateKey(frame);
      const value = evaluateValue(frame);
      if (optional && !(value instanceof Optional))
        throw new CelError(`cannot initialize optional entry '${plainText(key)}' from non-optional value ${plainText(value)}`);
      const inner = optional ? (value as Optional).value : value;
      const name = typeof key === 'number' ? undefined : keyOf(key);
      if (name === undefined) throw new CelError(`unsupported key type: ${typeNameOf(key)}`);
      if (map.has(name)) throw new CelError(`Failed with repeated key: ${plainText(key)}`);
      if (inner !== undefined) map.set(name, [key, inner]);
    }
    frame.charge(createCosts.map);
    return new NativeMap(map);
  };
}

/** `Name{field: value}`. @param make creates the value */
export function structLiteral({ typeName, fields }: StructExpr, compile: Compile, make: MakeStruct): Evaluate {
  const parts = fields.map(({ name, value, optional }) => ({ name, evaluate: compile(value), optional }));
  return (frame) => {
    const values = new Map<string, Value>();
    for (const { name, evaluate, optional } of parts) {
      const value = evaluate(frame);
      if (!optional) values.set(name, value);
      else if (!(value instanceof Optional))
        throw new CelError(`cannot initialize optional entry '${name}' from non-optional value ${plainText(value)}`);
      else if (value.value !== undefined) values.set(name, value.value);
    }
    frame.charge(createCosts.struct);
    return make(typeName, values);
  };
}
