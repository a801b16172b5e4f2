/**
 * Reads, writes, compares and copies large JSON values some thousand values at a time. Each function is a generator that yields
 * between two steps, so that a thread with an event loop can serve others in between (`client/turns.ts`). The results are those of
 * `parseExact`, `jsonText`, `sameJson` and `copyJson`, which are faster and are to be used for everything that is not large.
 */
import { setMember } from './codec/json-scanner.ts';
import { copyJson } from './copy-json.ts';
import { escapeHtml } from './go-json.ts';
import { numberFromText, parseExact, stringifyExact } from './int64.ts';
import type { JsonObject, JsonValue } from './json.ts';
import { sameJson } from './meta.ts';
import { ownValue } from './own-value.ts';
import type { Steps } from './steps.ts';

/** Number of values per step. Any operation on so many takes a few milliseconds at most. */
const valuesPerStep = 2_000;
/** Up to so many values a part of a large value is given to the function that does all at once. */
const partValues = 100;
/** Likewise of a text. */
const partChars = 4_096;
const charsPerValue = 16;
/** Number of characters encoded in one step. */
const charsPerStep = 256 * 1024;

/** How much of the present step is used, and what is known of the value that is walked through. */
class Walk {
  #values = 0;
  /** Cached keys of large maps: listing the keys of a very large one takes several milliseconds. */
  readonly #keys = new Map<object, string[]>();

