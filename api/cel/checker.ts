/**
 * The type checker: finds the type of every node of an expression, and the possible overloads of every call.
 *
 * Source: cel-spec `doc/langdef.md` (Gradual Type Checking); cel-go `checker/checker.go`, with its error texts.
 */
import {
  type CallExpr,
  type ComprehensionExpr,
  type Expr,
  type ListExpr,
  type MapExpr,
  operators,
  qualifiedName,
  type SelectExpr,
  type StructExpr,
} from './ast.ts';
import type { Declarations, Overload } from './declarations.ts';
import { literalIssues, literalType } from './literal-types.ts';
import { CelCompileError, type Issue } from './source.ts';
import * as types from './types.ts';
import { formatType, type Type } from './types.ts';
import { CelError, type Value } from './values.ts';

/** A checked expression, as the interpreter and the cost estimate need it. */
export interface CheckedExpr {
  expr: Expr;
  /** Types by node ID. */
  types: ReadonlyMap<number, Type>;
  /** The overloads that match the arguments, by the ID of the call. */
  overloads: ReadonlyMap<number, readonly Overload[]>;
  /** Constant values, by the ID of the identifier. */
  constants: ReadonlyMap<number, Value>;
  /** The type of the whole expression. */
  result: Type;
}

/**
 * Checks an expression, and resolves its qualified names: nodes of the tree are replaced in place.
 * @throws CelCompileError with all errors
 */
export function check(source: string, expr: Expr, declarations: Declarations): CheckedExpr {
  const checker = new Checker(declarations);
  checker.check(expr);
  if (checker.issues.length === 0 && !declarations.mixedLiterals) checker.checkLiterals(expr);
  if (checker.issues.length > 0)
    throw new CelCompileError(
      source,
      checker.issues.sort((a, b) => (a.offset ?? 0) - (b.offset ?? 0)),
    );
  return checker.finish(expr);
}

class Checker {
  readonly issues: Issue[] = [];
  readonly #declarations: Declarations;
  readonly #types = new Map<number, Type>();
  readonly #overloads = new Map<number, readonly Overload[]>();
  readonly #constants = new Map<number, Value>();
  readonly #known = new types.Substitutions();
  #freshNames = 0;
  /** Variables of the enclosing loops, innermost last. */
  readonly #scopes: Map<string, Type>[] = [];

  constructor(declarations: Declarations) {
    this.#declarations = declarations;
  }

  finish(expr: Expr): CheckedExpr {
    for (const [id, type] of this.#types) this.#types.set(id, types.substitute(this.#known, type, true));
    return { expr, types: this.#types, overloads: this.#overloads, constants: this.#constants, result: this.#typeOf(expr) };
  }

  check(expr: Expr): void {
    switch (expr.kind) {
      case 'literal':
        this.#set(expr, literalType(expr.value));
        break;
      case 'ident':
        this.#ident(expr, expr.name);
        break;
      case 'select':
        this.#select(expr);
        break;
      case 'call':
        this.#call(expr);
        break;
      case 'list':
        this.#list(expr);
        break;
      case 'map':
        this.#map(expr);
        break;
      case 'struct':
        this.#struct(expr);
        break;
      default:
        this.#comprehension(expr);
    }
  }

  /** Elements of a list or map literal must have one type. */
  checkLiterals(expr: Expr): void {
    this.issues.push(...literalIssues(expr, (part) => types.substitute(this.#known, this.#typeOf(part), true)));
  }

  #set({ id }: Expr, type: Type): void {
    this.#types.set(id, type);
  }

  #typeOf({ id }: Expr): Type {
    return this.#types.get(id) ?? types.errorType;
  }

  #mistake({ offset }: { offset: number }, message: string): void {
    this.issues.push({ offset, message });
  }

  /** @returns whether the name was found */
  #tryIdent(expr: Expr, name: string): boolean {
    const plain = name.startsWith('.') ? name.slice(1) : name;
    const local = name === plain ? this.#local(name) : undefined;
    const type = local ?? this.#declarations.variable(plain);
    const constant = type === undefined ? this.#declarations.constant(plain) : undefined;
    if (constant !== undefined) this.#constants.set(expr.id, constant.value);
    const found = type ?? constant?.type;
    if (found === undefined) return false;
    this.#set(expr, found);
    Object.assign(expr, { kind: 'ident', name: plain });
    return true;
  }

  #local(name: string): Type | undefined {
    return this.#scopes.findLast((scope) => scope.has(name))?.get(name);
  }

  #ident(expr: Expr, name: string): void {
    if (this.#tryIdent(expr, name)) return;
    this.#set(expr, types.errorType);
    this.#mistake(expr, `undeclared reference to '${name}' (in container '')`);
  }

  #select(expr: SelectExpr): void {
    const { operand, field, testOnly } = expr;
    const name = qualifiedName(expr);
    // A loop variable `a` hides a declared variable `a.b`.
    const [root = ''] = name?.split('.', 1) ?? [];
    if (name !== undefined && this.#local(root) === undefined && this.#tryIdent(expr, name)) return;
    const result = this.#field(expr, operand, field, false);
    this.#set(expr, types.substitute(this.#known, testOnly ? types.boolType : result, false));
  }

