/**
 * Compiles a checked expression to a function. Evaluation counts its cost and stops at the limit.
 *
 * Source: cel-go `interpreter/planner.go`, `interpretable.go`, `attributes.go`, `runtimecost.go`.
 */
import {
  type CallExpr,
  type ComprehensionExpr,
  type Expr,
  type ListExpr,
  type MapExpr,
  operators,
  type SelectExpr,
  type StructExpr,
} from './ast.ts';
import type { CheckedExpr } from './checker.ts';
import type { Overload } from './declarations.ts';
import { equal } from './equality.ts';
import { JsonObject } from './json-values.ts';
import { createCosts, equalityCost } from './runtime-cost.ts';
import { hasType } from './runtime-types.ts';
import type { Type } from './types.ts';
import {
  CelCostError,
  CelError,
  keyOf,
  ListValue,
  MapValue,
  NativeList,
  NativeMap,
  Optional,
  typeNameOf,
  Uint,
  type Value,
} from './values.ts';

/** The values of the variables. */
export interface Activation {
  /** @returns undefined when there is no such variable */
  get(name: string): Value | undefined;
}

/** The state of one evaluation. */
export class Frame {
  readonly variables: Activation;
  readonly #limit: number;
  /** The cost so far, in upstream's units of about 50 ns. */
  cost = 0;
  /** Loop variables by depth. An accumulator may hold an error. */
  readonly locals: (Value | CelError)[] = [];

  /** @param limit of the cost */
  constructor(variables: Activation, limit: number) {
    this.variables = variables;
    this.#limit = limit;
  }

  /** @throws CelCostError */
  charge(cost: number): void {
    this.cost += cost;
    if (this.cost > this.#limit) throw new CelCostError();
  }
}

/** @throws CelError */
export type Evaluate = (frame: Frame) => Value;

/**
 * Compiles an expression. Constant lists, maps and conversions are evaluated now and cost nothing later.
 * @param structs creates the value of `Name{…}` @throws CelError when a constant cannot be evaluated
 */
export function compile(checked: CheckedExpr, structs: (name: string, fields: Map<string, Value>) => Value): Evaluate {
  return new Compiler(checked, structs).compile(checked.expr);
}

/** A variable with its selections (`a.b[0]`), which cel-go calls an attribute. It costs one unit as a whole, plus its selections. */
interface Attribute {
  resolve: Evaluate;
  /** Its cost when it is evaluated by itself. */
  cost: number;
}

const whole = ({ resolve, cost }: Attribute): Evaluate =>
  cost === 0
    ? resolve
    : (frame) => {
        const value = resolve(frame);
        frame.charge(cost);
        return value;
      };

/** Functions that are evaluated at compile time when their argument is a literal. */
const conversions: ReadonlySet<string> = new Set('bool bytes double duration dyn int string timestamp type uint'.split(' '));

const noVariables: Activation = { get: () => undefined };
const evaluateNow = (evaluate: Evaluate): Value => evaluate(new Frame(noVariables, Number.POSITIVE_INFINITY));

/** A key for looking up simple values in a set. Equal numbers of different types have equal keys. */
function simpleKey(value: Value): string | undefined {
  return typeof value === 'number' ? (keyOf(value) ?? `f${value}`) : keyOf(value);
}

const asBool = (value: Value): boolean => {
  if (typeof value !== 'boolean') throw new CelError('no such overload');
  return value;
};

class Compiler {
  readonly #checked: CheckedExpr;
  readonly #structs: (name: string, fields: Map<string, Value>) => Value;
  /** Names of the variables of the enclosing loops, by depth. */
  readonly #locals: string[] = [];
  /** Results of {@link Compiler.#constant}, by node ID. */
  readonly #folded = new Map<number, Value | undefined>();

  constructor(checked: CheckedExpr, structs: (name: string, fields: Map<string, Value>) => Value) {
    this.#checked = checked;
    this.#structs = structs;
  }

  compile(expr: Expr): Evaluate {
    const constant = this.#constant(expr);
    if (constant !== undefined) return () => constant;
    const attribute = this.#attribute(expr);
    if (attribute !== undefined) return whole(attribute);
    switch (expr.kind) {
      case 'select':
        return this.#presence(expr);
      case 'call':
        return this.#call(expr);
      case 'list':
        return this.#list(expr);
      case 'map':
        return this.#map(expr);
      case 'struct':
        return this.#struct(expr);
      default:
        return this.#comprehension(expr as ComprehensionExpr);
    }
  }

