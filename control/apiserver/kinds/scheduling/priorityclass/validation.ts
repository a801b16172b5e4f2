/** PriorityClasses. Source: upstream `pkg/apis/scheduling/validation/validation.go`, `pkg/apis/scheduling/v1/helpers.go`. */
import type { FieldError } from '#api/field-error.ts';
import { forbiddenField, notSupported, required } from '#api/field-error.ts';
import type { PriorityClass } from '#api/types.generated.ts';
import { systemPriorityClasses } from './system-classes.ts';

const highestUserDefinable = 1_000_000_000;
const systemPrefix = 'system-';

/**
 * Validates a new class: names with the prefix `system-` and values above one billion are reserved for the system. Source: upstream
 * `pkg/apis/scheduling/validation` (ValidatePriorityClass).
 */
export function validatePriorityClass({
  metadata: { name },
  value = 0,
  globalDefault,
  preemptionPolicy,
}: PriorityClass): FieldError[] {
  const errors: FieldError[] = [];
  if (name.startsWith(systemPrefix)) {
    const problem = systemClassProblem(name, value, globalDefault ?? false);
    const reserved = `priority class names with '${systemPrefix}' prefix are reserved for system use only`;
    if (problem !== undefined) errors.push(forbiddenField('metadata.name', `${reserved}. error: ${problem}`));
  } else if (value > highestUserDefinable) {
    errors.push(forbiddenField('value', `maximum allowed value of a user defined priority is ${highestUserDefinable}`));
  }
  return preemptionPolicy === undefined ? errors : [...errors, ...validatePreemptionPolicy(preemptionPolicy)];
}

/** Validates an update: `value` is immutable. Source: upstream `pkg/apis/scheduling/validation` (ValidatePriorityClassUpdate). */
export function validatePriorityClassUpdate(object: PriorityClass, old: PriorityClass): FieldError[] {
  return (object.value ?? 0) === (old.value ?? 0) ? [] : [forbiddenField('value', 'may not be changed in an update.')];
}

function systemClassProblem(name: string, value: number, globalDefault: boolean): string | undefined {
  const known = systemPriorityClasses.find((one) => one.name === name);
  if (known === undefined) return `${name} is not a known system priority class`;
  if (known.value !== value) return `value of ${name} PriorityClass must be ${known.value}`;
  return globalDefault ? `globalDefault of ${name} PriorityClass must be false` : undefined;
}

function validatePreemptionPolicy(policy: string): FieldError[] {
  const policies = ['PreemptLowerPriority', 'Never'];
  if (policy === '') return [required('preemptionPolicy')];
  return policies.includes(policy) ? [] : [notSupported('preemptionPolicy', policy, policies)];
}
