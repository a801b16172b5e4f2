/** What is wrong with match conditions. Source: kubernetes `pkg/apis/admissionregistration/validation/validation.go` (validateMatchConditions). */
import { duplicate, type FieldError, invalidValue, required, tooMany } from '#api/field-error.ts';
import { sameJson } from '#api/meta.ts';
import { isQualifiedName } from '#api/names.ts';
import type { MatchCondition, ValidatingAdmissionPolicySpec } from '#api/types.generated.ts';
import { compileMatchCondition } from '../../admission/webhooks/match-conditions.ts';

const maxConditions = 64;

/**
 * Problems of the conditions: their number, names that stand twice, CEL expressions that do not compile.
 * @param params whether they may name `params`: in policies with a paramKind
 */
export function validateMatchConditions(
  conditions: readonly Partial<MatchCondition>[],
  path: string,
  params = false,
): FieldError[] {
  const errors = conditions.length > maxConditions ? [tooMany(path, conditions.length, maxConditions)] : [];
  const names = new Set<string>();
  for (const [index, { name = '', expression = '' }] of conditions.entries()) {
    const at = `${path}[${index}]`;
    errors.push(...validateExpression(expression.trim(), `${at}.expression`, params));
    if (name === '') errors.push(required(`${at}.name`));
    else errors.push(...isQualifiedName(name).map((text) => invalidValue(`${at}.name`, name, text)));
    if (name !== '' && names.has(name)) errors.push(duplicate(`${at}.name`, name));
    names.add(name);
  }
  return errors;
}

function validateExpression(expression: string, path: string, params: boolean): FieldError[] {
  if (expression === '') return [required(path)];
  const { problem } = compileMatchCondition(expression, params);
  return problem === '' ? [] : [invalidValue(path, expression, problem)];
}

type Conditioned = Pick<ValidatingAdmissionPolicySpec, 'paramKind' | 'matchConditions'>;

/** Conditions that a stored policy has stay as they are, whatever they are worth today. */
export const hasSameConditions = (spec: Conditioned | undefined, old: Conditioned | undefined): boolean =>
  old !== undefined &&
  sameJson(spec?.paramKind ?? {}, old.paramKind ?? {}) &&
  sameJson(spec?.matchConditions ?? [], old.matchConditions ?? []);
