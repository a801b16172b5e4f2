/**
 * Estimates the minimum and maximum cost of an expression before it is evaluated.
 *
 * The declarer of the variables knows their largest size (`maxItems`, `maxLength` of a schema), and is asked by path. An unknown size is
 * anything up to 2^64.
 *
 * Source: cel-go `checker/cost.go`; apiserver `pkg/cel/library/cost.go` (EstimateCallCost).
 */
import { accumulatorName, type CallExpr, type ComprehensionExpr, type Expr, operators } from './ast.ts';
import type { CheckedExpr } from './checker.ts';
import { callEstimate } from './cost-calls.ts';
import { exactly, plus, type Range, type Sized, type SizeEstimator, times, union, unknownRange } from './cost-range.ts';
import { createCosts } from './runtime-cost.ts';
import { dynType, type Type } from './types.ts';
import { sizeOf, Uint, type Value } from './values.ts';

/** Sizes of the keys (or indexes) and values of a container. */
interface EntrySizes {
  isList: boolean;
  key: Range;
  value: Range;
}

/** A variable of a loop. */
interface Local {
  path: readonly string[] | undefined;
  size: Range | undefined;
  entries: EntrySizes | undefined;
}

/** The cost range of an expression, in the units of `Frame.cost`. @param estimateSize estimates the size of variables and their parts */
export function estimateCost(checked: CheckedExpr, estimateSize: SizeEstimator = () => undefined): Range {
  return new Estimator(checked, estimateSize).cost(checked.expr);
}

class Estimator {
  readonly #checked: CheckedExpr;
  readonly #estimateSize: SizeEstimator;
  readonly #paths = new Map<number, readonly string[]>();
  readonly #sizes = new Map<number, Range>();
  readonly #entries = new Map<number, EntrySizes>();
  /** Innermost last. */
  readonly #locals = new Map<string, Local[]>();

  constructor(checked: CheckedExpr, estimateSize: SizeEstimator) {
    this.#checked = checked;
    this.#estimateSize = estimateSize;
  }

  cost(expr: Expr): Range {
    switch (expr.kind) {
      case 'literal':
        return exactly(0);
      case 'ident': {
        const local = this.#local(expr.name);
        const path = local === undefined ? [expr.name] : local.path;
        if (path !== undefined) this.#paths.set(expr.id, path);
        return exactly(1);
      }
      case 'select': {
        const operand = this.cost(expr.operand);
        if (expr.testOnly) return operand;
        const { kind } = this.#type(expr.operand);
        this.#paths.set(expr.id, [...(this.#path(expr.operand) ?? []), expr.field]);
        return plus(operand, exactly(['map', 'struct', 'param', 'dyn'].includes(kind) && kind !== 'dyn' ? 1 : 0));
      }
      case 'call':
        return this.#call(expr);
      case 'list': {
        const value = this.#unionOfSizes(expr.elements);
        const cost = sum(expr.elements.map((element) => this.cost(element)));
        this.#entries.set(expr.id, { isList: true, key: exactly(1), value: expr.elements.length === 0 ? exactly(0) : value() });
        return plus(cost, exactly(createCosts.list));
      }
      case 'map': {
        const keys = expr.entries.map(({ key }) => key);
        const values = expr.entries.map(({ value }) => value);
        const cost = sum([...keys, ...values].map((part) => this.cost(part)));
        this.#entries.set(expr.id, { isList: false, key: this.#unionOfSizes(keys)(), value: this.#unionOfSizes(values)() });
        return plus(cost, exactly(createCosts.map));
      }
      case 'struct':
        return plus(sum(expr.fields.map(({ value }) => this.cost(value))), exactly(createCosts.struct));
      default:
        return isBinding(expr) ? this.#binding(expr) : this.#comprehension(expr);
    }
  }

