/**
 * Patterns of schemas, in RE2's syntax and in linear time.
 *
 * Source: kube-openapi `pkg/validation/validate/{values,rexp}.go` (Pattern); Go's regexp/syntax for the texts of mistakes.
 */
import { RE2JS, RE2JSSyntaxException } from 're2js';

const compiled = new Map<string, RE2JS | RE2JSSyntaxException>();
/** Patterns of many CustomResourceDefinitions that are used in turn. */
const maxCompiled = 2_000;

function compile(pattern: string): RE2JS | RE2JSSyntaxException {
  let made = compiled.get(pattern);
  if (made !== undefined) return made;
  try {
    made = RE2JS.compile(pattern);
  } catch (error) {
    if (!(error instanceof RE2JSSyntaxException)) throw error;
    made = error;
  }
  if (compiled.size >= maxCompiled) compiled.clear();
  compiled.set(pattern, made);
  return made;
}

/** Go's error for an invalid pattern; undefined when it is valid. */
export function patternError(pattern: string): string | undefined {
  const made = compile(pattern);
  return made instanceof RE2JSSyntaxException ? made.message : undefined;
}

/** Whether a text matches. @returns undefined: it does; otherwise the pattern, and why it is none */
export function matchesPattern(text: string, pattern: string): string | undefined {
  const made = compile(pattern);
  if (made instanceof RE2JSSyntaxException) return `${pattern}, but pattern is invalid: ${made.message}`;
  return made.matcher(text).find() ? undefined : pattern;
}
