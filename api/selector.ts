/**
 * Label selectors and field selectors: parse, build, match, write.
 *
 * Source: apimachinery `pkg/labels/selector.go`, `pkg/fields/selector.go`, `pkg/apis/meta/v1/helpers.go`.
 */
import type { FieldError } from './field-error.ts';
import { invalidValue } from './field-error.ts';
import { isQualifiedName, isValidLabelValue } from './names.ts';
import type { LabelSelector } from './types.generated.ts';

/** Upstream's own operator names (`pkg/selection`). */
export type LabelOperator = 'in' | 'notin' | '=' | '==' | '!=' | 'gt' | 'lt' | 'exists' | '!';

export interface LabelRequirement {
  key: string;
  operator: LabelOperator;
  values: readonly string[];
}

/** All requirements must hold; none: matches everything, unless it is {@link selectNothing}. */
export interface LabelMatcher {
  readonly requirements: readonly LabelRequirement[];
  readonly nothing?: true;
}

type Labels = Readonly<Record<string, string>> | undefined;

/** The selector is malformed; the message is upstream's. To a client it is a BadRequest. */
export class SelectorError extends Error {
  override name = 'SelectorError';
}

export const selectEverything: LabelMatcher = { requirements: [] };
/** What an absent LabelSelector means in an object. */
export const selectNothing: LabelMatcher = { requirements: [], nothing: true };

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
function parseInt64(text: string): bigint | undefined {
  if (!/^[-+]?[0-9]+$/.test(text)) return undefined;
  const value = BigInt(text.replace('+', ''));
  return BigInt.asIntN(64, value) === value ? value : undefined;
}

const sorted = (requirements: LabelRequirement[]): LabelRequirement[] =>
  requirements.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));

const operatorOf: Readonly<Record<string, LabelOperator>> = { In: 'in', NotIn: 'notin', Exists: 'exists', DoesNotExist: '!' };

/** From an object's `selector`. Absent selects nothing, empty selects everything. @throws SelectorError */
export function labelMatcher(selector: LabelSelector | undefined): LabelMatcher {
  if (selector === undefined) return selectNothing;
  const requirements = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => labelRequirement(key, '=', [value]));
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    const op = operatorOf[operator];
    if (op === undefined) throw new SelectorError(`${JSON.stringify(operator)} is not a valid label selector operator`);
    requirements.push(labelRequirement(key, op, values ?? []));
  }
  return { requirements: sorted(requirements) };
}

/** From a plain map (a Service's selector), unchecked. Absent or empty selects everything: callers rule that out themselves. */
export function labelMatcherOfMap(labels: Labels): LabelMatcher {
  return { requirements: sorted(Object.entries(labels ?? {}).map(([key, value]) => ({ key, operator: '=', values: [value] }))) };
}

/** From requirements in any order. */
export function labelMatcherOf(requirements: readonly LabelRequirement[]): LabelMatcher {
  return { requirements: sorted([...requirements]) };
}

export function matchesLabels(matcher: LabelMatcher, labels: Labels): boolean {
  if (matcher.nothing) return false;
  return matcher.requirements.every((requirement) => meets(requirement, labels));
}

function meets({ key, operator, values }: LabelRequirement, labels: Labels): boolean {
  const value = labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'in':
    case '=':
    case '==':
      return value !== undefined && values.includes(value);
    case 'notin':
    case '!=':
      return value === undefined || !values.includes(value);
    case 'exists':
      return value !== undefined;
    case '!':
      return value === undefined;
    case 'gt':
    case 'lt': {
      const [actual, bound] = [parseInt64(value ?? ''), parseInt64(values[0] ?? '')];
      if (actual === undefined || bound === undefined) return false;
      return operator === 'gt' ? actual > bound : actual < bound;
    }
  }
}

/** `a=b,c in (d,e),!f`: parses to the same matcher again. */
export function labelMatcherText(matcher: LabelMatcher): string {
  return matcher.requirements.map(requirementText).join(',');
}

function requirementText({ key, operator, values }: LabelRequirement): string {
  const list = [...values].sort().join(',');
  switch (operator) {
    case 'exists':
      return key;
    case '!':
      return `!${key}`;
    case 'in':
    case 'notin':
      return `${key} ${operator} (${list})`;
    case 'gt':
      return `${key}>${list}`;
    case 'lt':
      return `${key}<${list}`;
    case '=':
    case '==':
    case '!=':
      return `${key}${operator}${list}`;
  }
}

/** A LabelSelector as the string form that clients send (metav1.FormatLabelSelector); `<none>` for one that selects everything. */
export function formatLabelSelector(selector: LabelSelector | undefined): string {
  return labelMatcherText(labelMatcher(selector)) || '<none>';
}

/** The one value that the label must have, where the selector demands one. */
export function exactLabel(matcher: LabelMatcher, key: string): string | undefined {
  const found = matcher.requirements.find((requirement) => requirement.key === key);
  const exact = found !== undefined && ['=', '==', 'in'].includes(found.operator) && found.values.length === 1;
  return exact ? found.values[0] : undefined;
}

export interface FieldRequirement {
  field: string;
  operator: '=' | '!=';
  value: string;
}

/**
 * `metadata.name=x,status.phase!=Running`; in values `,`, `=` and `\` are escaped with a backslash. Whether a field may be
 * selected by is the kind's matter. @throws SelectorError
 */
export function parseFieldSelector(text: string): FieldRequirement[] {
  const terms = text.match(/(?:[^\\,]|\\[\s\S]?)+/g) ?? [];
  return terms.sort().map((term) => {
    const match = /^([\s\S]*?)(!=|==|=)([\s\S]*)$/.exec(term);
    if (match === null) throw new SelectorError(`invalid selector: '${text}'; can't understand '${term}'`);
    const [, field, operator, value] = match as unknown as [string, string, string, string];
    return { field, operator: operator === '!=' ? '!=' : '=', value: unescapeFieldValue(value) };
  });
}

function unescapeFieldValue(text: string): string {
  return text.replace(/\\([\s\S]?)|[,=]/gu, (whole, escaped: string | undefined) => {
    // Upstream prints the rune's number here, not the character.
    if (escaped === undefined) throw new SelectorError(`invalid field selector: unescaped character in value: ${whole.codePointAt(0)}`);
    if (!['\\', ',', '='].includes(escaped)) throw new SelectorError(`invalid field selector: invalid escape sequence: ${whole}`);
    return escaped;
  });
}

/** A field that the record does not name counts as empty. */
export function matchesFields(requirements: readonly FieldRequirement[], fields: Readonly<Record<string, string>>): boolean {
  return requirements.every(({ field, operator, value }) => ((fields[field] ?? '') === value) === (operator === '='));
}

/** The one value that the field must have, where the selector demands one. */
export function exactField(requirements: readonly FieldRequirement[], field: string): string | undefined {
  return requirements.find((requirement) => requirement.field === field && requirement.operator === '=')?.value;
}

/** The string form; parses to the same requirements again. */
export function fieldSelectorText(requirements: readonly FieldRequirement[]): string {
  return requirements.map(({ field, operator, value }) => `${field}${operator}${value.replace(/[\\,=]/g, '\\$&')}`).join(',');
}

export { parseLabelSelector } from './selector-parser.ts';