  /** Call it after the costs of the parts were computed, because that also computes their sizes. */
  #unionOfSizes(parts: readonly Expr[]): () => Range {
    return () => (parts.length === 0 ? exactly(0) : parts.map((part) => this.size(part)).reduce(union));
  }

  #type(expr: Expr): Type {
    return this.#checked.types.get(expr.id) ?? dynType;
  }

  #local(name: string): Local | undefined {
    return this.#locals.get(name)?.at(-1);
  }

  #path(expr: Expr): readonly string[] | undefined {
    if (expr.kind === 'ident') {
      const local = this.#local(expr.name);
      if (local !== undefined) return local.path;
    }
    return this.#paths.get(expr.id);
  }

  /** The size of a value, as far as it is known. */
  size(expr: Expr): Range {
    return this.#knownSize(expr) ?? unknownRange;
  }

  #knownSize(expr: Expr): Range | undefined {
    const known = this.#sizes.get(expr.id);
    if (known !== undefined) return known;
    if (expr.kind === 'literal') return exactly(expr.value instanceof Uint ? 1 : sizeOf(expr.value as Value));
    if (expr.kind === 'list') return exactly(expr.elements.length);
    if (expr.kind === 'map') return exactly(expr.entries.length);
    const type = this.#type(expr);
    const path = this.#path(expr);
    const estimated = this.#estimateSize(path === undefined || path[0] === accumulatorName ? [] : path, type);
    if (estimated !== undefined) {
      this.#sizes.set(expr.id, estimated);
      return estimated;
    }
    if (isScalar(type)) return exactly(1);
    return expr.kind === 'ident' ? this.#local(expr.name)?.size : undefined;
  }

  #entriesOf(expr: Expr): EntrySizes | undefined {
    return this.#entries.get(expr.id) ?? (expr.kind === 'ident' ? this.#local(expr.name)?.entries : undefined);
  }

  #sized(expr: Expr): Sized {
    const path = this.#path(expr);
    return { path: path?.[0] === accumulatorName ? undefined : path, type: this.#type(expr), expr, size: this.size(expr) };
  }

  #call(expr: CallExpr): Range {
    const { name, args, target } = expr;
    if (name === 'dyn') {
      const [arg] = args as [Expr];
      const cost = this.cost(arg);
      this.#copySizes(expr, arg);
      return plus(exactly(1), cost);
    }
    const costs = args.map((arg) => this.cost(arg));
    const targetCost = target === undefined ? exactly(0) : this.cost(target);
    if (name === operators.and || name === operators.or) {
      const [left, right] = costs as [Range, Range];
      return { min: left.min, max: plus(left, right).max };
    }
    if (name === operators.conditional) return this.#conditional(expr, costs);
    if (name === operators.optSelect) return plus(exactly(1), costs[0] as Range);
    const ids = (this.#checked.overloads.get(expr.id) ?? []).map(({ id }) => id);
    if (ids.length === 0) return plus(targetCost, sum(costs));
    let cost: Range | undefined;
    let size: Range | undefined;
    for (const id of ids) {
      const estimate = callEstimate(
        { name, id },
        target === undefined ? undefined : this.#sized(target),
        args.map((arg) => this.#sized(arg)),
        (path, type) => this.#estimateSize(path, type),
      );
      cost = cost === undefined ? estimate.cost : union(cost, estimate.cost);
      if (estimate.size !== undefined) size = size === undefined ? estimate.size : union(size, estimate.size);
      this.#trackEntries(expr, id);
      if (id === 'index_list' || id === 'index_map') size = this.#entriesOf(args[0] as Expr)?.value ?? size;
    }
    const known = size ?? this.#knownSize(expr);
    if (known !== undefined) this.#sizes.set(expr.id, known);
    return plus(targetCost, plus(sum(costs), cost as Range));
  }

  /** Records the path and the entry sizes that the result of a call takes over from its arguments. */
  #trackEntries(expr: CallExpr, id: string): void {
    const [first, second] = expr.args;
    if (id === 'index_list' || id === 'index_map')
      this.#paths.set(expr.id, [...(this.#path(first as Expr) ?? []), id === 'index_list' ? '@items' : '@values']);
    if (id === 'add_list' || id === 'add_string' || id === 'add_bytes') {
      const [left, right] = [this.#entriesOf(first as Expr), this.#entriesOf(second as Expr)];
      if (left !== undefined && right !== undefined) this.#entries.set(expr.id, joined(left, right));
    }
  }

  #conditional(expr: CallExpr, [condition, whenTrue, whenFalse]: Range[]): Range {
    const [, left, right] = expr.args as [Expr, Expr, Expr];
    const [leftEntries, rightEntries] = [this.#entriesOf(left), this.#entriesOf(right)];
    if (leftEntries !== undefined && rightEntries !== undefined) this.#entries.set(expr.id, joined(leftEntries, rightEntries));
    this.#sizes.set(expr.id, union(this.size(left), this.size(right)));
    return plus(condition as Range, union(whenTrue as Range, whenFalse as Range));
  }

  #copySizes(to: Expr, from: Expr): void {
    const size = this.#knownSize(from);
    if (size !== undefined) this.#sizes.set(to.id, size);
    const entries = this.#entriesOf(from);
    if (entries !== undefined) this.#entries.set(to.id, entries);
  }

  #with(name: string, local: Local, action: () => void): void {
    const stack = this.#locals.get(name) ?? [];
    this.#locals.set(name, stack);
    stack.push(local);
    action();
    stack.pop();
  }

  #binding(expr: ComprehensionExpr): Range {
    const before = plus(this.cost(expr.range), this.cost(expr.init));
    let result = exactly(0);
    const local = { path: this.#path(expr.init), size: this.#knownSize(expr.init), entries: this.#entriesOf(expr.init) };
    this.#with(expr.accumulator, local, () => {
      result = this.cost(expr.result);
      this.#copySizes(expr, expr.result);
    });
    return plus(before, result);
  }

  #comprehension(expr: ComprehensionExpr): Range {
    const { range, init } = expr;
    const before = plus(this.cost(range), this.cost(init));
    const count = this.size(range);
    const entries = this.#entriesOf(range);
    const isList = entries?.isList ?? this.#type(range).kind === 'list';
    const path = this.#path(range);
    // As in cel-go, a part of a value without a path gets a path of its own, which Kubernetes' estimator treats as a path from the root.
    const at = (part: string): readonly string[] => [...(path ?? []), part];
    const key: Local = { path: at(isList ? '@indices' : '@keys'), size: entries?.key, entries: undefined };
    const value: Local = { path: at(isList ? '@items' : '@values'), size: entries?.value, entries: undefined };
    const accumulator: Local = { path: this.#path(init), size: this.#knownSize(init), entries: this.#entriesOf(init) };
    const isTwo = expr.variable2 !== undefined;
    let perElement = exactly(0);
    let result = exactly(0);
    let stepEntries: EntrySizes | undefined;
    this.#with(expr.accumulator, accumulator, () => {
      this.#with(expr.variable, isTwo || !isList ? key : value, () => {
        this.#with(expr.variable2 ?? '', value, () => {
          perElement = plus(this.cost(expr.condition), this.cost(expr.step));
          stepEntries = this.#entriesOf(expr.step);
        });
      });
      result = this.cost(expr.result);
    });
    if (init.kind === 'literal') {
      const size = this.#knownSize(init);
      if (size !== undefined) this.#sizes.set(expr.id, size);
    } else if (init.kind === 'list' || init.kind === 'map') {
      this.#sizes.set(expr.id, count);
      if (stepEntries !== undefined) this.#entries.set(expr.id, stepEntries);
    }
    return plus(plus(before, result), times(count, perElement));
  }
}

const sum = (ranges: readonly Range[]): Range => ranges.reduce(plus, exactly(0));

const joined = (a: EntrySizes, b: EntrySizes): EntrySizes => ({
  isList: a.isList,
  key: union(a.key, b.key),
  value: union(a.value, b.value),
});

/** Whether a loop is an expanded `cel.bind`: its range is empty, and its accumulator has the user's name. */
const isBinding = ({ range, condition, accumulator }: ComprehensionExpr): boolean =>
  range.kind === 'list' &&
  range.elements.length === 0 &&
  condition.kind === 'literal' &&
  condition.value === false &&
  accumulator !== accumulatorName;

function isScalar({ kind, name, params }: Type): boolean {
  if (kind === 'opaque' && name === 'optional_type') return isScalar(params[0] ?? dynType);
  return ['bool', 'double', 'duration', 'int', 'timestamp', 'uint'].includes(kind);
}
