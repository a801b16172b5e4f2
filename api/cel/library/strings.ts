/**
 * Functions on strings. Positions count code points.
 *
 * Source: cel-go `common/types/string.go`, `ext/strings.go` (version 2).
 */
import { goEscapes } from '../../go-escapes.ts';
import { define, type Library } from '../declarations.ts';
import { containing, matching, traversal, traverses } from '../runtime-cost.ts';
import { runes } from '../text.ts';
import { CelError, type ListValue, NativeList, sizeOf } from '../values.ts';
import { regex } from './regex.ts';
import { formatString } from './string-format.ts';

/** The position of `part` in `text`. @param from position at which to start @returns -1 when it does not occur */
function indexOf(text: string, part: string, from = 0n): bigint {
  const chars = runes(text);
  if (from < 0n || from > chars.length) throw outOfRange(from);
  const start = chars.slice(0, Number(from)).join('').length;
  const found = text.indexOf(part, start);
  return found < 0 ? -1n : BigInt(runes(text.slice(0, found)).length);
}

function lastIndexOf(text: string, part: string, from?: bigint): bigint {
  const chars = runes(text);
  if (from !== undefined && (from < 0n || from > chars.length)) throw outOfRange(from);
  const until = from === undefined ? text.length : chars.slice(0, Number(from)).join('').length;
  const found = text.lastIndexOf(part, until);
  return found < 0 ? -1n : BigInt(runes(text.slice(0, found)).length);
}

const outOfRange = (index: bigint): CelError => new CelError(`index out of range: ${index}`);

function charAt(text: string, index: bigint): string {
  const chars = runes(text);
  if (index < 0n || index > chars.length) throw outOfRange(index);
  return chars[Number(index)] ?? '';
}

function substring(text: string, start: bigint, end?: bigint): string {
  const chars = runes(text);
  const until = end ?? BigInt(chars.length);
  if (end !== undefined && start > end) throw new CelError(`invalid substring range. start: ${start}, end: ${end}`);
  if (start < 0n || start > chars.length) throw outOfRange(start);
  if (until < 0n || until > chars.length) throw outOfRange(until);
  return chars.slice(Number(start), Number(until)).join('');
}

/** As Go's strings.Replace. @param limit of replacements; negative: all */
function replace(text: string, old: string, by: string, limit = -1n): string {
  if (limit < 0n) return old === '' ? `${by}${runes(text).join(by)}${text === '' ? '' : by}` : text.replaceAll(old, () => by);
  const parts: string[] = [];
  let rest = text;
  for (let done = 0n; done < limit; done++) {
    if (old === '') {
      const [char] = rest;
      parts.push(by, char ?? '');
      if (char === undefined) break;
      rest = rest.slice(char.length);
      continue;
    }
    const at = rest.indexOf(old);
    if (at < 0) break;
    parts.push(rest.slice(0, at), by);
    rest = rest.slice(at + old.length);
  }
  return parts.join('') + rest;
}

/** As Go's strings.SplitN. */
function split(text: string, separator: string, limit = -1n): ListValue {
  if (limit === 0n) return new NativeList([]);
  const parts = separator === '' ? runes(text) : text.split(separator);
  if (limit < 0n || parts.length <= limit) return new NativeList(parts);
  const kept = parts.slice(0, Number(limit) - 1);
  return new NativeList([...kept, parts.slice(Number(limit) - 1).join(separator)]);
}

const lower = (text: string): string => text.replace(/[A-Z]+/g, (part) => part.toLowerCase());
const upper = (text: string): string => text.replace(/[a-z]+/g, (part) => part.toUpperCase());
/** Go's unicode.IsSpace, which unlike JavaScript's trim takes U+0085 and leaves U+FEFF. */
const trim = (text: string): string =>
  text.replace(/^[\s\u0085]+|[\s\u0085]+$/g, (space) => (space.includes('\ufeff') ? space.replace(/[^\ufeff]/g, '') : ''));
const join = (list: ListValue, separator = ''): string => [...list].join(separator);

/** Like Go's strconv.Quote, but leaves other unprintable characters unescaped. */
const quote = (text: string): string => `"${Array.from(text.toWellFormed(), (char) => goEscapes[char] ?? char).join('')}"`;

const once = { cost: traverses(0) };
const twice = { cost: traverses(0, 2) };

/** Functions of texts: `charAt`, `split`, `replace`, … Source: cel-go `ext/strings.go`. */
export const stringLibrary: Library = [
  define('.contains(string, string): bool', (text: string, part: string) => text.includes(part), {
    id: 'contains_string',
    cost: containing,
  }),
  define('.startsWith(string, string): bool', (text: string, part: string) => text.startsWith(part), {
    id: 'starts_with_string',
    ...once,
  }),
  define('.endsWith(string, string): bool', (text: string, part: string) => text.endsWith(part), {
    id: 'ends_with_string',
    ...once,
  }),
  define('.matches(string, string): bool', (text: string, pattern: string) => regex(pattern).test(text), {
    id: 'matches_string',
    cost: matching,
  }),
  define('matches(string, string): bool', (text: string, pattern: string) => regex(pattern).test(text), {
    id: 'matches',
    cost: matching,
  }),
  define('.charAt(string, int): string', charAt),
  define('.indexOf(string, string): int', indexOf, once),
  define('.indexOf(string, string, int): int', indexOf, once),
  define('.lastIndexOf(string, string): int', lastIndexOf, once),
  define('.lastIndexOf(string, string, int): int', lastIndexOf, once),
  define('.lowerAscii(string): string', lower, once),
  define('.upperAscii(string): string', upper, once),
  define('.replace(string, string, string): string', replace, twice),
  define('.replace(string, string, string, int): string', replace, twice),
  define('.split(string, string): list(string)', split, twice),
  define('.split(string, string, int): list(string)', split, twice),
  define('.substring(string, int): string', substring, once),
  define('.substring(string, int, int): string', substring, once),
  define('.trim(string): string', trim, once),
  define('.format(string, list(dyn)): string', formatString, { id: 'string_format', ...once }),
  define('strings.quote(string): string', quote, { id: 'strings_quote', ...once }),
  define('.join(list(string)): string', join, { cost: (_, result) => Math.ceil(sizeOf(result) * 0.2) }),
  define('.join(list(string), string): string', join, { cost: (_, result) => Math.ceil(sizeOf(result) * 0.2) }),
  define('jsonpatch.escapeKey(string): string', (key: string) => key.replaceAll('~', '~0').replaceAll('/', '~1'), {
    id: 'jsonpatch.escapeKey',
    cost: ([key]) => traversal(sizeOf(key as string)),
  }),
];
