/**
 * Parses label selectors in their string form: `x in (foo,,baz),y,z notin (),!w,a=b,n>3`.
 *
 * It accepts and refuses exactly what upstream's recursive-descent parser does, with upstream's error texts.
 * Source: apimachinery `pkg/labels/selector.go`.
 */
import type { LabelMatcher, LabelOperator, LabelRequirement } from './label-requirement.ts';
import { joined, keyErrors, labelMatcherOf, labelRequirement, SelectorError } from './label-requirement.ts';

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

  #read(): Token {
    const [, symbol, word] = this.#pattern.exec(this.#text) ?? [];
    if (symbol !== undefined) return symbol === ',' ? comma : { kind: 'symbol', text: symbol };
    if (word !== undefined) return { kind: 'word', text: word };
    // Only blanks are left; from here on there is nothing else.
    this.#pattern.lastIndex = this.#text.length;
    return end;
  }
}

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
export function parseLabelSelector(text: string): LabelMatcher {
  const parser = new Parser(new Tokens(text));
  return labelMatcherOf(parser.requirements());
}

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

  requirements(): LabelRequirement[] {
    const found: LabelRequirement[] = [];
    if (this.#peek().kind === 'end') return found;
    if (!startsRequirement(this.#peek())) {
      throw new SelectorError(`found '${this.#peek().text}', expected: !, identifier, or 'end of string'`);
    }
    for (;;) {
      const requirement = this.#requirementOrThrow();
      if (requirement !== undefined) found.push(requirement);
      const separator = this.#next();
      if (separator.kind === 'end') return found;
      if (separator.text !== ',') throw new SelectorError(`found '${separator.text}', expected: ',' or 'end of string'`);
      const following = this.#peek();
      if (!startsRequirement(following)) throw new SelectorError(`found '${following.text}', expected: identifier after ','`);
    }
  }

  #requirementOrThrow(): LabelRequirement | undefined {
    try {
      return this.#requirement();
    } catch (error) {
      if (!(error instanceof SelectorError)) throw error;
      throw new SelectorError(`unable to parse requirement: ${error.message}`);
    }
  }

  /** Undefined for a key whose presence is asked for already. */
  #requirement(): LabelRequirement | undefined {
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
    const values = operator === 'in' || operator === 'notin' ? this.#valueSet() : [this.#exactValue()];
    return labelRequirement(key, operator, values);
  }

  #exactValue(): string {
    if (endsRequirement(this.#peek())) return '';
    const { kind, text } = this.#next();
    if (kind !== 'word') throw new SelectorError(`found '${text}', expected: identifier`);
    return text;
  }

  /** Parses `(a,b)` into sorted, distinct values. An empty place is the empty value. */
  #valueSet(): string[] {
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
    const values = this.#valueList();
    this.#next();
    return [...values].sort();
  }

  /** Parses values up to the closing parenthesis, which is not read. */
  #valueList(): Set<string> {
    const values = new Set<string>();
    for (;;) {
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

const startsRequirement = (token: Token): boolean => token.kind === 'word' || token.text === '!';
const endsRequirement = (token: Token): boolean => token.kind === 'end' || token.text === ',';
