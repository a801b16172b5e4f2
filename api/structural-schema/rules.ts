/**
 * Rules of schemas (`x-kubernetes-validations`), compiled.
 *
 * Source: apiextensions-apiserver `pkg/apiserver/schema/cel/compilation.go`.
 */
import { type Expr, partsOf } from '../cel/ast.ts';
import { estimateCost } from '../cel/cost-estimate.ts';
import { CelEnvironment, type Program } from '../cel/environment.ts';
import { authorizerLibrary } from '../cel/library/authorizer.ts';
import { CelCompileError, CelProgramError } from '../cel/source.ts';
import { optionalType } from '../cel/types.ts';
import { type DeclaredType, declaredType, maxCardinality, sizeEstimator } from '../cel-schema/declared-type.ts';
import type { ValidationRule } from '../types.generated.ts';
import { FieldPathError, findField } from './field-path.ts';
import type { StructuralSchema } from './structural-schema.ts';

/** A rule that can be evaluated, or why it cannot. */
export interface CompiledRule {
  rule: ValidationRule;
  /** Undefined: the rule is empty, or wrong. */
  program: Program | undefined;
  error: string | undefined;
  /** Whether it compares with the old value. */
  usesOldSelf: boolean;
  /** The most that an evaluation can cost, in the units of `Frame.cost`; 0 where there is no program. */
  maxCost: number;
  message: Program | undefined;
  messageError: string | undefined;
  messageMaxCost: number;
  /** Path, relative to the value, of the field for which a failure is reported; empty for the value itself. */
  fieldPath: string;
}

/** The rules of one node of a schema. */
export interface CompiledRules {
  type: DeclaredType;
  rules: readonly CompiledRule[];
  /** How often values of the node can be in one request, where no limit of the schema says it. */
  maxCardinality: number;
}

let base: CelEnvironment | undefined;

/** Compiles the rules of a node. @param isResource the value is a resource @returns undefined: expressions cannot see values of the node */
export function compileRules(schema: StructuralSchema, isResource: boolean): CompiledRules | undefined {
  const type = declaredType(schema, isResource);
  if (type === undefined) return undefined;
  // There are functions of authorizers, but no authorizer.
  base ??= new CelEnvironment({ libraries: [authorizerLibrary] });
  const self = type.type;
  const environments = {
    plain: new CelEnvironment({ base, variables: { self, oldSelf: self } }),
    optional: new CelEnvironment({ base, variables: { self, oldSelf: optionalType(self) } }),
  };
  const compiled = schema.rules.map((rule) =>
    compileRule(rule, schema, rule.optionalOldSelf === true ? environments.optional : environments.plain, type),
  );
  return { type, rules: compiled, maxCardinality: maxCardinality(type.minBytes) };
}

function compileRule(
  rule: ValidationRule,
  schema: StructuralSchema,
  environment: CelEnvironment,
  type: DeclaredType,
): CompiledRule {
  const result: CompiledRule = {
    rule,
    program: undefined,
    error: undefined,
    usesOldSelf: false,
    maxCost: 0,
    message: undefined,
    messageError: undefined,
    messageMaxCost: 0,
    fieldPath: '',
  };
  if (rule.rule.trim() === '') return result;
  const compiled = compile(rule.rule, environment);
  if (typeof compiled === 'string') return { ...result, error: compiled };
  if (compiled.type.kind !== 'bool') return { ...result, error: 'cel expression must evaluate to a bool' };
  result.program = compiled;
  result.usesOldSelf = mentions(compiled.checked.expr, 'oldSelf');
  result.maxCost = estimateCost(compiled.checked, sizeEstimator(type)).max;
  if ((rule.messageExpression ?? '') !== '') compileMessage(rule.messageExpression as string, environment, type, result);
  if (result.messageError === undefined) result.fieldPath = fieldPathOf(rule, schema);
  return result;
}

function compileMessage(source: string, environment: CelEnvironment, type: DeclaredType, result: CompiledRule): void {
  const compiled = compile(source, environment, 'messageExpression ');
  if (typeof compiled === 'string') result.messageError = compiled;
  else if (compiled.type.kind !== 'string') result.messageError = 'messageExpression must evaluate to a string';
  else {
    result.message = compiled;
    result.messageMaxCost = estimateCost(compiled.checked, sizeEstimator(type)).max;
  }
}

/** @returns a text: why the expression cannot be used */
function compile(source: string, environment: CelEnvironment, what = ''): Program | string {
  try {
    return environment.compile(source);
  } catch (error) {
    if (error instanceof CelProgramError) return `${what === '' ? 'program ' : what}instantiation failed: ${error.message}`;
    if (error instanceof CelCompileError) return `${what}compilation failed: ${error.message}`;
    throw error;
  }
}

function fieldPathOf({ fieldPath = '' }: ValidationRule, schema: StructuralSchema): string {
  if (fieldPath === '') return '';
  try {
    return findField(fieldPath, schema).path;
  } catch (error) {
    if (error instanceof FieldPathError) return '';
    throw error;
  }
}

/** Whether an expression refers to a variable. */
function mentions(expr: Expr, name: string): boolean {
  return expr.kind === 'ident' ? expr.name === name : partsOf(expr).some((part) => mentions(part, name));
}

const compiledRules = new WeakMap<StructuralSchema, Map<boolean, CompiledRules | null>>();

/** Like {@link compileRules}, once for each node. */
export function rulesOf(schema: StructuralSchema, isResource: boolean): CompiledRules | undefined {
  let known = compiledRules.get(schema);
  if (known === undefined) {
    known = new Map();
    compiledRules.set(schema, known);
  }
  let compiled = known.get(isResource);
  if (compiled === undefined) {
    compiled = compileRules(schema, isResource) ?? null;
    known.set(isResource, compiled);
  }
  return compiled ?? undefined;
}

/** The text of a rule that failed. */
export const ruleText = ({ message = '', rule }: ValidationRule): string => (message === '' ? rule : message).trim();
