/**
 * Parses label selectors in their string form: `x in (foo,,baz),y,z notin (),!w,a=b,n>3`.
 *
 * It accepts and refuses exactly what upstream's recursive-descent parser does, with upstream's error texts.
 * Source: apimachinery `pkg/labels/selector.go`.
 */
import type { LabelMatcher, LabelOperator, LabelRequirement } from './label-requirement.ts';
import { joined, keyErrors, labelMatcherOf, labelRequirement, SelectorError } from './label-requirement.ts';
import { isValidLabelValue } from './names.ts';
import { atOnce, type Steps } from './steps.ts';

/** A token. `word` is a key or a value. `in` and `notin` are words too at the place of a value. */
interface Token {
  kind: 'word' | 'symbol' | 'end';
  text: string;
}

const end: Token = { kind: 'end', text: '' };

/** The tokens of a text, read as they are asked for: a header may have a million. */
class Tokens {
  readonly #text: string;
  readonly #pattern = /[ \t\r\n]*(?:(!=|==|[=!(),><])|([^=!(),>< \t\r\n]+))/y;
  #peeked: Token | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  peek(): Token {
    this.#peeked ??= this.#read();
    return this.#peeked;
  }

  next(): Token {
    const token = this.peek();
    this.#peeked = undefined;
    return token;
  }

  /** Reads `(a,b)` without blanks and empty places, as nearly all sets are written. @returns what is in the parentheses */
  plainSet(): string | undefined {
    if (this.#peeked !== undefined) return undefined;
    plainSet.lastIndex = this.#pattern.lastIndex;
    const [whole = '', inner] = plainSet.exec(this.#text) ?? [];
    if (inner === undefined || inner.startsWith(',') || inner.endsWith(',') || inner.includes(',,')) return undefined;
    this.#pattern.lastIndex += whole.length;
    return inner;
  }

  #read(): Token {
    const [, symbol, word] = this.#pattern.exec(this.#text) ?? [];
    if (symbol !== undefined) return symbol === ',' ? comma : { kind: 'symbol', text: symbol };
    if (word !== undefined) return { kind: 'word', text: word };
    // Only blanks are left; from here on there is nothing else.
    this.#pattern.lastIndex = this.#text.length;
    return end;
  }
}

/** A set of values whose tokens are words and commas. */
const plainSet = /[ \t\r\n]*\(([^=!(),>< \t\r\n][^=!()>< \t\r\n]*)\)/y;

const comma: Token = { kind: 'symbol', text: ',' };

/** The operators in the text, with upstream's names. */
const operators: Readonly<Record<string, LabelOperator>> = {
  in: 'in',
  notin: 'notin',
  '=': '=',
  '==': '==',
  '!=': '!=',
  '>': 'gt',
  '<': 'lt',
};
const expectedOperators = 'in, notin, =, ==, !=, gt, lt';

/** Parses the string form. An empty text selects everything. @throws SelectorError with upstream's text */
export const parseLabelSelector = (text: string): LabelMatcher => atOnce(labelSelectorSteps(text));

/** Like {@link parseLabelSelector}, for a long text. */
export function* labelSelectorSteps(text: string): Steps<LabelMatcher> {
  const requirements = yield* new Parser(new Tokens(text)).requirements();
  if (requirements.length > requirementsPerStep) yield;
  return labelMatcherOf(requirements);
}

/** Number of requirements parsed in one step, which takes a few milliseconds. */
const requirementsPerStep = 5_000;
/** Number of values of one set parsed in one step, which takes a few milliseconds. */
const valuesPerStep = 20_000;
/** A longer set of values is not sorted, because sorting would take most of the time. */
const maxSortedValues = 1_000;

class Parser {
  readonly #tokens: Tokens;
  /** Requirements that a key alone asks for: each once, however often it is written. */
  readonly #present = new Set<string>();

  constructor(tokens: Tokens) {
    this.#tokens = tokens;
  }

