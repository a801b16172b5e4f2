/**
 * Reads JSON text token by token, with Go's rules and Go's error texts. Clients see those texts, and the rules decide which
 * numbers are integers (`1.0` is not).
 *
 * Source: Go's `encoding/json` scanner, as sigs.k8s.io/json uses it.
 */
import { numberFromText } from '../int64.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { fewMembers, maxValues, memberValues, OversizeError, recordMemberValues } from './limits.ts';

/** The text is not well-formed JSON; the message is Go's (`invalid character '}' looking for beginning of value`). */
export class JsonSyntaxError extends Error {
  override name = 'JsonSyntaxError';
}

/** Limit of nesting. Go's limit is 10000, but a JavaScript stack may overflow before that, and no API object nests that deep. */
const maxDepth = 1000;

/**
 * The character at which the scanner stopped, as Go's quoteChar prints it. Go sees bytes: beyond ASCII it is the first byte of
 * the character.
 */
function quoteChar(char: string): string {
  if (char === "'") return "'\\''";
  if (char === '"') return `'"'`;
  const byte = Buffer.from(char)[0] as number;
  const escapes: Record<number, string> = {
    7: '\\a',
    8: '\\b',
    9: '\\t',
    10: '\\n',
    11: '\\v',
    12: '\\f',
    13: '\\r',
    92: '\\\\',
  };
  const escaped = escapes[byte];
  if (escaped !== undefined) return `'${escaped}'`;
  if (byte < 0x20 || byte === 0x7f) return `'\\x${byte.toString(16).padStart(2, '0')}'`;
  if ((byte >= 0x80 && byte < 0xa1) || byte === 0xad) return `'\\u${byte.toString(16).padStart(4, '0')}'`;
  return `'${String.fromCharCode(byte)}'`;
}

