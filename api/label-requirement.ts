/**
 * One requirement on labels (`a=b`, `c in (d,e)`), validated as upstream does. selector.ts builds and matches selectors from
 * requirements.
 *
 * Source: apimachinery `pkg/labels/selector.go`, NewRequirement.
 */
import type { FieldError } from './field-error.ts';
import { invalidValue } from './field-error.ts';
import { tryParseInt64 } from './int64.ts';
import { isQualifiedName, isValidLabelValue } from './names.ts';

/** Upstream's own operator names (`pkg/selection`). */
export type LabelOperator = 'in' | 'notin' | '=' | '==' | '!=' | 'gt' | 'lt' | 'exists' | '!';

/** One requirement of a selector. */
export interface LabelRequirement {
  key: string;
  operator: LabelOperator;
  values: readonly string[];
}

/**
 * Matches labels that meet all requirements. Without requirements it matches everything, unless `nothing` is set (for an absent
 * LabelSelector).
 */
export interface LabelMatcher {
  readonly requirements: readonly LabelRequirement[];
  readonly nothing?: true;
}

/** The selector is malformed. The message is upstream's. The client gets 400 BadRequest. */
export class SelectorError extends Error {
  override name = 'SelectorError';
}

/**
 * Maximum number of malformed values that the error names, because the text would else be far longer than the request. Upstream
 * names them all.
 */
const maxErrors = 100;

/** Makes a requirement. @throws SelectorError when key or values are malformed */
export function labelRequirement(key: string, operator: LabelOperator, values: readonly string[]): LabelRequirement {
  const errors = keyErrors(key, 'key');
  const wrongValues = valuesProblem(operator, values);
  if (wrongValues !== '') errors.push(invalidValue('values', values, wrongValues));
  values.forEach((value, index) => {
    if ((operator === 'gt' || operator === 'lt') && tryParseInt64(value) === undefined) {
      errors.push(invalidValue(`values[${index}]`, value, "for 'Gt', 'Lt' operators, the value must be an integer"));
    }
  });
  values.forEach((value, index) => {
    if (errors.length >= maxErrors) return;
    const reasons = isValidLabelValue(value);
    if (reasons.length > 0) errors.push(invalidValue(`values[${index}][${key}]`, value, reasons.join('; ')));
  });
  if (errors.length > 0) throw new SelectorError(joined(errors));
  return { key, operator, values };
}

/** The errors of a label key. @param field path for the messages; `<nil>` where upstream's parser has none */
export function keyErrors(key: string, field: string): FieldError[] {
  const reasons = isQualifiedName(key);
  return reasons.length === 0 ? [] : [invalidValue(field, key, reasons.join('; '))];
}

/** Joins field errors into one line, as Go prints an aggregate. */
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

/** Above this number, requirements are not sorted: only an attacker sends so many, and sorting would take most of the time. */
const maxSorted = 1_000;

/** Sorts requirements by key, in place, unless they are very many. */
export const sorted = (requirements: LabelRequirement[]): LabelRequirement[] =>
  requirements.length > maxSorted ? requirements : requirements.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));

/** Makes a matcher from requirements in any order. */
export function labelMatcherOf(requirements: readonly LabelRequirement[]): LabelMatcher {
  return { requirements: sorted([...requirements]) };
}
