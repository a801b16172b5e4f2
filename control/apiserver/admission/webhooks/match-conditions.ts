/** Conditions in CEL that a request has to meet. Source: apiserver `pkg/admission/plugin/webhook/matchconditions/matcher.go`. */
import { type Program, perCallLimit } from '#api/cel/environment.ts';
import { CelCompileError } from '#api/cel/source.ts';
import { CelError } from '#api/cel/values.ts';
import type { MatchCondition } from '#api/types.generated.ts';
import { type AdmissionVariables, matchConditionEnvironment } from '../admission-cel.ts';

/** All conditions of one webhook or policy may cost so much together (upstream's RuntimeCELCostBudgetMatchConditions). */
const budget = 2_500_000;

/** Checked expressions. Those of webhooks that are gone are forgotten when there are many. */
const compiled = new Map<string, Program>();
const maxCompiled = 10_000;

/** @throws CelCompileError */
export function compileMatchCondition(expression: string): Program {
  const known = compiled.get(expression);
  if (known !== undefined) return known;
  const program = matchConditionEnvironment.compile(expression);
  if (compiled.size >= maxCompiled) compiled.clear();
  compiled.set(expression, program);
  return program;
}

/** `matches: undefined` cannot be told: these are the reasons. */
export interface MatchResult {
  matches: boolean | undefined;
  problem: string;
}

/**
 * Whether a request meets all conditions. One that it does not meet settles it, even where others cannot be evaluated.
 * @param conditions of a stored object: they are valid, but may fail on this request
 */
export async function meetsConditions(
  conditions: readonly MatchCondition[],
  variables: AdmissionVariables,
): Promise<MatchResult> {
  const problems: string[] = [];
  let left = budget;
  for (const { name, expression } of conditions) {
    try {
      const program = compileMatchCondition(expression.trim());
      const { value, cost } = await variables.evaluate((activation) =>
        program.evaluate(activation, Math.min(left, perCallLimit)),
      );
      left -= cost;
      if (value === false) return { matches: false, problem: '' };
      if (value !== true) problems.push(`match condition '${name}' is no bool`);
    } catch (error) {
      if (!(error instanceof CelError || error instanceof CelCompileError)) throw error;
      problems.push(error instanceof CelError ? `expression '${expression}' resulted in error: ${error.message}` : error.message);
    }
  }
  if (problems.length === 0) return { matches: true, problem: '' };
  return { matches: undefined, problem: problems.length === 1 ? problems.join() : `[${problems.join(', ')}]` };
}
