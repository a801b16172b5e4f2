/**
 * Label selectors and field selectors: parse, build, match, format.
 *
 * Source: apimachinery `pkg/labels/selector.go`, `pkg/fields/selector.go`, `pkg/apis/meta/v1/helpers.go`.
 */
import { tryParseInt64 } from './int64.ts';
import type { LabelMatcher, LabelOperator, LabelRequirement } from './label-requirement.ts';
import { labelRequirement, SelectorError, sorted } from './label-requirement.ts';
import { ownValue } from './own-value.ts';
import { atOnce, type Steps } from './steps.ts';
import type { LabelSelector } from './types.generated.ts';

export type { LabelMatcher, LabelOperator, LabelRequirement } from './label-requirement.ts';
export { labelMatcherOf, labelRequirement, SelectorError } from './label-requirement.ts';
export { labelSelectorSteps, parseLabelSelector } from './selector-parser.ts';

type Labels = Readonly<Record<string, string>> | undefined;

/** A matcher that selects nothing. An absent LabelSelector in an object means this. */
export const selectNothing: LabelMatcher = { requirements: [], nothing: true };

const operatorOf: ReadonlyMap<string, LabelOperator> = new Map([
  ['In', 'in'],
  ['NotIn', 'notin'],
  ['Exists', 'exists'],
  ['DoesNotExist', '!'],
]);

/** The matcher of a LabelSelector in an object. An absent one selects nothing, an empty one everything. @throws SelectorError */
export function labelMatcher(selector: LabelSelector | undefined): LabelMatcher {
  if (selector === undefined) return selectNothing;
  const requirements = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => labelRequirement(key, '=', [value]));
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    const op = operatorOf.get(operator);
    if (op === undefined) throw new SelectorError(`${JSON.stringify(operator)} is not a valid label selector operator`);
    requirements.push(labelRequirement(key, op, values ?? []));
  }
  return { requirements: sorted(requirements) };
}

/**
 * The matcher of a plain map (a Service's selector), without validation. An absent or empty map selects everything: the caller
 * must check for it.
 */
export function labelMatcherOfMap(labels: Labels): LabelMatcher {
  return { requirements: sorted(Object.entries(labels ?? {}).map(([key, value]) => ({ key, operator: '=', values: [value] }))) };
}

/**
 * Whether the selector of an object selects these labels. A malformed selector selects nothing, as in upstream's listers. For
 * loops over many selecting objects, which one malformed selector must not stop.
 */
export function selectsLabels(selector: LabelSelector | undefined, labels: Labels): boolean {
  try {
    return matchesLabels(labelMatcher(selector), labels);
  } catch (error) {
    if (error instanceof SelectorError) return false;
    throw error;
  }
}

/** Whether the matcher selects these labels. Pure. */
export function matchesLabels(matcher: LabelMatcher, labels: Labels): boolean {
  if (matcher.nothing) return false;
  if (isShort(matcher.requirements)) return matcher.requirements.every((requirement) => meets(requirement, labels));
  return matchesIndex(indexes.get(matcher) ?? atOnce(indexSteps(matcher)), labels);
}

/** Prepares for many matches with a matcher of many requirements. Otherwise the first match does it. */
export function* prepareSteps(matcher: LabelMatcher): Steps<void> {
  if (matcher.nothing !== true && !isShort(matcher.requirements)) yield* indexSteps(matcher);
}

/** Up to this many requirements, or values of one, are gone through one by one. A request's may have hundreds of thousands. */
const few = 16;
const isShort = (requirements: readonly LabelRequirement[]): boolean =>
  requirements.length <= few && requirements.every(({ values }) => values.length <= few);

/** Many requirements, indexed by key. An object has few labels, so looking up its labels is faster than checking each requirement. */
interface LabelIndex {
  byKey: ReadonlyMap<string, ((value: string) => boolean)[]>;
  /** Keys that must be there. */
  required: ReadonlySet<string>;
}

/** Number of requirements handled in one step, which takes a few milliseconds. */
const termsPerStep = 5_000;

const indexes = new WeakMap<LabelMatcher, LabelIndex>();

function* indexSteps(matcher: LabelMatcher): Steps<LabelIndex> {
  const byKey = new Map<string, ((value: string) => boolean)[]>();
  const required = new Set<string>();
  for (const [place, requirement] of matcher.requirements.entries()) {
    if (place % termsPerStep === termsPerStep - 1) yield;
    const { key } = requirement;
    const tests = byKey.get(key);
    if (tests === undefined) byKey.set(key, [testOf(requirement)]);
    // The same key again and again needs no test for its presence but one.
    else if (requirement.operator !== 'exists') tests.push(testOf(requirement));
    if (!meets(requirement, undefined)) required.add(key);
  }
  const index = { byKey, required };
  indexes.set(matcher, index);
  return index;
}

function testOf(requirement: LabelRequirement): (value: string) => boolean {
  const { key, operator, values } = requirement;
  if (values.length > few && (operator === 'in' || operator === 'notin')) {
    const set = new Set(values);
    return (value) => set.has(value) === (operator === 'in');
  }
  return (value) => meets(requirement, { [key]: value });
}

function matchesIndex({ byKey, required }: LabelIndex, labels: Labels): boolean {
  const present = Object.entries(labels ?? {});
  let found = 0;
  for (const [key, value] of present) {
    if (byKey.get(key)?.every((test) => test(value)) === false) return false;
    if (required.has(key)) found++;
  }
  return found === required.size;
}

