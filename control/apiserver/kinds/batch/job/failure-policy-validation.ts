/** What a Job does about failed pods. Source: upstream `pkg/apis/batch/validation/validation.go` (validatePodFailurePolicy). */
import type { FieldError } from '#api/field-error.ts';
import { duplicate, invalidField, invalidValue, notSupported, required, tooMany } from '#api/field-error.ts';
import { isQualifiedName } from '#api/names.ts';
import type {
  JobSpec,
  PodFailurePolicy,
  PodFailurePolicyOnExitCodesRequirement,
  PodFailurePolicyOnPodConditionsPattern,
  PodFailurePolicyRule,
} from '#api/types.generated.ts';
import type { Submitted } from '../../../validation/submitted.ts';

const maxRules = 20;
const maxExitCodes = 255;
const maxPatterns = 20;
const actions = ['Count', 'FailIndex', 'FailJob', 'Ignore'];
const operators = ['In', 'NotIn'];
const statuses = ['False', 'True', 'Unknown'];

/** As Go prints a list of texts: `["a" "b"]`. */
const validValues = (values: readonly string[]): string =>
  `valid values: [${values.map((value) => JSON.stringify(value)).join(' ')}]`;

/**
 * Problems of `spec.podFailurePolicy`; `spec` tells what its rules may refer to. Source: upstream `pkg/apis/batch/validation`
 * (validatePodFailurePolicy).
 */
export function validatePodFailurePolicy(spec: JobSpec, policy: Submitted<PodFailurePolicy>, path: string): FieldError[] {
  const { rules = [] } = policy;
  const at = `${path}.rules`;
  const { containers = [], initContainers = [] } = spec.template.spec ?? {};
  const names = new Set([...containers, ...initContainers].map(({ name }) => name));
  return [
    ...(rules.length > maxRules ? [tooMany(at, rules.length, maxRules)] : []),
    ...rules.flatMap((rule, index) => validateRule(rule, spec, names, `${at}[${index}]`)),
  ];
}

function validateRule(
  rule: Submitted<PodFailurePolicyRule>,
  spec: JobSpec,
  names: ReadonlySet<string>,
  path: string,
): FieldError[] {
  const { onExitCodes, onPodConditions = [] } = rule;
  const errors = validateAction(rule.action ?? '', spec, `${path}.action`);
  if (onExitCodes !== undefined) errors.push(...validateExitCodes(onExitCodes, names, `${path}.onExitCodes`));
  if (onPodConditions.length > 0) errors.push(...validatePatterns(onPodConditions, `${path}.onPodConditions`));
  if (onExitCodes !== undefined && onPodConditions.length > 0)
    errors.push(invalidField(path, 'specifying both OnExitCodes and OnPodConditions is not supported'));
  if (onExitCodes === undefined && onPodConditions.length === 0)
    errors.push(invalidField(path, 'specifying one of OnExitCodes and OnPodConditions is required'));
  return errors;
}

function validateAction(action: string, { backoffLimitPerIndex }: JobSpec, path: string): FieldError[] {
  if (action === '') return [required(path, validValues(actions))];
  if (action !== 'FailIndex') return actions.includes(action) ? [] : [notSupported(path, action, actions)];
  return backoffLimitPerIndex === undefined ? [invalidValue(path, action, 'requires the backoffLimitPerIndex to be set')] : [];
}

function validateExitCodes(
  requirement: Submitted<PodFailurePolicyOnExitCodesRequirement>,
  names: ReadonlySet<string>,
  path: string,
): FieldError[] {
  const { operator = '', containerName, values = [] } = requirement;
  const errors: FieldError[] = [];
  if (operator === '') errors.push(required(`${path}.operator`, validValues(operators)));
  else if (!operators.includes(operator)) errors.push(notSupported(`${path}.operator`, operator, operators));
  if (containerName !== undefined && !names.has(containerName)) {
    const text = 'must be one of the container or initContainer names in the pod template';
    errors.push(invalidValue(`${path}.containerName`, containerName, text));
  }
  const at = `${path}.values`;
  if (values.length === 0) errors.push(invalidValue(at, requirement.values, 'at least one value is required'));
  else if (values.length > maxExitCodes) errors.push(tooMany(at, values.length, maxExitCodes));
  const seen = new Set<number>();
  values.forEach((value, index) => {
    if (operator === 'In' && value === 0)
      errors.push(invalidValue(`${at}[${index}]`, value, 'must not be 0 for the In operator'));
    if (seen.has(value)) errors.push(duplicate(`${at}[${index}]`, value));
    seen.add(value);
  });
  const isOrdered = values.every((value, index) => index === 0 || (values[index - 1] ?? 0) <= value);
  return isOrdered ? errors : [...errors, invalidValue(at, values, 'must be ordered')];
}

function validatePatterns(patterns: readonly Submitted<PodFailurePolicyOnPodConditionsPattern>[], path: string): FieldError[] {
  const errors = patterns.length > maxPatterns ? [tooMany(path, patterns.length, maxPatterns)] : [];
  patterns.forEach(({ type = '', status = '' }, index) => {
    const at = `${path}[${index}]`;
    errors.push(...isQualifiedName(type).map((text) => invalidValue(`${at}.type`, type, text)));
    if (status === '') errors.push(required(`${at}.status`, validValues(statuses)));
    else if (!statuses.includes(status)) errors.push(notSupported(`${at}.status`, status, statuses));
  });
  return errors;
}
