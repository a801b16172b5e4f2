/**
 * One condition on labels (`a=b`, `c in (d,e)`), checked as upstream checks it; selector.ts builds and matches with these.
 *
 * Source: apimachinery `pkg/labels/selector.go`, NewRequirement.
 */
import type { FieldError } from './field-error.ts';
import { invalidValue } from './field-error.ts';
import { isQualifiedName, isValidLabelValue } from './names.ts';

/** Upstream's own operator names (`pkg/selection`). */
export type LabelOperator = 'in' | 'notin' | '=' | '==' | '!=' | 'gt' | 'lt' | 'exists' | '!';

export interface LabelRequirement {
  key: string;
  operator: LabelOperator;
  values: readonly string[];
}

/** All requirements must hold; none: matches everything, unless `nothing` is set (an absent LabelSelector). */
export interface LabelMatcher {
  readonly requirements: readonly LabelRequirement[];
  readonly nothing?: true;
}

/** The selector is malformed; the message is upstream's. To a client it is a BadRequest. */
export class SelectorError extends Error {
  override name = 'SelectorError';
}

/** A requirement whose key and values are well formed. @throws SelectorError */
export function labelRequirement(key: string, operator: LabelOperator, values: readonly string[]): LabelRequirement {
  const errors = keyErrors(key, 'key');
  const wrongValues = valuesProblem(operator, values);
  if (wrongValues !== '') errors.push(invalidValue('values', values, wrongValues));
  values.forEach((value, index) => {
    if ((operator === 'gt' || operator === 'lt') && parseInt64(value) === undefined) {
      errors.push(invalidValue(`values[${index}]`, value, "for 'Gt', 'Lt' operators, the value must be an integer"));
    }
  });
  values.forEach((value, index) => {
    const reasons = isValidLabelValue(value);
    if (reasons.length > 0) errors.push(invalidValue(`values[${index}][${key}]`, value, reasons.join('; ')));
  });
  if (errors.length > 0) throw new SelectorError(joined(errors));
  return { key, operator, values };
}

/** @param field `<nil>` where upstream's parser has no path to print */
export function keyErrors(key: string, field: string): FieldError[] {
  const reasons = isQualifiedName(key);
  return reasons.length === 0 ? [] : [invalidValue(field, key, reasons.join('; '))];
}

/** Field errors in one line, as Go prints an aggregate. */
export function joined(errors: readonly FieldError[]): string {
  const texts = [...new Set(errors.map(({ field, message }) => `${field}: ${message}`))];
  return texts.length === 1 ? (texts[0] as string) : `[${texts.join(', ')}]`;
}

function valuesProblem(operator: LabelOperator, values: readonly string[]): string {
  switch (operator) {
    case 'in':
    case 'notin':
      return values.length === 0 ? "for 'in', 'notin' operators, values set can't be empty" : '';
    case '=':
    case '==':
    case '!=':
      return values.length === 1 ? '' : 'exact-match compatibility requires one single value';
    case 'exists':
    case '!':
      return values.length === 0 ? '' : 'values set must be empty for exists and does not exist';
    case 'gt':
    case 'lt':
      return values.length === 1 ? '' : "for 'Gt', 'Lt' operators, exactly one value is required";
  }
}

/** As Go's ParseInt: a sign, digits, 64 bits. */
export function parseInt64(text: string): bigint | undefined {
  if (!/^[-+]?[0-9]+$/.test(text)) return undefined;
  const value = BigInt(text.replace('+', ''));
  return BigInt.asIntN(64, value) === value ? value : undefined;
}

/** By key, in place. */
export const sorted = (requirements: LabelRequirement[]): LabelRequirement[] =>
  requirements.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));

/** From requirements in any order. */
export function labelMatcherOf(requirements: readonly LabelRequirement[]): LabelMatcher {
  return { requirements: sorted([...requirements]) };
}
