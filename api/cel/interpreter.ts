/**
 * Compiles a checked expression to a function. Evaluation counts its cost and stops at the limit.
 *
 * Source: cel-go `interpreter/planner.go`, `interpretable.go`, `attributes.go`, `runtimecost.go`.
 */
import { type CallExpr, type ComprehensionExpr, type Expr, operators, type SelectExpr } from './ast.ts';
import type { CheckedExpr } from './checker.ts';
import type { Overload } from './declarations.ts';
import { equal } from './equality.ts';
import { listLiteral, type MakeStruct, mapLiteral, structLiteral } from './evaluate-literals.ts';
import { type Activation, absorbable, type Evaluate, Frame, settled } from './evaluation.ts';
import { equalityCost } from './runtime-cost.ts';
import { hasType } from './runtime-types.ts';
import type { Type } from './types.ts';
import { asBool, elementAt, fieldsOf, keysOf, optionalField, plainText } from './value-access.ts';
import { CelError, keyOf, ListValue, type MapValue, Optional, type Value } from './values.ts';

/**
 * Compiles an expression. Constant lists, maps and conversions are evaluated now and cost nothing later.
 * @param structs creates the value of `Name{…}` @throws CelError when a constant cannot be evaluated
 */
export function compile(checked: CheckedExpr, structs: MakeStruct): Evaluate {
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

class Compiler {
  readonly #checked: CheckedExpr;
  readonly #structs: MakeStruct;
  /** Names of the variables of the enclosing loops, by depth. */
  readonly #locals: string[] = [];
  /** Results of {@link Compiler.#constant}, by node ID. */
  readonly #folded = new Map<number, Value | undefined>();

  constructor(checked: CheckedExpr, structs: MakeStruct) {
    this.#checked = checked;
    this.#structs = structs;
  }

  readonly #compile = (expr: Expr): Evaluate => this.compile(expr);

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
        return listLiteral(expr, this.#compile);
      case 'map':
        return mapLiteral(expr, this.#compile);
      case 'struct':
        return structLiteral(expr, this.#compile, this.#structs);
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
      return evaluateNow(listLiteral(expr, this.#compile));
    if (expr.kind === 'map' && expr.entries.every(({ key, value }) => this.#areConstant(key, value)))
      return evaluateNow(mapLiteral(expr, this.#compile));
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