function meets({ key, operator, values }: LabelRequirement, labels: Labels): boolean {
  const value = ownValue(labels, key);
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
      const [actual, bound] = [tryParseInt64(value ?? ''), tryParseInt64(values[0] ?? '')];
      if (actual === undefined || bound === undefined) return false;
      return operator === 'gt' ? actual > bound : actual < bound;
    }
  }
}

/** The string form `a=b,c in (d,e),!f`. It parses to the same matcher. */
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

/** A LabelSelector in the string form (metav1.FormatLabelSelector); `<none>` for one that selects everything. */
export function formatLabelSelector(selector: LabelSelector | undefined): string {
  return labelMatcherText(labelMatcher(selector)) || '<none>';
}

/** The only value that the label may have, if the selector requires one value; undefined otherwise. */
export function exactLabel(matcher: LabelMatcher, key: string): string | undefined {
  const found = matcher.requirements.find((requirement) => requirement.key === key);
  const exact = found !== undefined && ['=', '==', 'in'].includes(found.operator) && found.values.length === 1;
  return exact ? found.values[0] : undefined;
}

/** One requirement of a field selector. */
export interface FieldRequirement {
  field: string;
  operator: '=' | '!=';
  value: string;
}

/**
 * Parses a field selector `metadata.name=x,status.phase!=Running`. In values `,`, `=` and `\` are escaped with a backslash. Each
 * kind decides which fields can be selected. @throws SelectorError
 */
export const parseFieldSelector = (text: string): FieldRequirement[] => atOnce(fieldSelectorSteps(text));

/** Like {@link parseFieldSelector}, for a long text. */
export function* fieldSelectorSteps(text: string): Steps<FieldRequirement[]> {
  const terms = text.includes('\\')
    ? (text.match(/(?:[^\\,]|\\[\s\S]?)+/g) ?? [])
    : text.split(',').filter((term) => term !== '');
  if (terms.length > termsPerStep) yield;
  terms.sort();
  const found: FieldRequirement[] = [];
  for (const term of terms) {
    if (found.length % termsPerStep === termsPerStep - 1) yield;
    const at = term.indexOf('=');
    if (at < 0) throw new SelectorError(`invalid selector: '${text}'; can't understand '${term}'`);
    const isUnequal = term[at - 1] === '!';
    const end = !isUnequal && term[at + 1] === '=' ? at + 2 : at + 1;
    found.push({
      field: term.slice(0, isUnequal ? at - 1 : at),
      operator: isUnequal ? '!=' : '=',
      value: unescapeFieldValue(term.slice(end)),
    });
  }
  return found;
}

function unescapeFieldValue(text: string): string {
  if (!/[\\,=]/.test(text)) return text;
  return text.replace(/\\([\s\S]?)|[,=]/gu, (whole, escaped: string | undefined) => {
    // Upstream prints the number of the rune here, not the character.
    if (escaped === undefined)
      throw new SelectorError(`invalid field selector: unescaped character in value: ${whole.codePointAt(0)}`);
    if (!['\\', ',', '='].includes(escaped)) throw new SelectorError(`invalid field selector: invalid escape sequence: ${whole}`);
    return escaped;
  });
}

/** Whether the fields meet all requirements. A field that the record does not have counts as empty. */
export function matchesFields(requirements: readonly FieldRequirement[], fields: Readonly<Record<string, string>>): boolean {
  if (requirements.length > few) return matchesFieldIndex(fieldIndexOf(requirements), fields);
  return requirements.every(({ field, operator, value }) => ((ownValue(fields, field) ?? '') === value) === (operator === '='));
}

/** Many requirements, by field: what it must be, and what it must not be. */
type FieldIndex = ReadonlyMap<string, { equal: Set<string>; unequal: Set<string> }>;

const fieldIndexes = new WeakMap<readonly FieldRequirement[], FieldIndex>();

function fieldIndexOf(requirements: readonly FieldRequirement[]): FieldIndex {
  const known = fieldIndexes.get(requirements);
  if (known !== undefined) return known;
  const index = new Map<string, { equal: Set<string>; unequal: Set<string> }>();
  for (const { field, operator, value } of requirements) {
    const sets = index.get(field) ?? { equal: new Set(), unequal: new Set() };
    index.set(field, sets);
    (operator === '=' ? sets.equal : sets.unequal).add(value);
  }
  fieldIndexes.set(requirements, index);
  return index;
}

function matchesFieldIndex(index: FieldIndex, fields: Readonly<Record<string, string>>): boolean {
  for (const [field, { equal, unequal }] of index) {
    const value = ownValue(fields, field) ?? '';
    if (unequal.has(value) || equal.size > 1 || (equal.size === 1 && !equal.has(value))) return false;
  }
  return true;
}

/** The only value that the field may have, if the selector requires one value; undefined otherwise. */
export function exactField(requirements: readonly FieldRequirement[], field: string): string | undefined {
  return requirements.find((requirement) => requirement.field === field && requirement.operator === '=')?.value;
}

/** The string form. It parses to the same requirements. */
export function fieldSelectorText(requirements: readonly FieldRequirement[]): string {
  return requirements.map(({ field, operator, value }) => `${field}${operator}${value.replace(/[\\,=]/g, '\\$&')}`).join(',');
}
