/**
 * Conditions in CEL that a request has to meet, of webhooks and of policies.
 *
 * Source: apiserver `pkg/admission/plugin/webhook/matchconditions/matcher.go`.
 */

import { admissionEnvironment, type Compiled, compileExpression } from '#api/cel/admission-environments.ts';
import { boolType } from '#api/cel/types.ts';
import type { MatchCondition } from '#api/types.generated.ts';
import { matchConditionsBudget, OutOfBudgetError, type RequestAccess, RequestEvaluation } from '../admission-cel.ts';
import type { AdmissionRequest } from '../admission-request.ts';

/** Checked expressions. Those of webhooks that are gone are forgotten when there are many. */
const compiled = new Map<string, Compiled>();
const maxCompiled = 10_000;

/** @param params whether it may name `params`: in policies with a paramKind */
export function compileMatchCondition(expression: string, params = false): Compiled {
  const key = `${params ? 'params' : ''}\n${expression}`;
  const known = compiled.get(key);
  if (known !== undefined) return known;
  const made = compileExpression(admissionEnvironment({ params, authorizer: true }), expression, boolType);
  if (compiled.size >= maxCompiled) compiled.clear();
  compiled.set(key, made);
  return made;
}

/** `matches` undefined: evaluation failed, and `problem` says why. */
export interface MatchResult {
  matches: boolean | undefined;
  problem: string;
}

/** What the conditions are asked about. */
export interface MatchQuestion {
  request: AdmissionRequest;
  access: RequestAccess;
  /** Of a policy with a paramKind; null where the binding has none. */
  params?: unknown;
}

/**
 * Whether a request meets all conditions. One that it does not meet settles it, even where others cannot be evaluated.
 * @param conditions of a stored object: they are valid, but may fail on this request
 */
export async function meetsConditions(
  conditions: readonly MatchCondition[],
  { request, access, params }: MatchQuestion,
): Promise<MatchResult> {
  const problems: string[] = [];
  const bindings = params === undefined ? {} : { params };
  const evaluation = new RequestEvaluation(request, access, bindings, matchConditionsBudget);
  try {
    for (const { expression } of conditions) {
      const { value, problem } = await evaluation.evaluate(compileMatchCondition(expression, params !== undefined));
      if (value === false) return { matches: false, problem: '' };
      if (problem !== undefined) problems.push(problem);
    }
  } catch (error) {
    if (!(error instanceof OutOfBudgetError)) throw error;
    return { matches: undefined, problem: error.message };
  }
  if (problems.length === 0) return { matches: true, problem: '' };
  return { matches: undefined, problem: problems.length === 1 ? problems.join() : `[${problems.join(', ')}]` };
}
