/** Fields that hold a number or a percentage: `maxSurge`, `maxUnavailable`. Source: upstream `pkg/apis/apps/validation/validation.go`. */
import type { FieldError } from '#api/field-error.ts';
import { invalidValue } from '#api/field-error.ts';
import type { IntOrString } from '#api/json.ts';
import { isValidPercent } from '#api/names.ts';
import { validateNonNegative } from './paths.ts';

/** Whether it is a text such as `25%`. */
export const isPercent = (value: IntOrString): boolean => typeof value === 'string' && isValidPercent(value).length === 0;

/** Text that is no percentage counts as zero, as Go's Atoi-or-zero makes it. */
export function numberOf(value: IntOrString): number {
  if (typeof value === 'number') return value;
  return Number(/^(\d+)%?$/.exec(value)?.[1] ?? 0);
}

/** A number that is not negative, or a percentage. */
export function validateIntOrPercent(value: IntOrString, path: string): FieldError[] {
  if (typeof value === 'number') return validateNonNegative(value, path);
  return isValidPercent(value).map((text) => invalidValue(path, value, text));
}

/** Not more than everything, where it is a percentage. */
export function validateAtMostAll(value: IntOrString, path: string): FieldError[] {
  return isPercent(value) && numberOf(value) > 100 ? [invalidValue(path, value, 'must not be greater than 100%')] : [];
}
