/**
 * Parses a CEL expression into a syntax tree.
 *
 * Source: cel-spec `doc/langdef.md` (Syntax); cel-go `parser/parser.go`, `parser/gen/CEL.g4`.
 */
import { type Expr, type MapEntry, operators, type StructExpr } from './ast.ts';
import { expressionStart, keywords, products, relations, reserved, sums, unaries } from './grammar.ts';
import { type Token, tokenize } from './lexer.ts';
import { expandMacro } from './macros.ts';
import { NodeFactory } from './node-factory.ts';
import { CelCompileError, type Issue } from './source.ts';
import { runes } from './text.ts';
import { Uint } from './values.ts';

/** cel-go's limits: depth of nested expressions, and code points of an expression. */
const maxDepth = 250;
const maxCodePoints = 100_000;
/** Limit of chained operations (`a.b.c…`). Go's stack grows on demand; ours has room for this many. */
const maxChain = 1000;

/** Parses an expression. @param bindings whether `cel.bind` exists @throws CelCompileError with all errors that were found */
export function parse(source: string, { bindings = false }: { bindings?: boolean } = {}): Expr {
  if (source.length > maxCodePoints && runes(source).length > maxCodePoints) {
    const message = `expression code point size exceeds limit: size: ${runes(source).length}, limit ${maxCodePoints}`;
    throw new CelCompileError(source, [{ offset: undefined, message }]);
  }
  const issues: Issue[] = [];
  const tokens = tokenize(source, issues);
  const parser = new Parser(tokens, issues, bindings);
  const expr = parser.parse();
  if (issues.length > 0)
    throw new CelCompileError(
      source,
      issues.sort((a, b) => (a.offset ?? -1) - (b.offset ?? -1)),
    );
  return expr;
}

/** Thrown at the first syntax error, which ends the parse. */
class SyntaxIssue {
  readonly issue: Issue;
  constructor(issue: Issue) {
    this.issue = issue;
  }
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #make: NodeFactory;
  readonly #bindings: boolean;
  #next = 0;
  #depth = 0;

  constructor(tokens: readonly Token[], issues: Issue[], bindings: boolean) {
    this.#bindings = bindings;
    this.#tokens = tokens;
    this.#make = new NodeFactory(issues);
  }

  parse(): Expr {
    try {
      const expr = this.#expression();
      const { kind, text, offset } = this.#peek();
      if (kind !== 'end') {
        const what = this.#tokens[this.#next + 1]?.kind === 'end' ? 'extraneous' : 'mismatched';
        throw new SyntaxIssue({ offset, message: `Syntax error: ${what} input '${text}' expecting <EOF>` });
      }
      return expr;
    } catch (error) {
      if (!(error instanceof SyntaxIssue)) throw error;
      return this.#make.mistake(error.issue.offset ?? 0, error.issue.message);
    }
  }