  /** The value of a constant expression, if cel-go folds it too; otherwise undefined. @throws CelError when its evaluation fails */
  #constant(expr: Expr): Value | undefined {
    if (expr.kind === 'literal') return expr.value;
    if (expr.kind === 'ident') return this.#checked.constants.get(expr.id);
    if (this.#folded.has(expr.id)) return this.#folded.get(expr.id);
    const value = this.#fold(expr);
    this.#folded.set(expr.id, value);
    return value;
  }

  #fold(expr: Expr): Value | undefined {
    if (expr.kind === 'list' && expr.elements.every((element) => this.#constant(element) !== undefined))
      return evaluateNow(this.#list(expr));
    if (expr.kind === 'map' && expr.entries.every(({ key, value }) => this.#areConstant(key, value)))
      return evaluateNow(this.#map(expr));
    if (expr.kind !== 'call' || expr.target !== undefined) return undefined;
    const [first, second] = expr.args;
    if (conversions.has(expr.name) && expr.args.length === 1)
      return this.#areConstant(first as Expr) ? evaluateNow(this.#function(expr)) : undefined;
    if (expr.name !== operators.in) return undefined;
    const list = this.#constant(second as Expr);
    return list instanceof ListValue && list.size === 0 ? false : undefined;
  }

  #areConstant(...parts: Expr[]): boolean {
    return parts.every((part) => this.#constant(part) !== undefined);
  }

  /** An attribute: a variable, a selection, or a conditional of two attributes. Undefined for other expressions. */
  #attribute(expr: Expr): Attribute | undefined {
    if (expr.kind === 'ident') return { resolve: this.#variable(expr.name), cost: 1 };
    if (expr.kind === 'select') return expr.testOnly ? undefined : this.#selection(expr);
    if (expr.kind !== 'call') return undefined;
    switch (expr.name) {
      case operators.conditional:
        return { resolve: this.#conditional(expr.args), cost: 0 };
      case operators.index:
        return this.#index(expr.args, false);
      case operators.optIndex:
        return this.#index(expr.args, true);
      case operators.optSelect:
        return this.#optionalSelect(expr.args);
      default:
        return undefined;
    }
  }

  /** The operand of a selection. An operand that is not an attribute costs one unit in addition to its evaluation. */
  #operand(expr: Expr): Attribute {
    const isConstant = this.#constant(expr) !== undefined;
    return (isConstant ? undefined : this.#attribute(expr)) ?? { resolve: this.compile(expr), cost: 1 };
  }

  /** A branch or an index within an attribute. An attribute there is resolved as part of the outer one. */
  #part(expr: Expr): Evaluate {
    const isConstant = this.#constant(expr) !== undefined;
    return (isConstant ? undefined : this.#attribute(expr))?.resolve ?? this.compile(expr);
  }

  #variable(name: string): Evaluate {
    const depth = this.#locals.lastIndexOf(name);
    if (depth >= 0)
      return (frame) => {
        const value = frame.locals[depth] as Value | CelError;
        if (value instanceof CelError) throw value;
        return value;
      };
    return (frame) => {
      const value = frame.variables.get(name);
      if (value === undefined) throw new CelError(`no such attribute(s): ${name}`);
      return value;
    };
  }

  #selection({ operand, field }: SelectExpr): Attribute {
    const { resolve, cost } = this.#operand(operand);
    return {
      cost,
      resolve(frame) {
        const value = resolve(frame);
        if (value instanceof Optional) return optionalField(frame, value, field);
        frame.charge(1);
        const found = fieldsOf(value).get(field);
        if (found === undefined) throw new CelError(`no such key: ${field}`);
        return found;
      },
    };
  }

  /** `has(operand.field)` costs as much as its operand. */
  #presence({ operand, field }: SelectExpr): Evaluate {
    const evaluate = whole(this.#operand(operand));
    return (frame) => {
      const value = evaluate(frame);
      const inner = value instanceof Optional ? value.value : value;
      return inner !== undefined && fieldsOf(inner).has(field);
    };
  }

  #call(expr: CallExpr): Evaluate {
    const { name, args } = expr;
    switch (name) {
      case operators.and:
        return this.#shortCircuit(args, false);
      case operators.or:
        return this.#shortCircuit(args, true);
      case operators.notStrictlyFalse:
        return this.#notStrictlyFalse(args[0] as Expr);
      case operators.equals:
      case operators.notEquals:
        return this.#equality(name === operators.equals, args);
      default:
        if (expr.target !== undefined && args.length === 1 && (name === 'or' || name === 'orValue')) return this.#otherwise(expr);
        return this.#membership(expr) ?? this.#function(expr);
    }
  }

  /** `optional.or(other)` and `optional.orValue(other)`: the other value is evaluated only if it is needed. */
  #otherwise({ name, target, args }: CallExpr): Evaluate {
    const [first, second] = [target as Expr, args[0] as Expr].map((arg) => this.compile(arg)) as [Evaluate, Evaluate];
    return (frame) => {
      const value = first(frame);
      if (!(value instanceof Optional)) throw new CelError('no such overload');
      if (value.value === undefined) return second(frame);
      return name === 'or' ? value : value.value;
    };
  }

  /** `&&` and `||`: when one side decides the result, an error of the other side is ignored. */
  #shortCircuit(args: readonly Expr[], settles: boolean): Evaluate {
    const [left, right] = args.map((arg) => this.compile(arg)) as [Evaluate, Evaluate];
    return (frame) => {
      let failed: CelError | undefined;
      try {
        if (asBool(left(frame)) === settles) return settles;
      } catch (error) {
        failed = absorbable(error);
      }
      const value = asBool(right(frame));
      if (value === settles || failed === undefined) return value;
      throw failed;
    };
  }

  #conditional(args: readonly Expr[]): Evaluate {
    const [first, second, third] = args as [Expr, Expr, Expr];
    const condition = this.compile(first);
    const [whenTrue, whenFalse] = [this.#part(second), this.#part(third)];
    return (frame) => (asBool(condition(frame)) ? whenTrue(frame) : whenFalse(frame));
  }

  #notStrictlyFalse(arg: Expr): Evaluate {
    const evaluate = this.compile(arg);
    return (frame) => {
      try {
        return evaluate(frame) !== false;
      } catch (error) {
        absorbable(error);
        return true;
      } finally {
        frame.charge(1);
      }
    };
  }

