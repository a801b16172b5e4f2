/**
 * What is wrong with the expressions of a policy. They are compiled as they will be when a request comes.
 *
 * Source: kubernetes `pkg/apis/admissionregistration/validation/validation.go` (validateVariable, validateCELCondition).
 */

import { admissionEnvironment, ComposedVariables, compileExpression, type Declared } from '#api/cel/admission-environments.ts';
import type { Type } from '#api/cel/types.ts';
import { type FieldError, invalidValue, required } from '#api/field-error.ts';
import type { Variable } from '#api/types.generated.ts';
import type { Submitted } from '../../validation/submitted.ts';

const reserved = new Set(
  (
    'true false null in as break const continue else for function if import let loop package namespace return ' + 'var void while'
  ).split(' '),
);

const isCelIdentifier = (name: string): boolean => /^[_a-zA-Z][_a-zA-Z0-9]*$/.test(name) && !reserved.has(name);

/** Compiles the expressions of one policy, in their order: each sees the variables that came before. */
export class PolicyExpressions {
  readonly #hasParams: boolean;
  /** Undefined: there are none, and no `variables` either. */
  readonly #variables: ComposedVariables | undefined;

  constructor(hasParams: boolean, hasVariables: boolean) {
    this.#hasParams = hasParams;
    this.#variables = hasVariables ? new ComposedVariables() : undefined;
  }

  /** Problems of a variable, which those that follow can name. */
  variable({ name = '', expression = '' }: Submitted<Variable>, path: string): FieldError[] {
    const errors: FieldError[] = [];
    if (name.trim() === '') errors.push(required(`${path}.name`, 'name is not specified'));
    else if (!isCelIdentifier(name)) errors.push(invalidValue(`${path}.name`, name, 'must be a valid CEL identifier'));
    if (expression.trim() === '') return [...errors, required(`${path}.expression`, 'expression is not specified')];
    const environment = admissionEnvironment({ params: this.#hasParams, authorizer: true });
    const problem = this.#variables?.add(environment, { name, expression }).problem ?? '';
    return problem === '' ? errors : [...errors, invalidValue(`${path}.expression`, expression, problem)];
  }

  /** Problems of an expression that has to give one of the types. @param shown the text in the message; default: the expression */
  expression(
    expression: string,
    path: string,
    results: readonly Type[],
    { authorizer = true, patches = false }: Partial<Declared> = {},
    shown = expression,
  ): FieldError[] {
    const base = admissionEnvironment({ params: this.#hasParams, authorizer, patches });
    const environment = this.#variables?.environment(base) ?? base;
    const { problem } = compileExpression(environment, expression, ...results);
    return problem === '' ? [] : [invalidValue(path, shown, problem)];
  }
}