  #peek(): Token {
    return this.#tokens[this.#next] as Token;
  }

  #isNext(text: string): boolean {
    const { kind, text: found } = this.#peek();
    return found === text && (kind === 'symbol' || (kind === 'ident' && text === 'in'));
  }

  #take(text: string): Token | undefined {
    return this.#isNext(text) ? this.#tokens[this.#next++] : undefined;
  }

  #expect(text: string): Token {
    const token = this.#take(text);
    if (token !== undefined) return token;
    const { text: found, offset } = this.#peek();
    throw new SyntaxIssue({ offset, message: `Syntax error: mismatched input '${found}' expecting '${text}'` });
  }

  #expression(): Expr {
    if (++this.#depth > maxDepth) {
      const message = `expression recursion limit exceeded: ${maxDepth}`;
      throw new SyntaxIssue({ offset: undefined, message });
    }
    const condition = this.#logical('||', operators.or, () => this.#logical('&&', operators.and, () => this.#relation()));
    const mark = this.#take('?');
    let expr = condition;
    if (mark !== undefined) {
      const { id, offset } = this.#make.node(mark.offset);
      const whenTrue = this.#logical('||', operators.or, () => this.#logical('&&', operators.and, () => this.#relation()));
      this.#expect(':');
      const args = [condition, whenTrue, this.#expression()];
      expr = { kind: 'call', id, offset, name: operators.conditional, target: undefined, args };
    }
    this.#depth--;
    return expr;
  }

  /** A chain of one logical operator becomes a balanced tree, so that a long one is not deep. */
  #logical(symbol: string, name: string, operand: () => Expr): Expr {
    const terms = [operand()];
    const offsets: number[] = [];
    for (let token = this.#take(symbol); token !== undefined; token = this.#take(symbol)) {
      offsets.push(token.offset);
      terms.push(operand());
    }
    const balance = (low: number, high: number): Expr => {
      if (low === high) return terms[low] as Expr;
      const middle = Math.floor((low + high + 1) / 2);
      return this.#make.call(offsets[middle - 1] as number, name, [balance(low, middle - 1), balance(middle, high)]);
    };
    return balance(0, terms.length - 1);
  }

  /** @throws SyntaxIssue when a chain of operations is too long */
  #checkChain(length: number): void {
    if (length > maxChain)
      throw new SyntaxIssue({ offset: undefined, message: `expression recursion limit exceeded: ${maxChain}` });
  }

  #relation(): Expr {
    let left = this.#sum();
    for (let length = 1; ; length++) {
      this.#checkChain(length);
      const { text, offset } = this.#peek();
      const name = relations.get(text);
      if (name === undefined || !this.#isNext(text)) return left;
      this.#next++;
      left = this.#make.call(offset, name, [left, this.#sum()]);
    }
  }

  #sum(): Expr {
    return this.#binary(sums, () => this.#binary(products, () => this.#unary()));
  }

  #binary(names: ReadonlyMap<string, string>, operand: () => Expr): Expr {
    let left = operand();
    for (let length = 1; ; length++) {
      this.#checkChain(length);
      const { kind, text, offset } = this.#peek();
      const name = kind === 'symbol' ? names.get(text) : undefined;
      if (name === undefined) return left;
      this.#next++;
      left = this.#make.call(offset, name, [left, operand()]);
    }
  }

  /** Unary operators. An even number of `!` or `-` cancels out. */
  #unary(): Expr {
    for (const [symbol, name] of unaries) {
      const first = this.#peek();
      if (!this.#isNext(symbol)) continue;
      const after = this.#tokens[this.#next + 1] as Token;
      if (symbol === '-' && (after.kind === 'int' || after.kind === 'float')) return this.#member();
      let count = 0;
      while (this.#isNext(symbol)) {
        // The last minus before a number is its sign.
        if (symbol === '-' && count > 0 && ['int', 'float'].includes((this.#tokens[this.#next + 1] as Token).kind)) break;
        this.#next++;
        count++;
      }
      const operand = this.#member();
      return count % 2 === 0 ? operand : this.#make.call(first.offset, name, [operand]);
    }
    return this.#member();
  }

  #member(): Expr {
    let expr = this.#primary();
    for (let length = 1; ; length++) {
      this.#checkChain(length);
      const dot = this.#take('.');
      if (dot !== undefined) {
        expr = this.#selection(expr, dot.offset);
        continue;
      }
      const bracket = this.#take('[');
      if (bracket === undefined) return expr;
      const { offset } = bracket;
      const name = this.#take('?') === undefined ? operators.index : operators.optIndex;
      const index = this.#expression();
      this.#expect(']');
      expr = this.#make.call(offset, name, [expr, index]);
    }
  }

  /** What follows a dot. */
  #selection(operand: Expr, offset: number): Expr {
    const isOptional = this.#take('?') !== undefined;
    const name = this.#peek();
    if (name.kind !== 'ident' && name.kind !== 'escaped') throw this.#unexpected(name, 'IDENTIFIER');
    if (name.kind === 'ident' && keywords.has(name.text)) throw this.#unexpected(name, 'IDENTIFIER');
    this.#next++;
    const field = name.value as string;
    if (isOptional) return this.#make.call(offset, operators.optSelect, [operand, this.#make.literal(name.offset, field)]);
    const open = name.kind === 'ident' ? this.#take('(') : undefined;
    if (open === undefined) return { kind: 'select', ...this.#make.node(offset), operand, field, testOnly: false };
    const args = this.#arguments();
    const call = { make: this.#make, offset: open.offset, target: operand, args };
    return expandMacro(field, call, this.#bindings) ?? this.#make.call(open.offset, field, args, operand);
  }

  #arguments(): Expr[] {
    const args: Expr[] = [];
    if (this.#take(')') !== undefined) return args;
    do args.push(this.#expression());
    while (this.#take(',') !== undefined);
    this.#expect(')');
    return args;
  }

  #primary(): Expr {
    const token = this.#peek();
    const { kind, text, offset, value } = token;
    switch (kind) {
      case 'int':
      case 'uint':
      case 'float':
        this.#next++;
        return this.#number(token, '');
      case 'string':
      case 'bytes':
        this.#next++;
        return this.#make.literal(offset, value);
      case 'ident':
        return this.#identifier('', offset);
      case 'symbol':
        break;
      default:
        throw this.#unexpected(token, expressionStart);
    }
    switch (text) {
      case '-': {
        const number = this.#tokens[this.#next + 1] as Token;
        if (number.kind !== 'int' && number.kind !== 'float') break;
        this.#next += 2;
        return this.#number({ ...number, offset }, '-');
      }
      case '.':
        this.#next++;
        if (this.#peek().kind === 'ident') return this.#identifier('.', offset);
        break;
      case '(': {
        this.#next++;
        const expr = this.#expression();
        this.#expect(')');
        return expr;
      }
      case '[':
        this.#next++;
        return this.#listLiteral(offset);
      case '{':
        this.#next++;
        return this.#mapLiteral(offset);
      default:
        break;
    }
    throw this.#unexpected(this.#peek(), expressionStart);
  }

  #unexpected({ text, offset }: Token, expected: string): SyntaxIssue {
    const known = keywords.has(text) || expected === 'IDENTIFIER' ? 'mismatched' : text === '<EOF>' ? 'mismatched' : 'extraneous';
    return new SyntaxIssue({ offset, message: `Syntax error: ${known} input '${text}' expecting ${expected}` });
  }

  #number({ kind, text, offset }: Token, sign: string): Expr {
    if (kind === 'float') {
      const number = Number(sign + text);
      return Number.isFinite(number) ? this.#make.literal(offset, number) : this.#make.mistake(offset, 'invalid double literal');
    }
    if (kind === 'uint') {
      const number = BigInt(text.slice(0, -1));
      if (number >= 2n ** 64n) return this.#make.mistake(offset, 'invalid uint literal');
      return this.#make.literal(offset, new Uint(number));
    }
    const number = sign === '-' ? -BigInt(text) : BigInt(text);
    return BigInt.asIntN(64, number) === number
      ? this.#make.literal(offset, number)
      : this.#make.mistake(offset, 'invalid int literal');
  }

  #identifier(dot: string, offset: number): Expr {
    const token = this.#peek();
    const { text } = token;
    if (dot === '' && keywords.has(text)) {
      if (text === 'in') throw this.#unexpected(token, expressionStart);
      this.#next++;
      return this.#make.literal(offset, text === 'null' ? null : text === 'true');
    }
    this.#next++;
    const struct = this.#structName(text);
    if (struct !== undefined) return this.#structLiteral(dot + struct, offset);
    if (reserved.has(text)) return this.#make.mistake(offset, `reserved identifier: ${text}`);
    const name = dot + text;
    const open = this.#take('(');
    if (open === undefined) return this.#make.ident(offset, name);
    const args = this.#arguments();
    const call = { make: this.#make, offset: open.offset, target: undefined, args };
    return expandMacro(name, call, this.#bindings) ?? this.#make.call(open.offset, name, args);
  }

  /** The qualified type name `a.b.C` before `{`, if there is one; its tokens are then consumed. */
  #structName(first: string): string | undefined {
    let at = this.#next;
    let name = first;
    while (this.#tokens[at]?.text === '.' && this.#tokens[at + 1]?.kind === 'ident') {
      name += `.${(this.#tokens[at + 1] as Token).text}`;
      at += 2;
    }
    const brace = this.#tokens[at];
    if (brace?.kind !== 'symbol' || brace.text !== '{') return undefined;
    this.#next = at + 1;
    return name;
  }

  #structLiteral(typeName: string, offset: number): Expr {
    const { id } = this.#make.node(offset);
    const fields: StructExpr['fields'] = [];
    while (this.#take('}') === undefined) {
      const optional = this.#take('?') !== undefined;
      const name = this.#peek();
      if ((name.kind !== 'ident' && name.kind !== 'escaped') || keywords.has(name.text))
        throw this.#unexpected(name, 'IDENTIFIER');
      this.#next++;
      const colon = this.#expect(':');
      fields.push({ ...this.#make.node(colon.offset), name: name.value as string, value: this.#expression(), optional });
      if (this.#take(',') === undefined) {
        this.#expect('}');
        break;
      }
    }
    return { kind: 'struct', id, offset, typeName, fields };
  }

  #listLiteral(offset: number): Expr {
    const elements: Expr[] = [];
    const optional = new Set<number>();
    while (this.#take(']') === undefined) {
      if (this.#take('?') !== undefined) optional.add(elements.length);
      elements.push(this.#expression());
      if (this.#take(',') === undefined) {
        this.#expect(']');
        break;
      }
    }
    return this.#make.list(offset, elements, optional);
  }

  #mapLiteral(offset: number): Expr {
    const entries: MapEntry[] = [];
    while (this.#take('}') === undefined) {
      const optional = this.#take('?') !== undefined;
      const key = this.#expression();
      this.#expect(':');
      entries.push({ key, value: this.#expression(), optional });
      if (this.#take(',') === undefined) {
        this.#expect('}');
        break;
      }
    }
    return this.#make.map(offset, entries);
  }
}
