/** When an indexed Job has succeeded before all of its indexes have. Source: upstream `pkg/apis/batch/validation/validation.go` (validateSuccessPolicy). */
import type { FieldError } from '#api/field-error.ts';
import { invalidValue, required, tooLong, tooMany } from '#api/field-error.ts';
import type { SuccessPolicy, SuccessPolicyRule } from '#api/types.generated.ts';
import { validateNonNegative } from '../../../validation/paths.ts';
import type { Submitted } from '../../../validation/submitted.ts';
import { countIndexes } from './index-list.ts';

const maxRules = 20;
const maxListBytes = 64 * 1024;

/**
 * Problems of `spec.successPolicy`. @param completions of the Job: indexes must be below it. Source: upstream
 * `pkg/apis/batch/validation` (validateSuccessPolicy).
 */
export function validateSuccessPolicy({ rules = [] }: Submitted<SuccessPolicy>, completions: number, path: string): FieldError[] {
  const at = `${path}.rules`;
  const errors: FieldError[] = [];
  if (rules.length === 0) errors.push(required(at, 'at least one rules must be specified when the successPolicy is specified'));
  if (rules.length > maxRules) errors.push(tooMany(at, rules.length, maxRules));
  return [...errors, ...rules.flatMap((rule, index) => validateRule(rule, completions, `${at}[${index}]`))];
}

function validateRule(
  { succeededCount: count, succeededIndexes: list }: SuccessPolicyRule,
  completions: number,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  if (count === undefined && list === undefined)
    errors.push(required(path, 'at least one of succeededCount or succeededIndexes must be specified'));
  let total = 0;
  if (list !== undefined) {
    const at = `${path}.succeededIndexes`;
    if (Buffer.byteLength(list) > maxListBytes) errors.push(tooLong(at, maxListBytes));
    const counted = countIndexes(list, completions);
    if ('error' in counted) errors.push(invalidValue(at, list, `error parsing succeededIndexes: ${counted.error}`));
    else total = counted.total;
  }
  if (count === undefined) return errors;
  const at = `${path}.succeededCount`;
  const limit = (most: number, what: string): FieldError =>
    invalidValue(at, count, `must be less than or equal to ${most} (the number of ${what})`);
  errors.push(...validateNonNegative(count, at));
  if (count > completions) errors.push(limit(completions, 'specified completions'));
  if (list !== undefined && count > total) errors.push(limit(total, 'indexes in the specified succeededIndexes field'));
  return errors;
}
