/**
 * Regular expressions in linear time, with RE2's syntax.
 *
 * Source: apiserver `pkg/cel/library/regex.go`.
 */
import { RE2JS } from 're2js';
import { errorText } from '../../error-text.ts';
import { define, type Library } from '../declarations.ts';
import { matching } from '../runtime-cost.ts';
import { CelError, type ListValue, NativeList } from '../values.ts';

/** Cache of compiled patterns. Most patterns are constants of a rule. */
const compiled = new Map<string, RE2JS>();
const maxCompiled = 1000;

/** @throws CelError for an invalid pattern */
export function regex(pattern: string): { test(text: string): boolean; all(text: string, limit: number): string[] } {
  const expression = compile(pattern);
  return {
    test: (text) => expression.matcher(text).find(),
    all(text, limit) {
      const found: string[] = [];
      const matcher = expression.matcher(text);
      while ((limit < 0 || found.length < limit) && matcher.find()) found.push(matcher.group() ?? '');
      return found;
    },
  };
}

function compile(pattern: string): RE2JS {
  let expression = compiled.get(pattern);
  if (expression === undefined) {
    try {
      expression = RE2JS.compile(pattern);
    } catch (error) {
      throw new CelError(errorText(error));
    }
    if (compiled.size >= maxCompiled) compiled.clear();
    compiled.set(pattern, expression);
  }
  return expression;
}

const findAll = (text: string, pattern: string, limit = -1n): ListValue =>
  new NativeList(regex(pattern).all(text, Number(limit)));

/** `find` and `findAll`. Source: apiserver `pkg/cel/library/regex.go`. */
export const regexLibrary: Library = [
  define('.find(string, string): string', (text: string, pattern: string) => regex(pattern).all(text, 1)[0] ?? '', {
    cost: matching,
  }),
  define('.findAll(string, string): list(string)', findAll, { cost: matching }),
  define('.findAll(string, string, int): list(string)', findAll, { cost: matching }),
];
