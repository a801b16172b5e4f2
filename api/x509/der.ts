/**
 * Reads and writes DER, the binary form of certificates, one element at a time. It reads what Go's decoder reads, in time and memory in
 * proportion to the bytes, and never goes into elements by itself: depth costs nothing.
 *
 * Source: ITU-T X.690; Go's `encoding/asn1`, whose texts the errors have.
 */

/** Invalid DER, or an element of an unexpected type. */
export class DerError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DerError';
  }
}

/** The error for bytes that are no DER, in the words of Go's `encoding/asn1`. */
export const syntaxError = (text: string): DerError => new DerError(`asn1: syntax error: ${text}`);
/** The error for DER of another structure than expected, in the words of Go's `encoding/asn1`. */
export const structureError = (text: string): DerError => new DerError(`asn1: structure error: ${text}`);

/** Identifier bytes of the types that certificates are made of. */
export const tags = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  numericString: 0x12,
  printableString: 0x13,
  t61String: 0x14,
  ia5String: 0x16,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const;

/** One element. Its buffers are views of the input, made when they are asked for. */
export class DerElement {
  /** The identifier byte: class, constructed or not, and the number of the type. High numbers have 0x1f here. */
  readonly tag: number;
  /** The number of the type, also where it is high. */
  readonly number: number;
  readonly length: number;
  readonly #bytes: Buffer;
  readonly #start: number;
  readonly #end: number;
  readonly #budget: Budget;

  constructor(bytes: Buffer, kind: { tag: number; number: number }, start: number, length: number, end: number, budget: Budget) {
    this.tag = kind.tag;
    this.number = kind.number;
    this.length = length;
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    this.#budget = budget;
  }

  get content(): Buffer {
    return this.#bytes.subarray(this.#end - this.length, this.#end);
  }

  /** With the header. */
  get raw(): Buffer {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  /** The content as hexadecimal digits. */
  get hex(): string {
    return this.#bytes.toString('hex', this.#end - this.length, this.#end);
  }

  /** Over the elements in it. */
  reader(): DerReader {
    return new DerReader(this.#bytes, this.#budget, this.#end - this.length, this.#end);
  }
}

/** How many more elements may be read, by a reader and those that it leads to. */
export interface Budget {
  left: number;
}

/** Walks over elements that follow each other. */
export class DerReader {
  readonly #bytes: Buffer;
  readonly #budget: Budget;
  readonly #start: number;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, budget: Budget = { left: Infinity }, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#budget = budget;
    this.#start = start;
    this.#end = end;
    this.#at = start;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#end;
  }

  /** The next element, of whatever type. @throws DerError */
  next(): DerElement {
    if (this.isAtEnd) throw syntaxError('sequence truncated');
    if (--this.#budget.left < 0) throw structureError('too many elements');
    const start = this.#at;
    const tag = this.#byte();
    const number = (tag & 0x1f) === 0x1f ? this.#highTag() : tag & 0x1f;
    const length = this.#length();
    if (length > this.#end - this.#at) throw syntaxError('data truncated');
    this.#at += length;
    return new DerElement(this.#bytes, { tag, number }, start, length, this.#at, this.#budget);
  }

  /** The next element, which must have this identifier byte. @param goType the name of Go's type, for the message @throws DerError */
  expect(tag: number, goType = ''): DerElement {
    const found = this.next();
    if (found.tag === tag) return found;
    const { length, number } = found;
    const shown = `{class:${found.tag >> 6} tag:${number} length:${length} isCompound:${(found.tag & 0x20) !== 0}}`;
    const parameters =
      '{optional:false explicit:false application:false private:false defaultValue:<nil> tag:<nil> stringType:0 timeType:0 set:false omitEmpty:false}';
    const at = this.#at - length - this.#start;
    throw structureError(`tags don't match (${tag & 0x1f} vs ${shown}) ${parameters} ${goType} @${at}`);
  }

  #byte(): number {
    const byte = this.#at < this.#end ? this.#bytes[this.#at] : undefined;
    if (byte === undefined) throw syntaxError('truncated tag or length');
    this.#at++;
    return byte;
  }

  #highTag(): number {
    let number = 0;
    for (let digit = 0; ; digit++) {
      if (digit === 5) throw structureError('base 128 integer too large');
      const byte = this.#byte();
      if (digit === 0 && byte === 0x80) throw syntaxError('integer is not minimally encoded');
      number = number * 128 + (byte & 0x7f);
      if (byte < 0x80) break;
    }
    if (number > 2 ** 31 - 1) throw structureError('base 128 integer too large');
    if (number < 0x1f) throw syntaxError('non-minimal tag');
    return number;
  }

  #length(): number {
    const first = this.#byte();
    if (first < 0x80) return first;
    const count = first & 0x7f;
    if (count === 0) throw syntaxError('indefinite length found (not DER)');
    let length = 0;
    for (let digit = 0; digit < count; digit++) {
      const byte = this.#byte();
      if (length >= 1 << 23) throw structureError('length too large');
      length = length * 256 + byte;
      if (length === 0) throw structureError('superfluous leading zeros in length');
    }
    if (length < 0x80) throw structureError('non-minimal length');
    return length;
  }
}

/** The one element that the bytes are. @throws DerError */
export function onlyElement(bytes: Buffer, tag: number, goType?: string, budget?: Budget): DerElement {
  const reader = new DerReader(bytes, budget);
  const element = reader.expect(tag, goType);
  if (!reader.isAtEnd) throw syntaxError('trailing data');
  return element;
}

/** An object identifier's content, as hexadecimal digits: they are compared, never shown. @throws DerError */
export function oidText({ hex }: DerElement): string {
  if (hex === '') throw syntaxError('zero length OBJECT IDENTIFIER');
  if (Number.parseInt(hex.slice(-2), 16) >= 0x80) throw syntaxError('truncated base 128 integer');
  return hex;
}

/** The bits of a BIT STRING of whole bytes. @throws DerError */
export function bitStringBytes({ content }: DerElement): Buffer {
  const padding = content[0];
  if (padding === undefined) throw syntaxError('zero length BIT STRING');
  const last = content.length === 1 ? 0 : (content.at(-1) ?? 0);
  if (padding > 7 || (content.length === 1 && padding > 0) || (last & ((1 << padding) - 1)) !== 0)
    throw syntaxError('invalid padding bits in BIT STRING');
  return content.subarray(1);
}

/** @throws DerError where an INTEGER has no bytes, or more than it needs */
export function checkInteger({ content }: DerElement): Buffer {
  const [first, second = 0] = content;
  if (first === undefined) throw structureError('empty integer');
  if (content.length > 1 && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80)))
    throw structureError('integer not minimally-encoded');
  return content;
}

/** Writes one element around the parts. */
export function derElement(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag, ...lengthBytes(content.length)]), content]);
}

function lengthBytes(length: number): number[] {
  if (length < 0x80) return [length];
  const digits: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) digits.unshift(rest % 256);
  return [0x80 | digits.length, ...digits];
}
