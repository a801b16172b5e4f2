/**
 * The codecs of values that are no objects of fields in JSON.
 *
 * Source: apimachinery's `generated.proto` files (Time, MicroTime, Quantity, IntOrString, RawExtension, FieldsV1), and the
 * hand-written marshalers beside them (`time_proto.go`, `micro_time_proto.go`, `quantity_proto.go`).
 */

import { formatDuration, parseDuration } from '../duration.ts';
import { errorText } from '../error-text.ts';
import { escapeHtml } from '../go-json.ts';
import { isInt64, parseExact, stringifyExact } from '../int64.ts';
import type { JsonValue } from '../json.ts';
import { canonicalQuantity, QuantityError } from '../quantity.ts';
import type { ScalarKind } from '../schema/facts.ts';
import { fixed64Wire, lengthWire, ProtobufError, varintWire, WireReader, type WireWriter } from './protobuf-wire.ts';

/** Reads and writes one type of scalar. */
export interface ScalarCodec {
  wire: number;
  /** Reads a value. `undefined` when the value is null in JSON (a zero time). @throws ProtobufError for malformed bytes */
  read(reader: WireReader): JsonValue | undefined;
  /**
   * Writes the content and, for a length-delimited scalar, its length. @throws ProtobufError that names `field`, for a value of
   * another type
   */
  write(writer: WireWriter, value: JsonValue, field: string): void;
  /** The JSON value of an absent field; undefined when JSON has none. */
  zero: JsonValue | undefined;
}

function wrongType(field: string, expected: string, value: JsonValue): ProtobufError {
  return new ProtobufError(`field "${field}": cannot encode ${stringifyExact(value)} as ${expected}`);
}

const integer = (value: JsonValue, name: string, field: string): number => {
  if (!(name === 'int64' ? isInt64(value) : Number.isInteger(value))) throw wrongType(field, name, value);
  return value as number;
};

const string: ScalarCodec = {
  wire: lengthWire,
  zero: '',
  read: (reader) => reader.string(),
  write: (writer, value, field) => {
    if (typeof value !== 'string') throw wrongType(field, 'string', value);
    writer.string(value);
  },
};

const bytes: ScalarCodec = {
  wire: lengthWire,
  zero: '',
  read: (reader) => reader.lengthDelimited().toString('base64'),
  write: (writer, value, field) => {
    if (typeof value !== 'string') throw wrongType(field, 'base64', value);
    const content = Buffer.from(value, 'base64');
    writer.raw(content);
    writer.varint(content.length);
  },
};

const bool: ScalarCodec = {
  wire: varintWire,
  zero: false,
  read: (reader) => reader.varint() !== 0,
  write: (writer, value, field) => {
    if (typeof value !== 'boolean') throw wrongType(field, 'bool', value);
    writer.varint(value ? 1 : 0);
  },
};

const int32: ScalarCodec = {
  wire: varintWire,
  zero: 0,
  read: (reader) => reader.int32(),
  write: (writer, value, field) => writer.int64(integer(value, 'int32', field)),
};

const int64: ScalarCodec = {
  wire: varintWire,
  zero: 0,
  read: (reader) => reader.int64(),
  write: (writer, value, field) => writer.int64(integer(value, 'int64', field)),
};

const double: ScalarCodec = {
  wire: fixed64Wire,
  zero: 0,
  read: (reader) => reader.double(),
  write: (writer, value, field) => {
    if (typeof value !== 'number') throw wrongType(field, 'double', value);
    writer.double(value);
  },
};

/** Reads a message of scalars into an array by field number. Unknown numbers are skipped. */
function readSmall(reader: WireReader, kinds: readonly (ScalarCodec | undefined)[], name: string): (JsonValue | undefined)[] {
  const end = reader.lengthEnd(reader.bytes.length);
  const values: (JsonValue | undefined)[] = [];
  while (reader.position < end) {
    const tag = reader.varint();
    const number = Math.floor(tag / 8);
    const codec = kinds[number];
    if (number === 0) throw new ProtobufError(`proto: ${name}: illegal tag 0 (wire type ${tag})`);
    if (codec === undefined) reader.skip(tag & 7);
    else if ((tag & 7) !== codec.wire) throw new ProtobufError(`proto: wrong wireType = ${tag & 7} for a field of ${name}`);
    else values[number] = codec.read(reader);
  }
  if (reader.position !== end) throw new ProtobufError('unexpected EOF');
  return values;
}

const quantity: ScalarCodec = {
  wire: lengthWire,
  zero: '0',
  read: (reader) => {
    const text = readSmall(reader, [undefined, string], 'Quantity')[1];
    // An empty message is the quantity zero. Upstream's unmarshaler also checks that the text is a quantity.
    return text === undefined || text === '' ? '0' : asProtobufError(() => canonicalQuantity(text as string));
  },
  write: (writer, value, field) => {
    if (typeof value !== 'string' && typeof value !== 'number') throw wrongType(field, 'Quantity', value);
    const mark = writer.size;
    writer.string(asProtobufError(() => canonicalQuantity(value)));
    writer.tag(1, lengthWire);
    writer.lengthSince(mark);
  },
};

function asProtobufError<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof QuantityError) throw new ProtobufError(error.message, { cause: error });
    throw error;
  }
}