/** Characters that are no quote, escape or control character. The expression is sticky and may match an empty text. */
const plainText = /[ !#-[\]-\uffff]*/y;

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39;

/** A cursor over one JSON text. Every method moves it behind the token that it reads, and throws {@link JsonSyntaxError}. */
export class JsonScanner {
  readonly text: string;
  position = 0;
  #depth = 0;
  #values = 0;
  /** See {@link record}. */
  #recorded = 0;
  #memberValues = memberValues;

  constructor(text: string) {
    this.text = text;
  }

  #fail(context: string): JsonSyntaxError {
    const code = this.text.codePointAt(this.position);
    if (code === undefined) return new JsonSyntaxError('unexpected end of JSON input');
    return new JsonSyntaxError(`invalid character ${quoteChar(String.fromCodePoint(code))} ${context}`);
  }

  /** The code of the next character that is no white space; NaN at the end. The cursor stops before it. */
  peek(): number {
    for (;;) {
      const code = this.text.charCodeAt(this.position);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return code;
      this.position++;
    }
  }

  /** Checks that only white space follows. */
  end(): void {
    if (!Number.isNaN(this.peek())) throw this.#fail('after top-level value');
  }

  enter(): void {
    if (++this.#depth > maxDepth) throw this.#fail('exceeded max depth');
    this.position++;
  }

  leave(): void {
    this.#depth--;
  }

  /**
   * Reads the next key and its colon, after `{` or a comma. Undefined when the object ends here, which is allowed only for the
   * first key.
   */
  key(first: boolean): string | undefined {
    const code = this.peek();
    if (first && code === 0x7d) {
      this.position++;
      return undefined;
    }
    if (code !== 0x22) throw this.#fail('looking for beginning of object key string');
    const key = this.string();
    if (this.peek() !== 0x3a) throw this.#fail('after object key');
    this.position++;
    return key;
  }

  /** Reads the comma or `}` after a member. @returns whether another member follows */
  moreMembers(): boolean {
    const code = this.peek();
    if (code !== 0x2c && code !== 0x7d) throw this.#fail('after object key:value pair');
    this.position++;
    return code === 0x2c;
  }

  /** Reads the comma or `]` after an element. @returns whether another element follows */
  moreElements(): boolean {
    const code = this.peek();
    if (code !== 0x2c && code !== 0x5d) throw this.#fail('after array element');
    this.position++;
    return code === 0x2c;
  }

  /** After `[`: reads a `]` that follows. @returns whether the array is empty */
  emptyArray(): boolean {
    if (this.peek() !== 0x5d) return false;
    this.position++;
    return true;
  }

  /** Reads a string. The next character must be its opening quote. */
  string(): string {
    const { text } = this;
    const start = ++this.position;
    this.#skipPlain();
    const code = text.charCodeAt(this.position);
    if (code === 0x22) return text.slice(start, this.position++);
    if (code === 0x5c) return this.#escapedString(start);
    throw this.#fail(Number.isNaN(code) ? '' : 'in string literal');
  }

  /** Skips characters of a string that are no quote and no escape. */
  #skipPlain(): void {
    plainText.lastIndex = this.position;
    plainText.test(this.text);
    this.position = plainText.lastIndex;
  }

  /** Reads the rest of a string that contains escapes: checks them, and decodes with JSON.parse. */
  #escapedString(start: number): string {
    const { text } = this;
    for (;;) {
      this.#skipPlain();
      const code = text.charCodeAt(this.position);
      if (code === 0x22) break;
      if (code !== 0x5c) throw this.#fail(Number.isNaN(code) ? '' : 'in string literal');
      this.position++;
      this.#escape();
    }
    const decoded = JSON.parse(text.slice(start - 1, ++this.position)) as string;
    // As in Go, one half of a surrogate pair without the other becomes U+FFFD.
    return decoded.toWellFormed();
  }

  #escape(): void {
    const char = this.text.charAt(this.position);
    if (char === 'u') {
      this.position++;
      for (let count = 0; count < 4; count++) {
        if (!/^[0-9a-fA-F]$/.test(this.text.charAt(this.position))) throw this.#fail('in \\u hexadecimal character escape');
        this.position++;
      }
    } else if (char !== '' && 'bfnrt\\/"'.includes(char)) {
      this.position++;
    } else {
      throw this.#fail('in string escape code');
    }
  }

  /** Reads a number and returns its text. The next character must be a digit or a minus. */
  number(): string {
    const { text } = this;
    const start = this.position;
    if (text.charCodeAt(this.position) === 0x2d) this.position++;
    if (text.charCodeAt(this.position) === 0x30) this.position++;
    else this.#digits('in numeric literal');
    if (text.charCodeAt(this.position) === 0x2e) {
      this.position++;
      this.#digits('after decimal point in numeric literal');
    }
    if ((text.charCodeAt(this.position) | 0x20) === 0x65) {
      this.position++;
      const sign = text.charCodeAt(this.position);
      if (sign === 0x2b || sign === 0x2d) this.position++;
      this.#digits('in exponent of numeric literal');
    }
    return text.slice(start, this.position);
  }

  #digits(context: string): void {
    if (!isDigit(this.text.charCodeAt(this.position))) throw this.#fail(context);
    while (isDigit(this.text.charCodeAt(this.position))) this.position++;
  }

  /** Reads `true`, `false` or `null`. Its first letter must be next. */
  literal(): boolean | null {
    const word = this.text[this.position] === 't' ? 'true' : this.text[this.position] === 'f' ? 'false' : 'null';
    for (const letter of word) {
      if (this.text[this.position] !== letter) throw this.#fail(`in literal ${word} (expecting '${letter}')`);
      this.position++;
    }
    return word === 'null' ? null : word === 'true';
  }

  /** The kind of the next value. Reads nothing. */
  kind(): 'object' | 'array' | 'string' | 'number' | 'bool' | 'null' {
    const code = this.peek();
    switch (code) {
      case 0x7b:
        return 'object';
      case 0x5b:
        return 'array';
      case 0x22:
        return 'string';
      case 0x74:
      case 0x66:
        return 'bool';
      case 0x6e:
        return 'null';
      default:
        if (isDigit(code) || code === 0x2d) return 'number';
        throw this.#fail('looking for beginning of value');
    }
  }

  /** Skips a value of any kind. Its syntax is checked. */
  skip(): void {
    switch (this.kind()) {
      case 'object':
        this.enter();
        for (let key = this.key(true); key !== undefined; key = this.moreMembers() ? this.key(false) : undefined) this.skip();
        return this.leave();
      case 'array':
        this.enter();
        if (!this.emptyArray())
          do this.skip();
          while (this.moreElements());
        return this.leave();
      case 'string':
        this.string();
        return;
      case 'number':
        this.number();
        return;
      case 'bool':
      case 'null':
        this.literal();
    }
  }

  /** Counts values that the result contains. @throws OversizeError beyond {@link maxValues} */
  count(values = 1): void {
    this.#values += values;
    if (this.#values > maxValues) throw new OversizeError();
  }

  /** Reads a record of who set what: its values count apart from the object's, together with those of other records. @throws OversizeError */
  record(): JsonValue {
    const others = this.#values;
    this.#values = this.#recorded;
    this.#memberValues = recordMemberValues;
    const record = this.value();
    this.#memberValues = memberValues;
    this.#recorded = this.#values;
    this.#values = others;
    return record;
  }

  /** Reads a value of any kind. @param seen is called with the path of each duplicate key */
  value(seen?: (path: string) => void, path = ''): JsonValue {
    this.count();
    switch (this.kind()) {
      case 'object':
        return this.#object(seen, path);
      case 'array':
        return this.#array(seen, path);
      case 'string':
        return this.string();
      case 'number':
        return numberFromText(this.number());
      case 'bool':
      case 'null':
        return this.literal();
    }
  }

  #object(seen: ((path: string) => void) | undefined, path: string): JsonObject {
    this.enter();
    const object: JsonObject = {};
    let members = 0;
    for (let key = this.key(true); key !== undefined; key = this.moreMembers() ? this.key(false) : undefined) {
      const at = seen === undefined ? '' : path === '' ? key : `${path}.${key}`;
      if (seen !== undefined && Object.hasOwn(object, key)) seen(at);
      setMember(object, key, this.value(seen, at));
      if (++members > fewMembers) this.count(this.#memberValues - 1);
    }
    this.leave();
    return object;
  }

  #array(seen: ((path: string) => void) | undefined, path: string): JsonValue[] {
    this.enter();
    const array: JsonValue[] = [];
    if (!this.emptyArray()) {
      do array.push(this.value(seen, seen === undefined ? '' : `${path}[${array.length}]`));
      while (this.moreElements());
    }
    this.leave();
    return array;
  }
}

/** Sets a member under any key. Also the key `__proto__` becomes a field; it does not set the object's prototype. */
export function setMember(object: JsonObject, key: string, value: JsonValue): void {
  if (key === '__proto__') Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  else object[key] = value;
}
