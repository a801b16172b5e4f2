/**
 * The protobuf wire format: varints, tags, lengths. Errors have the texts of upstream's generated code.
 *
 * Source: protobuf.dev, Encoding; gogo/protobuf's generated unmarshalers.
 */
import { int64Value } from '../int64.ts';
import { maxValues, OversizeError } from './limits.ts';

/**
 * The bytes are malformed, or a value does not fit its field. The message names the reason and, if known, the field. The client
 * gets 400 BadRequest.
 */
export class ProtobufError extends Error {
  override name = 'ProtobufError';
}

/** Wire type of varints. */
export const varintWire = 0;
/** Wire type of 64-bit numbers. */
export const fixed64Wire = 1;
/** Wire type of length-delimited fields: strings, bytes, messages, packed lists. */
export const lengthWire = 2;
const startGroupWire = 3;
const endGroupWire = 4;
const fixed32Wire = 5;

/**
 * Limit of nesting. No API object nests that deep. Upstream's limit for JSON is 10000, but a JavaScript stack may overflow before
 * that.
 */
const maxDepth = 500;

/** Reads from the beginning. Every method throws {@link ProtobufError} when the bytes are truncated or malformed. */
export class WireReader {
  readonly bytes: Buffer;
  position: number;
  depth: number;
  #values = 0;
  /** The high 32 bits of the last varint. */
  #high = 0;

  constructor(bytes: Uint8Array, depth = 0) {
    this.bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.position = 0;
    this.depth = depth;
  }

  /** Counts a level of nesting. Each `enter` needs a `leave`. */
  enter(): void {
    if (++this.depth > maxDepth) throw new ProtobufError('proto: exceeded max depth');
  }

  leave(): void {
    this.depth--;
  }

  /** Counts values that the result contains. @throws OversizeError beyond {@link maxValues} */
  count(values = 1): void {
    this.#values += values;
    if (this.#values > maxValues) throw new OversizeError();
  }

  /** Reads a varint and returns its low 32 bits, unsigned. The high 32 bits are kept for {@link int64}. */
  #low32(): number {
    const { bytes } = this;
    let low = 0;
    this.#high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.position >= bytes.length) throw new ProtobufError('unexpected EOF');
      const byte = bytes[this.position++] as number;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        this.#high = bits >>> 4;
      } else if (shift < 63) this.#high |= bits << (shift - 32);
      else this.#high |= (bits & 1) << 31;
      if (byte < 0x80) return low >>> 0;
    }
    throw new ProtobufError('proto: integer overflow');
  }

  /** Reads an unsigned varint. Beyond 2^53 it loses precision. */
  varint(): number {
    const byte = this.bytes[this.position];
    if (byte !== undefined && byte < 0x80) {
      this.position++;
      return byte;
    }
    const low = this.#low32();
    return (this.#high >>> 0) * 0x100000000 + low;
  }

  int32(): number {
    return this.#low32() | 0;
  }

  /** Reads an int64. Beyond ±2^53 the result is a bigint, see int64.ts. */
  int64(): number {
    const low = this.#low32();
    const high = this.#high | 0;
    if (high >= 0x200000 || high < -0x200000) return int64Value((BigInt(high) << 32n) | BigInt(low));
    if (high >= 0) return high * 0x100000000 + low;
    return -((~high >>> 0) * 0x100000000 + (~low >>> 0) + 1);
  }

  double(): number {
    const at = this.position;
    this.#advance(8);
    return this.bytes.readDoubleLE(at);
  }

  /** Reads a length. @returns the position after the bytes that it counts */
  lengthEnd(limit: number): number {
    const length = this.varint();
    if (length > 0x7fffffff) throw new ProtobufError('proto: negative length found during unmarshaling');
    const end = this.position + length;
    if (end > limit) throw new ProtobufError('unexpected EOF');
    return end;
  }

  /** Reads length-delimited bytes. The result is a view, not a copy. */
  lengthDelimited(): Buffer {
    const end = this.lengthEnd(this.bytes.length);
    const view = this.bytes.subarray(this.position, end);
    this.position = end;
    return view;
  }

  string(): string {
    const end = this.lengthEnd(this.bytes.length);
    const text = this.bytes.toString('utf8', this.position, end);
    this.position = end;
    return text;
  }

  #advance(count: number): void {
    if (this.position + count > this.bytes.length) throw new ProtobufError('unexpected EOF');
    this.position += count;
  }

  /** Skips a field that the schema does not know. */
  skip(wire: number): void {
    switch (wire) {
      case varintWire:
        this.#low32();
        return;
      case fixed64Wire:
        return this.#advance(8);
      case lengthWire:
        this.position = this.lengthEnd(this.bytes.length);
        return;
      case startGroupWire:
        return this.#skipGroup();
      case fixed32Wire:
        return this.#advance(4);
      case endGroupWire:
        throw new ProtobufError('proto: unexpected end of group');
      default:
        throw new ProtobufError(`proto: illegal wireType ${wire}`);
    }
  }

  #skipGroup(): void {
    this.enter();
    for (;;) {
      const wire = this.varint() & 7;
      if (wire === endGroupWire) break;
      this.skip(wire);
    }
    this.leave();
  }
}

