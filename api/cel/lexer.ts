/**
 * Splits a CEL expression into tokens.
 *
 * Source: cel-spec `doc/langdef.md` (Syntax); cel-go `parser/gen/CEL.g4`, `parser/unescape.go`.
 */
import { errorText } from '../error-text.ts';
import type { Issue } from './source.ts';

/** The kinds of tokens. `escaped` is an identifier between back quotes; `end` follows the last token. */
export type TokenKind = 'int' | 'uint' | 'float' | 'string' | 'bytes' | 'ident' | 'escaped' | 'symbol' | 'end';

/** One token of the source; `offset` is where it begins, in UTF-16 units. */
export interface Token {
  kind: TokenKind;
  /** The text in the source. */
  text: string;
  /** The content of a string or of bytes, the name of an identifier. */
  value: string | Uint8Array;
  offset: number;
}

const patterns: readonly (readonly [kind: TokenKind | 'space', pattern: RegExp])[] = [
  ['space', /[\t \r\n\f]+|\/\/[^\n]*/y],
  ['float', /\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?/y],
  ['uint', /(?:0x[0-9a-fA-F]+|\d+)[uU]/y],
  ['int', /0x[0-9a-fA-F]+|\d+/y],
  ['ident', /[A-Za-z_][A-Za-z0-9_]*/y],
  ['escaped', /`[A-Za-z0-9_.\-/ ]+`/y],
  ['symbol', /==|!=|<=|>=|&&|\|\||[<>[\]{}().,\-!?:+*/%]/y],
];
const stringStart = /([bB]?)([rR]?)("""|'''|"|')/y;

/** All tokens, the last of kind `end`. Invalid characters and unterminated strings are added to `issues`. */
export function tokenize(source: string, issues: Issue[]): Token[] {
  const tokens: Token[] = [];
  let offset = 0;
  while (offset < source.length) {
    const text = readString(source, offset, tokens, issues);
    if (text > 0) {
      offset += text;
      continue;
    }
    const found = match(source, offset);
    if (found === undefined) {
      const [char = ''] = source.slice(offset, offset + 2);
      const unread = String.fromCodePoint(source.codePointAt(offset) as number);
      issues.push({ offset, message: `Syntax error: token recognition error at: '${unread}'` });
      offset += Math.max(char.length, unread.length);
      continue;
    }
    if (found.kind !== 'space') {
      const value = found.kind === 'escaped' ? found.text.slice(1, -1) : found.text;
      tokens.push({ kind: found.kind, text: found.text, value, offset });
    }
    offset += found.text.length;
  }
  tokens.push({ kind: 'end', text: '<EOF>', value: '', offset });
  return tokens;
}

function match(source: string, offset: number): { kind: TokenKind | 'space'; text: string } | undefined {
  for (const [kind, pattern] of patterns) {
    pattern.lastIndex = offset;
    const text = pattern.exec(source)?.[0];
    if (text !== undefined) return { kind, text };
  }
  return undefined;
}

/** Reads a string or bytes literal, if one begins here. @returns its length; 0 when none begins here, or it is unterminated */
function readString(source: string, offset: number, tokens: Token[], issues: Issue[]): number {
  stringStart.lastIndex = offset;
  const start = stringStart.exec(source);
  if (start === null) return 0;
  const [prefix, b = '', r = '', quote = ''] = start;
  const isRaw = r !== '';
  let end = offset + prefix.length;
  while (!source.startsWith(quote, end)) {
    const char = source[end];
    if (char === undefined || (quote.length === 1 && (char === '\n' || char === '\r'))) return 0;
    end += char === '\\' && !isRaw ? 2 : 1;
  }
  const text = source.slice(offset, end + quote.length);
  const content = source.slice(offset + prefix.length, end);
  const isBytes = b !== '';
  try {
    const value = isRaw ? content.replaceAll('\r\n', '\n') : unescape(content, isBytes);
    tokens.push({
      kind: isBytes ? 'bytes' : 'string',
      text,
      value: isBytes && typeof value === 'string' ? Buffer.from(value) : value,
      offset,
    });
  } catch (error) {
    issues.push({ offset, message: `invalid ${isBytes ? 'bytes' : 'string'} literal: ${errorText(error)}` });
    tokens.push({ kind: isBytes ? 'bytes' : 'string', text, value: '', offset });
  }
  return text.length;
}

const simpleEscapes: Record<string, string> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '`': '`',
  '?': '?',
};
const escape = /\\(?:([abfnrtv\\'"`?])|[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2}))/y;

/** Resolves escapes. `\x` and octal escapes are bytes in a bytes literal, and code points in a string. @throws Error at a bad escape */
function unescape(content: string, isBytes: boolean): string | Uint8Array {
  const parts: (string | number)[] = [];
  let offset = 0;
  while (offset < content.length) {
    const next = content.indexOf('\\', offset);
    if (next !== offset) {
      const end = next < 0 ? content.length : next;
      parts.push(content.slice(offset, end).replaceAll(/\r\n?/g, '\n'));
      offset = end;
      continue;
    }
    escape.lastIndex = offset;
    const found = escape.exec(content);
    if (found === null) throw new Error('unable to unescape string');
    const [text, char, hex, short, long, octal] = found;
    if (char !== undefined) parts.push(simpleEscapes[char] as string);
    else if (hex !== undefined || octal !== undefined)
      parts.push(hex === undefined ? Number.parseInt(octal as string, 8) : Number.parseInt(hex, 16));
    else parts.push(codePoint(Number.parseInt((short ?? long) as string, 16), isBytes));
    offset += text.length;
  }
  if (!isBytes) return parts.map((part) => (typeof part === 'number' ? String.fromCodePoint(part) : part)).join('');
  return Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.from([part]) : Buffer.from(part))));
}

function codePoint(code: number, isBytes: boolean): string {
  if (isBytes) throw new Error('unable to unescape bytes: \\u and \\U are not allowed');
  if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) throw new Error('invalid unicode code point');
  return String.fromCodePoint(code);
}
