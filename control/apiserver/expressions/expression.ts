/**
 * CEL expressions of configuration files, each about one variable: compiled when the file is read, evaluated for each request.
 *
 * Source: apiserver `pkg/authentication/cel`, `pkg/authorization/cel` (compile.go).
 */
import type { Expr } from '#api/cel/ast.ts';
import { CelEnvironment, type Program } from '#api/cel/environment.ts';
import { fromJson } from '#api/cel/json-values.ts';
import { CelCompileError } from '#api/cel/source.ts';
import type { Type } from '#api/cel/types.ts';
import { CelError, ListValue, type Value } from '#api/cel/values.ts';

/** An expression cannot be compiled, or has no value. */
export class ExpressionError extends Error {
  override name = 'ExpressionError';
}

/** What an expression gives: a value of JSON, as far as configurations use them. Undefined: something else. */
export type ExpressionValue = string | boolean | null | readonly ExpressionValue[] | undefined;

/** A compiled CEL expression over claims or users. */
export interface Expression {
  readonly source: string;
  /** Whether it names this field of its variable: `claims.email`. */
  reads(field: string): boolean;
  /** @param json the variable @throws ExpressionError */
  evaluate(json: unknown): ExpressionValue;
}

/** Compiles expressions about one variable. */
export class ExpressionCompiler {
  readonly #environment: CelEnvironment;
  readonly #name: string;
  readonly #type: Type;

  constructor(name: string, type: Type) {
    this.#name = name;
    this.#type = type;
    this.#environment = new CelEnvironment({ variables: { [name]: type } });
  }

  /** @param mustBe its type, where it may not be any @throws ExpressionError in upstream's words */
  compile(source: string, mustBe?: 'bool'): Expression {
    const program = this.#program(source);
    if (mustBe !== undefined && program.type.kind !== mustBe) throw new ExpressionError(`must evaluate to ${mustBe}`);
    return {
      source,
      reads: (field) => reads(program.checked.expr, this.#name, field),
      evaluate: (json) => evaluate(program, { [this.#name]: fromJson(json, this.#type) }),
    };
  }

  #program(source: string): Program {
    try {
      return this.#environment.compile(source);
    } catch (error) {
      if (error instanceof CelCompileError) throw new ExpressionError(`compilation failed: ${error.message}`, { cause: error });
      throw error;
    }
  }
}

function evaluate(program: Program, variables: Readonly<Record<string, Value>>): ExpressionValue {
  try {
    return plain(program.evaluate(variables).value);
  } catch (error) {
    if (error instanceof CelError) throw new ExpressionError(error.message);
    throw error;
  }
}

function plain(value: Value): ExpressionValue {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value;
  return value instanceof ListValue ? [...value].map(plain) : undefined;
}

/** Whether `variable.field`, or `variable.?field`, stands anywhere in it. */
function reads(expr: Expr, variable: string, field: string): boolean {
  const inside = (...parts: readonly (Expr | undefined)[]): boolean =>
    parts.some((part) => part !== undefined && reads(part, variable, field));
  const isVariable = (part: Expr | undefined): boolean => part?.kind === 'ident' && part.name === variable;
  switch (expr.kind) {
    case 'literal':
    case 'ident':
      return false;
    case 'select':
      return (isVariable(expr.operand) && expr.field === field) || inside(expr.operand);
    case 'call': {
      const [operand, name] = expr.args;
      const isOptional = expr.name === '_?._' && isVariable(operand) && name?.kind === 'literal' && name.value === field;
      return isOptional || inside(expr.target, ...expr.args);
    }
    case 'list':
      return inside(...expr.elements);
    case 'map':
      return inside(...expr.entries.flatMap(({ key, value }) => [key, value]));
    case 'struct':
      return inside(...expr.fields.map(({ value }) => value));
    case 'comprehension':
      return inside(expr.range, expr.init, expr.condition, expr.step, expr.result);
  }
}