const timestamp = [undefined, int64, int32];

function secondsText(seconds: number): string {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime()) || date.getUTCFullYear() > 9999 || date.getUTCFullYear() < 0) {
    throw new ProtobufError(`time of ${seconds} seconds since 1970 is outside of the years 0 to 9999`);
  }
  return date.toISOString().slice(0, 19);
}

/** Milliseconds since 1970. The fraction has all digits of the text that a number can hold. */
function parsedTime(value: JsonValue, field: string): number {
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(ms)) throw wrongType(field, 'RFC 3339 time', value);
  return ms;
}

/** Writes a Timestamp. Both numbers are written even when they are zero, as Go does. A zero time is an empty message. */
function writeTimestamp(writer: WireWriter, seconds: number, nanos: number): void {
  const mark = writer.size;
  writer.varint(nanos);
  writer.tag(2, varintWire);
  writer.int64(seconds);
  writer.tag(1, varintWire);
  writer.lengthSince(mark);
}

/** A Time has whole seconds only: upstream drops the nanoseconds, because its JSON form cannot hold them. */
const time: ScalarCodec = {
  wire: lengthWire,
  zero: undefined,
  read: (reader) => {
    const [, seconds] = readSmall(reader, timestamp, 'Timestamp');
    return seconds === undefined ? undefined : `${secondsText(Number(seconds))}Z`;
  },
  write: (writer, value, field) => writeTimestamp(writer, Math.floor(parsedTime(value, field) / 1000), 0),
};

const microtime: ScalarCodec = {
  wire: lengthWire,
  zero: undefined,
  read: (reader) => {
    const [, seconds, nanos] = readSmall(reader, timestamp, 'Timestamp');
    if (seconds === undefined) return undefined;
    const micros = Math.floor(((nanos as number | undefined) ?? 0) / 1000);
    return `${secondsText(Number(seconds))}.${String(micros).padStart(6, '0')}Z`;
  },
  write: (writer, value, field) => {
    const seconds = Math.floor(parsedTime(value, field) / 1000);
    // Date.parse keeps only milliseconds. The rest of the fraction is read from the text.
    const fraction = /\.([0-9]+)/.exec(value as string)?.[1] ?? '';
    writeTimestamp(writer, seconds, Number(fraction.slice(0, 6).padEnd(6, '0')) * 1000);
  },
};

/** A Duration is a message of its nanoseconds; in JSON it is Go's text. */
const duration: ScalarCodec = {
  wire: lengthWire,
  zero: undefined,
  read: (reader) => {
    const [, nanos] = readSmall(reader, [undefined, int64], 'Duration');
    return formatDuration(Number(nanos ?? 0) / 1e6);
  },
  write: (writer, value, field) => {
    const mark = writer.size;
    if (typeof value !== 'string') throw wrongType(field, 'duration', value);
    writer.int64(Math.round(parseDuration(value) * 1e6));
    writer.tag(1, varintWire);
    writer.lengthSince(mark);
  },
};

const intstr: ScalarCodec = {
  wire: lengthWire,
  zero: 0,
  read: (reader) => {
    const [, type, number, text] = readSmall(reader, [undefined, int64, int32, string], 'IntOrString');
    return type === 1 ? (text ?? '') : (number ?? 0);
  },
  write: (writer, value, field) => {
    const mark = writer.size;
    const text = typeof value === 'string';
    writer.string(text ? value : '');
    writer.tag(3, lengthWire);
    writer.int64(text ? 0 : integer(value, 'IntOrString', field));
    writer.tag(2, varintWire);
    writer.varint(text ? 1 : 0);
    writer.tag(1, varintWire);
    writer.lengthSince(mark);
  },
};

/** JSON inside protobuf: a message `{raw = 1}` (RawExtension, FieldsV1, apiextensions' JSON). */
const embeddedJson: ScalarCodec = {
  wire: lengthWire,
  zero: undefined,
  read: (reader) => {
    const end = reader.lengthEnd(reader.bytes.length);
    const inner = new WireReader(reader.bytes.subarray(reader.position, end));
    reader.position = end;
    let content: Buffer | undefined;
    while (inner.position < inner.bytes.length) {
      const tag = inner.varint();
      if (tag === 8 + lengthWire) content = inner.lengthDelimited();
      else inner.skip(tag & 7);
    }
    return content === undefined || content.length === 0 ? undefined : parsedJson(content);
  },
  write: (writer, value) => {
    const mark = writer.size;
    writer.string(escapeHtml(stringifyExact(value)));
    writer.tag(1, lengthWire);
    writer.lengthSince(mark);
  },
};

function parsedJson(content: Buffer): JsonValue {
  try {
    return parseExact(content.toString('utf8')) as JsonValue;
  } catch (error) {
    throw new ProtobufError(`embedded object is not JSON: ${errorText(error)}`, { cause: error });
  }
}

/** The codec of each kind of scalar. */
export const scalarCodecs: Readonly<Record<ScalarKind, ScalarCodec>> = {
  string,
  bool,
  int32,
  int64,
  double,
  bytes,
  quantity,
  time,
  microtime,
  duration,
  intstr,
  fieldsV1: embeddedJson,
  raw: embeddedJson,
  json: embeddedJson,
  any: embeddedJson,
};
