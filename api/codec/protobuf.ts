/**
 * `application/vnd.kubernetes.protobuf`: objects in upstream's envelope, and watch frames.
 *
 * A body is `k8s\0`, then a `runtime.Unknown`: the object's apiVersion and kind, and the object itself as protobuf bytes. A
 * watch stream is frames of a 4-byte big-endian length and a `WatchEvent` (without envelope) whose object is such a body.
 *
 * Source: apimachinery `pkg/runtime/serializer/protobuf`, `pkg/util/framer`.
 */
import type { JsonObject } from '../json.ts';
import { typeForKind } from '../schema/facts.ts';
import { readMessage, writeMessage } from './protobuf-plan.ts';
import { lengthWire, ProtobufError, WireReader, WireWriter } from './protobuf-wire.ts';

export { ProtobufError } from './protobuf-wire.ts';

/** The kind of an enveloped object. */
export interface TypeMeta {
  apiVersion: string;
  kind: string;
}

const magic = Buffer.from('k8s\0', 'latin1');
/** One writer serves all calls, because encoding is synchronous. */
const shared = new WireWriter(65536);

/** Whether the bytes begin like an enveloped object. */
export function isProtobuf(bytes: Uint8Array): boolean {
  return bytes.length >= magic.length && magic.every((byte, index) => bytes[index] === byte);
}

/**
 * Decodes one message of a known type, without envelope. @throws ProtobufError for malformed bytes, OversizeError for too many
 * values
 */
export function decodeRaw(typeName: string, bytes: Uint8Array): JsonObject {
  return readMessage(typeName, new WireReader(bytes));
}

/**
 * Encodes one message without envelope. `apiVersion` and `kind` are not part of the message. @throws ProtobufError for a value
 * that does not fit its field
 */
export function encodeRaw(typeName: string, object: object): Uint8Array {
  return finished((writer) => writeMessage(typeName, writer, object as JsonObject));
}

/** Returns the bytes that `write` has written. After a failure the shared writer is emptied. */
function finished(write: (writer: WireWriter) => void): Uint8Array {
  shared.size = 0;
  write(shared);
  return shared.finish();
}

/** Reads an envelope. @throws ProtobufError with upstream's texts */
export function openEnvelope(bytes: Uint8Array): TypeMeta & { raw: Uint8Array } {
  if (bytes.length === 0) throw new ProtobufError('empty data');
  if (!isProtobuf(bytes)) {
    throw new ProtobufError('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]');
  }
  if (bytes.length === magic.length) throw new ProtobufError('empty body');
  const reader = new WireReader(bytes.subarray(magic.length));
  const opened = { apiVersion: '', kind: '', raw: new Uint8Array() as Uint8Array };
  while (reader.position < reader.bytes.length) {
    const tag = reader.varint();
    if (tag === 8 + lengthWire) Object.assign(opened, readTypeMeta(reader.lengthDelimited()));
    else if (tag === 16 + lengthWire) opened.raw = reader.lengthDelimited();
    else if (tag < 8) throw new ProtobufError(`proto: Unknown: illegal tag 0 (wire type ${tag})`);
    else reader.skip(tag & 7);
  }
  return opened;
}

function readTypeMeta(bytes: Uint8Array): Partial<TypeMeta> {
  const reader = new WireReader(bytes);
  const meta: Partial<TypeMeta> = {};
  while (reader.position < bytes.length) {
    const tag = reader.varint();
    if (tag === 8 + lengthWire) meta.apiVersion = reader.string();
    else if (tag === 16 + lengthWire) meta.kind = reader.string();
    else reader.skip(tag & 7);
  }
  return meta;
}

/** Puts the bytes of {@link encodeRaw} into an envelope. */
export function envelope(raw: Uint8Array, { apiVersion, kind }: TypeMeta): Uint8Array {
  return finished((writer) => {
    writer.raw(raw);
    closeEnvelope(writer, raw.length, apiVersion, kind);
  });
}

/** Writes the fields of the envelope around the object. contentEncoding and contentType are empty, but Go writes them. */
function closeEnvelope(writer: WireWriter, rawLength: number, apiVersion: string, kind: string): void {
  writer.varint(rawLength);
  writer.tag(2, lengthWire);
  const mark = writer.size;
  writer.string(kind);
  writer.tag(2, lengthWire);
  writer.string(apiVersion);
  writer.tag(1, lengthWire);
  writer.lengthSince(mark);
  writer.tag(1, lengthWire);
  writer.raw(magic);
}

