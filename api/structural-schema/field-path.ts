/**
 * Paths as rules and selectable fields name them (`.spec.map['a key']`), looked up in a schema.
 *
 * Source: apiextensions-apiserver `pkg/apiserver/schema/cel/validation.go` (ValidFieldPath).
 */
import { childPath, keyPath, type StructuralSchema } from './structural-schema.ts';

/** The path cannot be followed. */
export class FieldPathError extends Error {
  override name = 'FieldPathError';
}

/** The target of a path. */
export interface FoundField {
  /** As messages show it. */
  path: string;
  schema: StructuralSchema;
}

/** @param allowArrayNotation whether `['a key']` is allowed @throws FieldPathError */
export function findField(jsonPath: string, root: StructuralSchema, { allowArrayNotation = true } = {}): FoundField {
  const tokens = tokensOf(jsonPath);
  let path = '';
  let schema: StructuralSchema | undefined = root;
  const enter = (name: string): void => {
    const isNamed = schema?.hasProperties === true;
    if (!isNamed && schema?.hasAdditional !== true) throw new FieldPathError('does not refer to a valid field');
    path = isNamed ? childPath(path, name) : keyPath(path, name);
    schema = isNamed ? schema?.property(name) : schema?.additional;
    if (isNamed && schema === undefined) throw new FieldPathError('does not refer to a valid field');
  };
  for (let token = tokens.shift(); token !== undefined; token = tokens.shift()) {
    if (token === '.') enter(next(tokens));
    else if (token === '[') {
      if (!allowArrayNotation) throw new FieldPathError('array notation is not allowed');
      enter(unquoted(next(tokens)));
      const end = next(tokens);
      if (end !== ']') throw new FieldPathError(`expected ] but got ${end}`);
    } else throw new FieldPathError(`expected [ or . but got: ${token}`);
  }
  return { path, schema: schema ?? root };
}

function next(tokens: string[]): string {
  const token = tokens.shift();
  if (token === undefined) throw new FieldPathError('unexpected end of JSON path');
  return token;
}

/** Dots and brackets, quoted texts, and what is between them. */
function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  let rest = text;
  while (rest !== '') {
    const end = rest.startsWith("'") ? quoteEnd(rest) : nameEnd(rest);
    tokens.push(rest.slice(0, end));
    rest = rest.slice(end);
  }
  return tokens;
}

function quoteEnd(text: string): number {
  for (let index = 1; index < text.length; index++) if (text[index] === "'" && text[index - 1] !== '\\') return index + 1;
  return text.length;
}

function nameEnd(text: string): number {
  const index = text.search(/[.[\]]/);
  return index < 0 ? text.length : Math.max(1, index);
}

const escaped: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  "'": "'",
  '\\': '\\',
};

function unquoted(token: string): string {
  if (token.length < 2 || !token.startsWith("'") || !token.endsWith("'"))
    throw new FieldPathError(`expected single quoted string but got ${token}`);
  return token.slice(1, -1).replace(/\\(.)/gs, (match, char: string) => {
    const meaning = escaped[char];
    if (meaning === undefined) throw new FieldPathError(`invalid string literal: invalid escape char ${match}`);
    return meaning;
  });
}