/**
 * Writes from the end to the beginning, so that the length of a message is known when its prefix is written. Write the last field
 * first, and for each field first the content, then the length, then the tag.
 */
export class WireWriter {
  #buffer: Buffer;
  /** The number of bytes written so far. */
  size = 0;

  constructor(capacity = 4096) {
    this.#buffer = Buffer.allocUnsafe(capacity);
  }

  /** Reserves space. @returns the index of its first byte */
  #reserve(count: number): number {
    const { length } = this.#buffer;
    this.size += count;
    if (this.size > length) {
      const grown = Buffer.allocUnsafe(Math.max(length * 2, this.size));
      this.#buffer.copy(grown, grown.length - (this.size - count), length - (this.size - count));
      this.#buffer = grown;
    }
    return this.#buffer.length - this.size;
  }

  /** @param value a non-negative integer up to 2^53 */
  varint(value: number): void {
    if (value < 0x80) {
      // Reserves first, because reserving may replace the buffer.
      const at = this.#reserve(1);
      this.#buffer[at] = value;
      return;
    }
    let length = 1;
    for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length++;
    let at = this.#reserve(length);
    let rest = value;
    while (rest >= 0x80) {
      this.#buffer[at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#buffer[at] = rest;
  }

  /** Writes an int64. A negative number takes ten bytes; protobuf requires that for int32 too. */
  int64(value: number): void {
    if (value >= 0 && typeof value === 'number') return this.varint(value);
    if (value >= 0) return this.#largeVarint(BigInt(value));
    let rest = BigInt.asUintN(64, BigInt(value));
    let at = this.#reserve(10);
    for (let index = 0; index < 9; index++) {
      this.#buffer[at++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#buffer[at] = Number(rest);
  }

  #largeVarint(value: bigint): void {
    let length = 1;
    for (let rest = value >> 7n; rest > 0n; rest >>= 7n) length++;
    let at = this.#reserve(length);
    let rest = value;
    for (; rest >= 0x80n; rest >>= 7n) this.#buffer[at++] = Number(rest & 0x7fn) | 0x80;
    this.#buffer[at] = Number(rest);
  }

  double(value: number): void {
    const at = this.#reserve(8);
    this.#buffer.writeDoubleLE(value, at);
  }

  /** Writes bytes without their length. */
  raw(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length);
    this.#buffer.set(bytes, at);
  }

  /** Writes a string and its length. */
  string(text: string): void {
    const length = Buffer.byteLength(text);
    const at = this.#reserve(length);
    if (length === text.length) this.#buffer.write(text, at, length, 'latin1');
    else this.#buffer.write(text, at, length, 'utf8');
    this.varint(length);
  }

  /** Writes the length of everything written since `mark`, an earlier value of {@link size}. */
  lengthSince(mark: number): void {
    this.varint(this.size - mark);
  }

  /** Writes a tag: field number and wire type. */
  tag(field: number, wire: number): void {
    this.varint(field * 8 + wire);
  }

  /** Returns a copy of everything written, and empties the writer. */
  finish(): Buffer {
    const { length } = this.#buffer;
    const result = Buffer.from(this.#buffer.subarray(length - this.size));
    this.size = 0;
    return result;
  }
}