  #field(at: Expr, operand: Expr, field: string, optional: boolean): Type {
    this.check(operand);
    const [target, wasOptional] = types.unwrapOptional(types.substitute(this.#known, this.#typeOf(operand), false));
    const result = this.#fieldType(at, target, field);
    return wasOptional || optional ? types.optionalType(result) : result;
  }

  #fieldType(at: Expr, target: Type, field: string): Type {
    switch (target.kind) {
      case 'map':
        return target.params[1] as Type;
      case 'struct': {
        const found = target.fields?.get(field);
        if (found !== undefined) return found.type;
        this.#mistake(at, `undefined field '${field}'`);
        return types.errorType;
      }
      case 'param':
        this.#assignable([types.dynType], [target]);
        return types.dynType;
      default:
        if (!types.isDynOrError(target)) this.#mistake(at, `type '${formatType(target)}' does not support field selection`);
        return types.dynType;
    }
  }

  #call(expr: CallExpr): void {
    if (expr.name === operators.optSelect) {
      const [operand, field] = expr.args as [Expr, Expr];
      const name = field.kind === 'literal' ? String(field.value) : '';
      this.check(field);
      this.#set(expr, types.substitute(this.#known, this.#field(expr, operand, name, true), false));
      return;
    }
    for (const arg of expr.args) this.check(arg);
    const { target, name } = expr;
    if (target === undefined) {
      const plain = name.startsWith('.') ? name.slice(1) : name;
      expr.name = plain;
      this.#resolve(expr, this.#declarations.overloads(plain), expr.args);
      return;
    }
    // `a.b.c()` is either the function `a.b.c`, or the member function `c` of `a.b`.
    const prefix = qualifiedName(target);
    const qualified = prefix === undefined ? [] : this.#declarations.overloads(`${prefix}.${name}`);
    if (qualified.length > 0) {
      expr.name = `${prefix}.${name}`;
      expr.target = undefined;
      this.#resolve(expr, qualified, expr.args);
      return;
    }
    this.check(target);
    this.#resolve(expr, this.#declarations.overloads(name), [target, ...expr.args]);
  }

  #resolve(expr: CallExpr, overloads: readonly Overload[], args: readonly Expr[]): void {
    if (overloads.length === 0) {
      this.#mistake(expr, `undeclared reference to '${expr.name}' (in container '')`);
      this.#set(expr, types.errorType);
      return;
    }
    if (expr.name === operators.and || expr.name === operators.or) {
      const wrong = args.filter((arg) => !this.#assignable([this.#typeOf(arg)], [types.boolType]));
      for (const arg of wrong) this.#mistake(arg, `expected type 'bool' but found '${this.#shown(arg)}'`);
      this.#set(expr, wrong.length === 0 ? types.boolType : types.errorType);
      return;
    }
    const isMember = expr.target !== undefined;
    const argTypes = args.map((arg) => this.#typeOf(arg));
    const fitting: Overload[] = [];
    let result: Type | undefined;
    for (const overload of overloads) {
      if (overload.isMember !== isMember) continue;
      const fresh = this.#instantiate(overload);
      if (!this.#assignable(argTypes, fresh.args)) continue;
      fitting.push(overload);
      const type = types.substitute(this.#known, fresh.result, false);
      if (result === undefined) result = type;
      else if (!types.isDyn(result) && !types.isSameType(type, result)) result = types.dynType;
    }
    if (result === undefined) {
      const shown = args.map((arg) => this.#shown(arg));
      const signature = isMember ? `${shown[0]}.(${shown.slice(1).join(', ')})` : `(${shown.join(', ')})`;
      this.#mistake(expr, `found no matching overload for '${expr.name}' applied to '${signature}'`);
      this.#set(expr, types.errorType);
      return;
    }
    this.#overloads.set(expr.id, fitting);
    this.#set(expr, result);
    this.#checkLiteral(expr, fitting);
  }

  /** Reports a literal argument that its function cannot parse, for example `duration("x")`. */
  #checkLiteral({ name, args, target }: CallExpr, [overload]: readonly Overload[]): void {
    const isPattern = name === 'matches';
    const literal = isPattern ? args.at(-1) : args[0];
    if (literal?.kind !== 'literal' || overload === undefined) return;
    if (typeof literal.value !== 'string' && typeof literal.value !== 'bigint') return;
    if (!isPattern && name !== 'duration' && name !== 'timestamp') return;
    try {
      overload.call(...(isPattern || target !== undefined ? ['', literal.value] : [literal.value]));
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      this.#mistake(literal, `invalid ${name} argument`);
    }
  }

  /** The type's name for messages. */
  #shown(expr: Expr): string {
    return formatType(types.substitute(this.#known, this.#typeOf(expr), true));
  }

  #instantiate({ args, result, params }: Overload): { args: readonly Type[]; result: Type } {
    if (params.length === 0) return { args, result };
    const fresh = new types.Substitutions(params.map((name) => [name, this.#freshType()] as [string, Type]));
    return { args: args.map((type) => types.substitute(fresh, type, false)), result: types.substitute(fresh, result, false) };
  }

  #freshType(): Type {
    return types.paramType(`_var${this.#freshNames++}`);
  }

  #assignable(from: readonly Type[], to: readonly Type[]): boolean {
    return types.assign(this.#known, from, to);
  }

  /** The common type of the earlier elements and one more. */
  #join(earlier: Type | undefined, type: Type): Type {
    if (earlier === undefined) return type;
    return this.#assignable([earlier], [type]) ? types.mostGeneral(earlier, type) : types.dynType;
  }

  #format(type: Type): string {
    return formatType(types.substitute(this.#known, type, true));
  }

  /** The type of the value in an optional element (`?element`). */
  #unwrapped(at: Expr, type: Type): Type {
    const [inner, wasOptional] = types.unwrapOptional(type);
    if (!wasOptional && !types.isDyn(inner))
      this.#mistake(at, `expected type '${this.#format(types.optionalType(inner))}' but found '${this.#format(inner)}'`);
    return inner;
  }

  #list(expr: ListExpr): void {
    let element: Type | undefined;
    for (const [index, item] of expr.elements.entries()) {
      this.check(item);
      const type = this.#typeOf(item);
      element = this.#join(element, expr.optional.has(index) ? this.#unwrapped(item, type) : type);
    }
    this.#set(expr, types.listType(element ?? this.#freshType()));
  }

  #map(expr: MapExpr): void {
    let keyType: Type | undefined;
    let valueType: Type | undefined;
    for (const { key, value, optional } of expr.entries) {
      this.check(key);
      keyType = this.#join(keyType, this.#typeOf(key));
      this.check(value);
      const type = this.#typeOf(value);
      valueType = this.#join(valueType, optional ? this.#unwrapped(value, type) : type);
    }
    this.#set(expr, types.mapType(keyType ?? this.#freshType(), valueType ?? this.#freshType()));
  }

  #struct(expr: StructExpr): void {
    const type = this.#declarations.struct(expr.typeName);
    if (type === undefined) {
      this.#mistake(expr, `undeclared reference to '${expr.typeName}' (in container '')`);
      this.#set(expr, types.errorType);
    } else this.#set(expr, type);
    for (const { offset, name, value, optional } of expr.fields) {
      this.check(value);
      const field = type?.fields?.get(name)?.type;
      if (type === undefined) continue;
      if (field === undefined) {
        this.#mistake({ offset }, `undefined field '${name}'`);
        continue;
      }
      const given = optional ? this.#unwrapped(value, this.#typeOf(value)) : this.#typeOf(value);
      if (!this.#assignable([field], [given])) {
        const message = `expected type of field '${name}' is '${this.#format(field)}' but provided type is '${this.#format(given)}'`;
        this.#mistake({ offset }, message);
      }
    }
  }

  #comprehension(expr: ComprehensionExpr): void {
    this.check(expr.range);
    this.check(expr.init);
    const range = types.substitute(this.#known, this.#typeOf(expr.range), false);
    const accumulated = this.#typeOf(expr.init);
    this.#scopes.push(new Map([[expr.accumulator, accumulated]]));
    const [first, second] = this.#rangeTypes(expr, range);
    const loop = new Map([[expr.variable, first]]);
    if (expr.variable2 !== undefined) loop.set(expr.variable2, second);
    this.#scopes.push(loop);
    this.check(expr.condition);
    this.#assert(expr.condition, types.boolType);
    this.check(expr.step);
    this.#assert(expr.step, accumulated);
    this.#scopes.pop();
    this.check(expr.result);
    this.#scopes.pop();
    this.#set(expr, types.substitute(this.#known, this.#typeOf(expr.result), false));
  }

  /** The types of the variables of a loop. */
  #rangeTypes({ range: at, variable2 }: ComprehensionExpr, range: Type): [Type, Type] {
    switch (range.name === types.anyType.name ? 'any' : range.kind) {
      case 'list': {
        const element = range.params[0] as Type;
        return variable2 === undefined ? [element, element] : [types.intType, element];
      }
      case 'map':
        return [range.params[0] as Type, range.params[1] as Type];
      case 'dyn':
      case 'error':
      case 'param':
        this.#assignable([types.dynType], [range]);
        return [types.dynType, types.dynType];
      default:
        this.#mistake(
          at,
          `expression of type '${formatType(range)}' cannot be range of a comprehension (must be list, map, or dynamic)`,
        );
        return [types.errorType, types.errorType];
    }
  }

  #assert(expr: Expr, type: Type): void {
    const found = this.#typeOf(expr);
    if (!this.#assignable([type], [found]))
      this.#mistake(expr, `expected type '${this.#format(type)}' but found '${this.#format(found)}'`);
  }
}