  #peek(): Token {
    return this.#tokens.peek();
  }

  #next(): Token {
    return this.#tokens.next();
  }

  *requirements(): Steps<LabelRequirement[]> {
    const found: LabelRequirement[] = [];
    let read = 0;
    if (this.#peek().kind === 'end') return found;
    if (!startsRequirement(this.#peek())) {
      throw new SelectorError(`found '${this.#peek().text}', expected: !, identifier, or 'end of string'`);
    }
    for (;;) {
      const requirement = yield* this.#requirementOrThrow();
      if (requirement !== undefined) found.push(requirement);
      if (++read % requirementsPerStep === 0) yield;
      const separator = this.#next();
      if (separator.kind === 'end') return found;
      if (separator.text !== ',') throw new SelectorError(`found '${separator.text}', expected: ',' or 'end of string'`);
      const following = this.#peek();
      if (!startsRequirement(following)) throw new SelectorError(`found '${following.text}', expected: identifier after ','`);
    }
  }

  *#requirementOrThrow(): Steps<LabelRequirement | undefined> {
    try {
      return yield* this.#requirement();
    } catch (error) {
      if (!(error instanceof SelectorError)) throw error;
      throw new SelectorError(`unable to parse requirement: ${error.message}`);
    }
  }

  /** Undefined for a key whose presence is asked for already. */
  *#requirement(): Steps<LabelRequirement | undefined> {
    const negated = this.#peek().text === '!';
    if (negated) this.#next();
    const { kind, text: key } = this.#next();
    if (kind !== 'word') throw new SelectorError(`found '${key}', expected: identifier`);
    if (!negated && this.#present.has(key) && endsRequirement(this.#peek())) return undefined;
    // Upstream's parser passes no field path here, and Go prints that as `<nil>`.
    const wrong = keyErrors(key, '<nil>');
    if (wrong.length > 0) throw new SelectorError(joined(wrong));
    if (negated) return labelRequirement(key, '!', []);
    if (endsRequirement(this.#peek())) {
      this.#present.add(key);
      return labelRequirement(key, 'exists', []);
    }
    const written = this.#next().text;
    const operator = Object.hasOwn(operators, written) ? operators[written] : undefined;
    if (operator === undefined) throw new SelectorError(`found '${written}', expected: ${expectedOperators}`);
    const values = operator === 'in' || operator === 'notin' ? yield* this.#valueSet() : [this.#exactValue()];
    return labelRequirement(key, operator, values);
  }

  #exactValue(): string {
    if (endsRequirement(this.#peek())) return '';
    const { kind, text } = this.#next();
    if (kind !== 'word') throw new SelectorError(`found '${text}', expected: identifier`);
    return text;
  }

  /** Parses `(a,b)` into sorted, distinct values. An empty place is the empty value. */
  *#valueSet(): Steps<string[]> {
    const plain = this.#tokens.plainSet();
    if (plain !== undefined) return yield* valuesOf(plain);
    const open = this.#next();
    if (open.text !== '(') throw new SelectorError(`found '${open.text}' expected: '('`);
    const first = this.#peek();
    if (first.text === ')') {
      this.#next();
      return [''];
    }
    if (first.kind !== 'word' && first.text !== ',') {
      throw new SelectorError(`found '${first.text}', expected: ',', ')' or identifier`);
    }
    const values = yield* this.#valueList();
    this.#next();
    return yield* orderOf(values);
  }

  /** Parses values up to the closing parenthesis, which is not read. */
  *#valueList(): Steps<Set<string>> {
    const values = new Set<string>();
    for (let read = 1; ; read++) {
      if (read % valuesPerStep === 0) yield;
      const token = this.#next();
      const following = this.#peek();
      if (token.kind === 'word') {
        values.add(token.text);
        if (following.text === ')') return values;
        if (following.text !== ',') throw new SelectorError(`found '${following.text}', expected: ',' or ')'`);
      } else if (token.text === ',') {
        if (values.size === 0 || following.text === ')' || following.text === ',') values.add('');
        if (following.text === ')') return values;
      } else {
        throw new SelectorError(`found '${token.text}', expected: ',', or identifier`);
      }
    }
  }
}

/** The distinct values of a set. */
function* valuesOf(set: string): Steps<string[]> {
  const values = new Set<string>();
  for (const [index, text] of set.split(',').entries()) {
    if (index % valuesPerStep === valuesPerStep - 1) yield;
    values.add(text);
  }
  return yield* orderOf(values);
}

/** The values sorted, unless they are very many. */
function* orderOf(values: ReadonlySet<string>): Steps<string[]> {
  if (values.size <= maxSortedValues) return [...values].sort();
  yield;
  // An error names the place of a malformed value.
  const isValid = values.values().every((value) => isValidLabelValue(value).length === 0);
  yield;
  return isValid ? [...values] : [...values].sort();
}

const startsRequirement = (token: Token): boolean => token.kind === 'word' || token.text === '!';
const endsRequirement = (token: Token): boolean => token.kind === 'end' || token.text === ',';
