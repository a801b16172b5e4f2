/**
 * Translates the parser's errors into go-yaml's words, because clients see them. Source: go.yaml.in/yaml/v2 `scannerc.go`,
 * `parserc.go`.
 */
import type { YAMLException } from 'js-yaml';
import { DecodeError } from './json.ts';

/** Limit of nesting. It is the same as for JSON. */
export const maxYamlDepth = 1000;

/** The error for a document that nests too deep. */
export const tooDeep = (cause?: unknown): DecodeError =>
  new DecodeError(`yaml: exceeded max depth of ${maxYamlDepth}`, cause === undefined ? undefined : { cause });

const inGoWords: readonly (readonly [RegExp, string])[] = [
  [/^tab characters must not be used|^bad indentation of a .* tab/, 'found character that cannot start any token'],
  [/^expected ':' after a mapping key|implicit key$/, "could not find expected ':'"],
  [/^unexpected end of the stream within a (?:single|double) quoted/, 'found unexpected end of stream'],
  [/^unexpected end of the document within a (?:single|double) quoted/, 'found unexpected document indicator'],
  [/^unknown escape sequence/, 'found unknown escape character'],
  [/^expected hexadecimal character/, 'did not find expected hexdecimal number'],
  [/^bad indentation of a sequence entry/, "did not find expected '-' indicator"],
  [
    /^end of the stream or a document separator is expected|^directives end mark is expected/,
    'did not find expected <document start>',
  ],
  [/^undeclared tag handle/, 'found undefined tag handle'],
  [/^name of an (?:alias|anchor) node/, 'did not find expected alphabetic or numeric character'],
];

/** Translates an error that the parser threw. Any other error is returned unchanged. */
export function yamlError(error: unknown, text: string): unknown {
  // The parser is recursive, so the stack may overflow before the parser's own limit is reached.
  if (error instanceof RangeError) return tooDeep(error);
  if (!isYamlException(error)) return error;
  const { reason, mark } = error;
  if (reason.startsWith('nesting exceeded')) return tooDeep(error);
  if (/^null byte|non-printable/.test(reason))
    return new DecodeError('yaml: control characters are not allowed', { cause: error });
  return new DecodeError(`yaml: line ${(mark?.line ?? 0) + 1}: ${goText(reason, text, mark?.position ?? 0)}`, { cause: error });
}

function isYamlException(error: unknown): error is YAMLException {
  return error instanceof Error && error.name === 'YAMLException';
}

function goText(reason: string, text: string, position: number): string {
  const char = text[position];
  if (reason === 'bad indentation of a mapping entry')
    return char === ':' ? 'mapping values are not allowed in this context' : 'did not find expected key';
  if (/flow collection/.test(reason)) {
    const isSequence = text.lastIndexOf('[', position) > text.lastIndexOf('{', position);
    return `did not find expected ',' or '${isSequence ? ']' : '}'}'`;
  }
  if (reason === 'deficient indentation' && text.slice(0, position).endsWith('\t'))
    return 'found character that cannot start any token';
  return inGoWords.find(([pattern]) => pattern.test(reason))?.[1] ?? reason;
}