  #equality(wanted: boolean, args: readonly Expr[]): Evaluate {
    const [left, right] = args.map((arg) => this.compile(arg)) as [Evaluate, Evaluate];
    return (frame) => {
      const a = left(frame);
      const b = right(frame);
      frame.charge(equalityCost(a, b));
      return equal(a, b) === wanted;
    };
  }

  #index(args: readonly Expr[], optional: boolean): Attribute {
    const { resolve, cost } = this.#operand(args[0] as Expr);
    const index = this.#part(args[1] as Expr);
    return {
      cost,
      resolve(frame) {
        const value = resolve(frame);
        const key = index(frame);
        const isOptional = optional || value instanceof Optional;
        const inner = value instanceof Optional ? value.value : value;
        if (inner === undefined) return Optional.none;
        const found = elementAt(inner, key);
        if (isOptional && found === undefined) return Optional.none;
        frame.charge(1);
        if (isOptional) return Optional.of(found as Value);
        if (found !== undefined) return found;
        throw new CelError(
          inner instanceof ListValue ? `index out of bounds: ${plainText(key)}` : `no such key: ${plainText(key)}`,
        );
      },
    };
  }

  #optionalSelect([operand, field]: readonly Expr[]): Attribute {
    const { resolve, cost } = this.#operand(operand as Expr);
    const name = (field as { value: string }).value;
    return {
      cost,
      resolve(frame) {
        const value = resolve(frame);
        return optionalField(frame, value instanceof Optional ? value : Optional.of(value), name);
      },
    };
  }

  /** `in` with a constant list of simple values: uses a set instead of searching the list each time. */
  #membership({ name, args }: CallExpr): Evaluate | undefined {
    const list = name === operators.in ? this.#constant(args[1] as Expr) : undefined;
    if (!(list instanceof ListValue)) return undefined;
    const keys = new Set<string>();
    for (const item of list) {
      const key = simpleKey(item);
      if (key === undefined) return undefined;
      keys.add(key);
    }
    const evaluate = this.compile(args[0] as Expr);
    return (frame) => {
      const key = simpleKey(evaluate(frame));
      return key !== undefined && keys.has(key);
    };
  }

  #function({ id, target, args }: CallExpr): Evaluate {
    const overloads = this.#checked.overloads.get(id) ?? [];
    const evaluates = (target === undefined ? args : [target, ...args]).map((arg) => this.compile(arg));
    const [only] = overloads;
    this.#checkPattern(overloads[0], args);
    const isCertain =
      overloads.length === 1 && only !== undefined && only.args.every(({ kind }) => kind === 'dyn' || kind === 'param');
    return (frame) => {
      const values: Value[] = [];
      for (const evaluate of evaluates) values.push(evaluate(frame));
      const overload = isCertain ? only : choose(overloads, values);
      const result = overload.call(...values);
      frame.charge(overload.cost?.(values, result) ?? 1);
      return result;
    };
  }

  /** Compiles a constant pattern now. @throws CelError for an invalid pattern */
  #checkPattern(overload: Overload | undefined, args: readonly Expr[]): void {
    if (overload === undefined || !['find', 'findAll'].includes(overload.name)) return;
    const pattern = this.#constant(args[0] as Expr);
    if (typeof pattern === 'string') overload.call('', pattern);
  }

  #list({ elements, optional }: ListExpr): Evaluate {
    const evaluates = elements.map((element) => this.compile(element));
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

  #map({ entries }: MapExpr): Evaluate {
    const parts = entries.map(({ key, value, optional }) => ({ key: this.compile(key), value: this.compile(value), optional }));
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

  #struct({ typeName, fields }: StructExpr): Evaluate {
    const parts = fields.map(({ name, value, optional }) => ({ name, evaluate: this.compile(value), optional }));
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
      return this.#structs(typeName, values);
    };
  }

  #comprehension(expr: ComprehensionExpr): Evaluate {
    const range = this.compile(expr.range);
    const init = this.compile(expr.init);
    const depth = this.#locals.length;
    this.#locals.push(expr.accumulator);
    this.#locals.push(expr.variable);
    if (expr.variable2 !== undefined) this.#locals.push(expr.variable2);
    const condition = this.compile(expr.condition);
    const step = this.compile(expr.step);
    this.#locals.length = depth + 1;
    const result = this.compile(expr.result);
    this.#locals.length = depth;
    const isEndless = expr.condition.kind === 'literal' && expr.condition.value === true;
    const isTwo = expr.variable2 !== undefined;
    return (frame) => {
      const { locals } = frame;
      const over = range(frame);
      locals[depth] = settled(init, frame);
      const keys = over instanceof ListValue ? undefined : keysOf(over, isTwo);
      const size = keys === undefined ? (over as ListValue).size : keys.length;
      for (let index = 0; index < size; index++) {
        const element = keys === undefined ? (over as ListValue).at(index) : (keys[index] as Value);
        if (isTwo) {
          locals[depth + 1] = keys === undefined ? BigInt(index) : element;
          locals[depth + 2] = keys === undefined ? element : ((over as MapValue).get(element) as Value);
        } else locals[depth + 1] = element;
        if (!isEndless && condition(frame) === false) break;
        // Quantifiers continue after an error, because another element may decide the result.
        locals[depth] = isEndless ? step(frame) : settled(step, frame);
      }
      return result(frame);
    };
  }
}