  /** Counts values; says whether it is time to yield. */
  isOver(values: number): boolean {
    this.#values += values;
    if (this.#values < valuesPerStep) return false;
    this.#values = 0;
    return true;
  }

  keysOf(value: object): readonly string[] {
    const known = this.#keys.get(value);
    if (known !== undefined) return known;
    const keys = Object.keys(value);
    if (keys.length > partValues) this.#keys.set(value, keys);
    return keys;
  }

  /** The number of values in it; stops counting beyond `max`. */
  count(value: unknown, max = partValues): number {
    if (typeof value !== 'object' || value === null) return 1;
    const keys = Array.isArray(value) ? value : this.keysOf(value);
    let count = 1 + keys.length;
    if (count > max) return count;
    for (const key of keys) {
      const member = Array.isArray(value) ? key : (value as JsonObject)[key as string];
      if (typeof member === 'object') count += this.count(member, max - count) - 1;
      if (count > max) return count;
    }
    return count;
  }
}

/** Like `parseExact`. @throws SyntaxError with the message of JSON.parse */
export function* parseSteps(text: string): Steps<unknown> {
  try {
    return yield* read(new Reader(text));
  } catch (error) {
    if (error instanceof SyntaxError) JSON.parse(text);
    throw error;
  }
}

function* read(reader: Reader): Steps<unknown> {
  const walk = new Walk();
  const root: JsonValue[] = [];
  // The open containers, the innermost last, each with the key under which the next value is stored (in lists none).
  const open: (JsonObject | JsonValue[])[] = [root];
  const keys: string[] = [''];
  do {
    const parent = open.at(-1) as JsonObject | JsonValue[];
    const value = reader.value();
    if (Array.isArray(parent)) parent.push(value);
    else setMember(parent, keys.at(-1) as string, value);
    if (walk.isOver(reader.cost)) yield;
    if (reader.entered) {
      open.push(value as JsonObject | JsonValue[]);
      keys.push(Array.isArray(value) ? '' : reader.key());
      continue;
    }
    // Closes what ends here; a comma leads to the next value.
    for (let inner = open.at(-1); inner !== undefined && inner !== root; inner = open.at(-1)) {
      const isArray = Array.isArray(inner);
      if (reader.comma(isArray)) {
        if (!isArray) keys[keys.length - 1] = reader.key();
        break;
      }
      open.pop();
      keys.pop();
    }
  } while (open.length > 1);
  reader.end();
  return root[0];
}

const plainText = /[ !#-[\]-\uffff]*/y;
const numberText = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/y;
/** The next bracket, or a string. */
const brackets = /[{}[\]]|"[^"\\]*(?:\\.[^"\\]*)*"?/g;
/** A slice from this length on would keep the whole text in memory (V8's sliced strings). */
const sliceKeepsText = 13;

/** A cursor over a JSON text. */
class Reader {
  readonly #text: string;
  #at = 0;
  /** Whether {@link value} has read the beginning of a large container. */
  entered = false;
  /** About how many values {@link value} has read. */
  cost = 1;

  constructor(text: string) {
    this.#text = text;
  }

  /** The next scalar, the next small container, or the beginning of a container, which is to be filled. */
  value(): JsonValue {
    const code = this.#peek();
    this.entered = false;
    this.cost = 1;
    if (code === 0x22) return this.#string();
    if (code === 0x7b || code === 0x5b) {
      const end = this.#endWithin(partChars);
      if (end !== undefined) return this.#part(end);
      this.#at++;
      this.entered = this.#peek() !== (code === 0x7b ? 0x7d : 0x5d);
      if (!this.entered) this.#at++;
      return code === 0x7b ? {} : [];
    }
    for (const [word, value] of literals) {
      if (!this.#text.startsWith(word, this.#at)) continue;
      this.#at += word.length;
      return value;
    }
    numberText.lastIndex = this.#at;
    const number = numberText.exec(this.#text)?.[0];
    if (number === undefined) this.#fail();
    this.#at += number.length;
    return numberFromText(number);
  }

  /** A key and its colon. */
  key(): string {
    if (this.#peek() !== 0x22) this.#fail();
    const key = this.#string();
    if (this.#peek() !== 0x3a) this.#fail();
    this.#at++;
    return key;
  }

  /** Reads a comma, or the end of the container. @returns whether it was a comma */
  comma(isArray: boolean): boolean {
    const code = this.#peek();
    if (code !== 0x2c && code !== (isArray ? 0x5d : 0x7d)) this.#fail();
    this.#at++;
    return code === 0x2c;
  }

  end(): void {
    if (!Number.isNaN(this.#peek())) this.#fail();
  }

  #peek(): number {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return code;
      this.#at++;
    }
  }

  /** Where the container that begins here ends; undefined when it is longer than `chars`. */
  #endWithin(chars: number): number | undefined {
    brackets.lastIndex = this.#at;
    let depth = 0;
    do {
      const match = brackets.exec(this.#text);
      if (match === null) return undefined;
      const code = this.#text.charCodeAt(match.index);
      // Strings are skipped.
      if (code === 0x7b || code === 0x5b) depth++;
      else if (code === 0x7d || code === 0x5d) depth--;
      if (brackets.lastIndex - this.#at > chars) return undefined;
    } while (depth > 0);
    return brackets.lastIndex;
  }

  #part(end: number): JsonValue {
    this.cost = Math.ceil((end - this.#at) / charsPerValue);
    const part = parseExact(this.#text.slice(this.#at, end)) as JsonValue;
    this.#at = end;
    return part;
  }

  #string(): string {
    const start = this.#at++;
    let isPlain = true;
    for (;;) {
      plainText.lastIndex = this.#at;
      plainText.test(this.#text);
      this.#at = plainText.lastIndex;
      const code = this.#text.charCodeAt(this.#at++);
      if (code === 0x22) break;
      if (code !== 0x5c) this.#fail();
      isPlain = false;
      this.#at++;
    }
    if (isPlain && this.#at - start < sliceKeepsText) return this.#text.slice(start + 1, this.#at - 1);
    return JSON.parse(this.#text.slice(start, this.#at)) as string;
  }

  #fail(): never {
    throw new SyntaxError(`unexpected text at position ${this.#at}`);
  }
}

const literals = [
  ['true', true],
  ['false', false],
  ['null', null],
] as const;

/**
 * What `jsonText` writes, as UTF-8 in a buffer of its own, which can be transferred to another thread.
 * @param end is appended
 */
export function* jsonBytesSteps(value: unknown, end = ''): Steps<Uint8Array<ArrayBuffer>> {
  const writer = new Writer();
  yield* writer.write(value);
  writer.text += end;
  return writer.bytes();
}

class Writer {
  text = '';
  readonly #pieces: Uint8Array[] = [];
  #bytes = 0;
  readonly #walk = new Walk();

  *write(value: unknown): Steps<void> {
    const values = this.#walk.count(value);
    if (values <= partValues || typeof value !== 'object' || value === null)
      return yield* this.#add(stringifyExact(value), values);
    const isArray = Array.isArray(value);
    this.text += isArray ? '[' : '{';
    let separator = '';
    for (const key of isArray ? value.keys() : this.#walk.keysOf(value)) {
      const member = (value as Record<string | number, unknown>)[key];
      if (member === undefined && !isArray) continue;
      this.text += isArray ? separator : `${separator}${JSON.stringify(key)}:`;
      separator = ',';
      if (typeof member === 'string') {
        this.text += JSON.stringify(member);
        if (this.#isOver(1)) yield this.#flush();
      } else yield* this.write(member ?? null);
    }
    this.text += isArray ? ']' : '}';
  }

  *#add(text: string, values: number): Steps<void> {
    this.text += text;
    if (this.#isOver(values)) yield this.#flush();
  }

  #isOver(values: number): boolean {
    return this.#walk.isOver(values) || this.text.length > charsPerStep;
  }

  #flush(): void {
    const piece = Buffer.from(escapeHtml(this.text));
    this.text = '';
    this.#pieces.push(piece);
    this.#bytes += piece.length;
  }

  bytes(): Uint8Array<ArrayBuffer> {
    this.#flush();
    const bytes = new Uint8Array(this.#bytes);
    let at = 0;
    for (const piece of this.#pieces) {
      bytes.set(piece, at);
      at += piece.length;
    }
    return bytes;
  }
}

/** Like `sameJson`. */
export function* sameSteps(a: unknown, b: unknown): Steps<boolean> {
  return yield* sameWith(new Walk(), a, b);
}

function* sameWith(walk: Walk, a: unknown, b: unknown): Steps<boolean> {
  if (a === b) return true;
  const values = walk.count(a);
  if (values <= partValues || typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) {
    if (walk.isOver(values)) yield;
    return sameJson(a, b);
  }
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    for (const [index, item] of a.entries()) if (!(yield* sameMember(walk, item, b[index]))) return false;
    return true;
  }
  const [left, right] = [a as JsonObject, b as JsonObject];
  let members = 0;
  for (const key of walk.keysOf(left)) {
    const member = left[key];
    if (!(yield* sameMember(walk, member, ownValue(right, key)))) return false;
    if (member !== undefined) members++;
  }
  yield;
  const others = walk.keysOf(right);
  // What `a` has, `b` has too: so it has the same members when there are as many. Otherwise some are undefined, or `a` does not have them.
  return others.length === members || others.every((key) => right[key] === undefined || ownValue(left, key) !== undefined);
}

function* sameMember(walk: Walk, a: unknown, b: unknown): Steps<boolean> {
  if (typeof a === 'object' && a !== null) return yield* sameWith(walk, a, b);
  if (walk.isOver(1)) yield;
  return a === b;
}

/** Like `copyJson`. */
export function* copySteps<T>(value: T): Steps<T> {
  return (yield* copyWith(new Walk(), value)) as T;
}

function* copyWith(walk: Walk, value: unknown): Steps<unknown> {
  const values = walk.count(value);
  if (values <= partValues || typeof value !== 'object' || value === null) {
    if (walk.isOver(values)) yield;
    return copyJson(value);
  }
  if (Array.isArray(value)) {
    const list: unknown[] = [];
    for (const item of value) {
      list.push(typeof item === 'object' ? yield* copyWith(walk, item) : item);
      if (walk.isOver(1)) yield;
    }
    return list;
  }
  const copy: JsonObject = {};
  for (const key of walk.keysOf(value)) {
    const member = (value as JsonObject)[key];
    if (typeof member === 'object') setMember(copy, key, (yield* copyWith(walk, member)) as JsonValue);
    else {
      setMember(copy, key, member as JsonValue);
      if (walk.isOver(1)) yield;
    }
  }
  return copy;
}