/** Encodes an object with its envelope. @throws ProtobufError for a value that does not fit its field */
export function encodeProtobuf(object: object, typeName: string, { apiVersion, kind }: TypeMeta): Uint8Array {
  return finished((writer) => {
    writeMessage(typeName, writer, object as JsonObject);
    closeEnvelope(writer, writer.size, apiVersion, kind);
  });
}

/**
 * The bytes of a list before its first item. `itemsBytes` bytes of items must follow: each the result of {@link encodeRaw}, with
 * {@link protobufItemHead} before it. In every list kind, the metadata is field 1 and the items are field 2.
 */
export function protobufListHead(itemsBytes: number, metadata: object, meta: TypeMeta): Uint8Array {
  return finished((writer) => {
    const mark = writer.size;
    writeMessage('meta/v1.ListMeta', writer, metadata as JsonObject);
    writer.lengthSince(mark);
    writer.tag(1, lengthWire);
    closeEnvelope(writer, writer.size + itemsBytes, meta.apiVersion, meta.kind);
  });
}

/** The tag and length before an item of `itemBytes` bytes in a list. */
export function protobufItemHead(itemBytes: number): Uint8Array {
  return finished((writer) => {
    writer.varint(itemBytes);
    writer.tag(2, lengthWire);
  });
}

/**
 * Decodes an enveloped object. `apiVersion` and `kind` come from the envelope, or from `defaults` when the envelope leaves them
 * empty. They are also set on the object, as in JSON.
 *
 * @throws ProtobufError with upstream's text: malformed bytes, a missing or unknown kind
 */
export function decodeProtobuf(bytes: Uint8Array, defaults?: TypeMeta): TypeMeta & { object: JsonObject } {
  const opened = openEnvelope(bytes);
  const apiVersion = opened.apiVersion || defaults?.apiVersion || '';
  const kind = opened.kind || defaults?.kind || '';
  const shown = `runtime.TypeMeta{APIVersion:${JSON.stringify(opened.apiVersion)}, Kind:${JSON.stringify(opened.kind)}}`;
  if (kind === '') throw new ProtobufError(`Object 'Kind' is missing in '${shown}'`);
  if (apiVersion === '') throw new ProtobufError(`Object 'apiVersion' is missing in '${shown}'`);
  const typeName = typeForKind(apiVersion, kind);
  if (typeName === undefined) {
    throw new ProtobufError(
      `no kind "${kind}" is registered for version "${apiVersion}" in scheme "pkg/api/legacyscheme/scheme.go:30"`,
    );
  }
  return { apiVersion, kind, object: { apiVersion, kind, ...decodeRaw(typeName, opened.raw) } };
}

/** Encodes one frame of a watch stream. @param object an enveloped object */
export function encodeWatchFrame(type: string, object: Uint8Array): Uint8Array {
  return finished((writer) => {
    // RawExtension{raw = 1}, in WatchEvent{type = 1, object = 2}.
    writer.raw(object);
    writer.varint(object.length);
    writer.tag(1, lengthWire);
    writer.lengthSince(0);
    writer.tag(2, lengthWire);
    writer.string(type);
    writer.tag(1, lengthWire);
    const header = Buffer.alloc(4);
    header.writeUInt32BE(writer.size);
    writer.raw(header);
  });
}

/** Decodes the content of one frame. @throws ProtobufError */
export function decodeWatchEvent(frame: Uint8Array): { type: string; object: Uint8Array } {
  const reader = new WireReader(frame);
  const event = { type: '', object: new Uint8Array() as Uint8Array };
  while (reader.position < frame.length) {
    const tag = reader.varint();
    if (tag === 8 + lengthWire) event.type = reader.string();
    else if (tag === 16 + lengthWire) event.object = readRawExtension(reader.lengthDelimited());
    else reader.skip(tag & 7);
  }
  return event;
}

function readRawExtension(bytes: Uint8Array): Uint8Array {
  const reader = new WireReader(bytes);
  let raw: Uint8Array = new Uint8Array();
  while (reader.position < bytes.length) {
    const tag = reader.varint();
    if (tag === 8 + lengthWire) raw = reader.lengthDelimited();
    else reader.skip(tag & 7);
  }
  return raw;
}

/** Splits a stream of chunks into the contents of frames. @throws ProtobufError when the stream ends inside a frame */
export async function* watchFrames(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let pending = Buffer.alloc(0);
  for await (const chunk of chunks) {
    pending = pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([pending, chunk]);
    while (pending.length >= 4 && pending.length >= 4 + pending.readUInt32BE(0)) {
      const end = 4 + pending.readUInt32BE(0);
      yield pending.subarray(4, end);
      pending = pending.subarray(end);
    }
  }
  if (pending.length > 0) throw new ProtobufError('unexpected EOF');
}