function settled(evaluate: Evaluate, frame: Frame): Value | CelError {
  try {
    return evaluate(frame);
  } catch (error) {
    return absorbable(error);
  }
}

/** Returns an evaluation error that `&&`, `||` or a quantifier may ignore. @throws any other error */
function absorbable(error: unknown): CelError {
  if (error instanceof CelError && !(error instanceof CelCostError)) return error;
  throw error;
}

/** The keys of a map for a loop. @throws CelError for an object: only loops with two variables can iterate over its fields */
function keysOf(range: Value, isTwo: boolean): Value[] {
  if (range instanceof MapValue && (isTwo || !(range instanceof JsonObject))) return [...range.keys()];
  throw new CelError(`got '${typeNameOf(range)}', expected iterable type`);
}

function fieldsOf(value: Value): MapValue {
  if (value instanceof MapValue) return value;
  throw new CelError('no such overload');
}

/** Selects a field of an optional. Costs only when there is a value. */
function optionalField(frame: Frame, { value }: Optional, field: string): Optional {
  const found = value === undefined ? undefined : fieldsOf(value).get(field);
  if (found === undefined) return Optional.none;
  frame.charge(1);
  return Optional.of(found);
}

/** An element of a list or map; undefined when there is none. @throws CelError for a value that has no elements */
function elementAt(container: Value, key: Value): Value | undefined {
  if (container instanceof MapValue) return container.get(key);
  if (!(container instanceof ListValue)) throw new CelError('no such overload');
  const number = key instanceof Uint ? key.value : key;
  if (typeof number !== 'bigint' && !(typeof number === 'number' && Number.isInteger(number)))
    throw new CelError(`unsupported index type '${typeNameOf(key)}' in list`);
  return number >= 0 && number < container.size ? container.at(Number(number)) : undefined;
}

/** The overload whose argument types these values have. @throws CelError */
function choose(overloads: readonly Overload[], values: readonly Value[]): Overload {
  for (const overload of overloads) {
    const { args } = overload;
    let index = 0;
    while (index < args.length && hasType(values[index] as Value, args[index] as Type)) index++;
    if (index === args.length) return overload;
  }
  throw new CelError('no such overload');
}

/** A value's text in messages. */
function plainText(value: Value): string {
  if (value instanceof Uint) return String(value.value);
  return typeof value === 'object' ? typeNameOf(value) : String(value);
}
