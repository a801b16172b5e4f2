/**
 * Error messages that show their position in the source of an expression.
 *
 * Source: cel-go `common/error.go`, `common/errors.go`, `common/source.go`.
 */

import { runes } from './text.ts';

/** One error in an expression. */
export interface Issue {
  /** Position in UTF-16 units; undefined when the error has no position. */
  offset: number | undefined;
  message: string;
}

/** The expression does not compile. The message is cel-go's: each error with its line and a mark below the position. */
export class CelCompileError extends Error {
  readonly issues: readonly Issue[];

  constructor(source: string, issues: readonly Issue[]) {
    super(issues.map((issue) => display(source, issue)).join('\n'));
    this.name = 'CelCompileError';
    this.issues = issues;
  }
}

/** The expression is valid, but a constant part of it cannot be evaluated. */
export class CelProgramError extends CelCompileError {
  constructor(source: string, message: string) {
    super(source, []);
    this.name = 'CelProgramError';
    this.message = message;
  }
}

const maxSnippetLength = 16_384;

/** `ERROR: <input>:1:3: message`, the line, and a mark below the place. Columns count code points, from one. */
function display(source: string, { offset, message }: Issue): string {
  if (offset === undefined) return `ERROR: <input>:-1:0: ${message}`;
  const before = source.slice(0, offset);
  const lineStart = before.lastIndexOf('\n') + 1;
  const line = before.split('\n').length;
  const column = runes(source.slice(lineStart, offset)).length;
  const [text = ''] = source.slice(lineStart).split('\n', 1);
  const snippet = text.replaceAll('\t', ' ');
  const head = `ERROR: <input>:${line}:${column + 1}: ${message}`;
  if (snippet.length > maxSnippetLength) return head;
  const marks = runes(snippet)
    .slice(0, column)
    .map((char) => (isWide(char) ? '．' : '.'));
  const at = runes(snippet)[column];
  return `${head}\n | ${snippet}\n | ${marks.join('')}${at !== undefined && isWide(at) ? '＾' : '^'}`;
}

const isWide = (char: string): boolean => Buffer.byteLength(char) > 1;
