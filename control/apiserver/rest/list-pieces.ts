/**
 * Lists and Tables as a sequence of pieces, each made when it is asked for: a list of any size costs one piece at a time, and nothing
 * is held but the objects that others share.
 *
 * Source: apimachinery `pkg/runtime/serializer/{json,protobuf}/collections.go` (StreamingCollectionEncoding).
 */
import { encodeRaw, protobufItemHead, protobufListHead } from '#api/codec/protobuf.ts';
import { jsonText } from '#api/go-json.ts';
import type { JsonObject, JsonValue } from '#api/json.ts';
import { typeForKind } from '#api/schema/facts.ts';
import { notAcceptable } from '#api/status.ts';
import type { ListMeta } from '#api/types.generated.ts';
import type { CachedObject } from '../cache/cached-object.ts';
import { jsonRest, withoutType } from '../cache/object-json.ts';
import { type EncodeOptions, jsonHead, type ListKind, ordered, protobufOf } from './wire.ts';
import { toYaml, yamlPieces } from './yaml-writer.ts';

/** About one TLS record. A client that does not read costs one such piece of memory. */
export const pieceBytes = 16 * 1024;

const comma = Buffer.from(',');
const openBrace = Buffer.from('{');

/** An empty piece is a yield point: the writer serves other requests before it asks for the next piece. */
const pause = new Uint8Array();
/** Number of bytes encoded between two yield points. */
const bytesPerTurn = 256 * 1024;

/** Joins small parts into pieces of about {@link pieceBytes}; a large part stays as it is. */
function* gathered(parts: Iterable<Uint8Array>): Generator<Uint8Array> {
  let gathering: Uint8Array[] = [];
  let bytes = 0;
  for (const part of parts) {
    if (part === pause) {
      yield pause;
      continue;
    }
    gathering.push(part);
    bytes += part.length;
    if (bytes < pieceBytes) continue;
    yield* cut(gathering.length === 1 ? part : Buffer.concat(gathering));
    gathering = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(gathering);
}

/** Cuts the encoded form of a large object into pieces, without copying it. */
export function* cut(piece: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < piece.length; at += 2 * pieceBytes) {
    const isLast = piece.length - at <= 3 * pieceBytes;
    yield isLast ? piece.subarray(at) : piece.subarray(at, at + 2 * pieceBytes);
    if (isLast) return;
  }
}

/** A list of stored objects. */
export function listPieces(
  items: readonly CachedObject[],
  metadata: ListMeta,
  { apiVersion, kind, itemType, typedItems = false }: ListKind,
  options: EncodeOptions,
): Generator<Uint8Array> {
  if (options.format === 'protobuf')
    return gathered(protobufParts(items, (item) => protobufOf(item, itemType), metadata, { apiVersion, kind }));
  const envelope = { kind, apiVersion, metadata: metadata as JsonObject };
  if (options.format === 'json' && !options.pretty) return gathered(jsonParts(envelope, items, typedItems));
  const item = ({ object }: CachedObject): JsonObject => (typedItems ? ordered(object) : withoutType(object));
  return collectionPieces(envelope, 'items', items, item, options);
}

function* jsonParts(envelope: JsonObject, items: readonly CachedObject[], typed: boolean): Generator<Uint8Array> {
  yield Buffer.from(`${jsonText(envelope).slice(0, -1)},"items":[`);
  let isFirst = true;
  for (const item of items) {
    if (!isFirst) yield comma;
    isFirst = false;
    yield typed ? jsonHead(item.object.apiVersion, item.object.kind) : openBrace;
    yield jsonRest(item);
  }
  yield Buffer.from(']}\n');
}

/**
 * A list as protobuf, which writes lengths before contents. So all items are encoded once for their lengths, and those that the cache did not
 * keep are encoded again to be sent.
 */
function* protobufParts<T>(
  items: readonly T[],
  encode: (item: T) => Uint8Array,
  metadata: ListMeta,
  type: { apiVersion: string; kind: string },
): Generator<Uint8Array> {
  let [itemsBytes, pausedAt] = [0, 0];
  for (const item of items) {
    const { length } = encode(item);
    itemsBytes += protobufItemHead(length).length + length;
    if (itemsBytes - pausedAt < bytesPerTurn) continue;
    yield pause;
    pausedAt = itemsBytes;
  }
  yield protobufListHead(itemsBytes, metadata, type);
  for (const item of items) {
    const bytes = encode(item);
    yield protobufItemHead(bytes.length);
    yield bytes;
  }
}

/** The fields of a list besides its items. */
export interface ListEnvelope extends JsonObject {
  apiVersion: string;
  kind: string;
  metadata: JsonObject;
}

/**
 * Any object with a long list: `envelope`, and under `field` the result of `make` for each of `items`.
 * @throws ApiError 406 when protobuf has no such type
 */
export function collectionPieces<T>(
  envelope: ListEnvelope,
  field: string,
  items: readonly T[],
  make: (item: T) => JsonValue,
  { format, pretty }: EncodeOptions,
): Generator<Uint8Array> {
  switch (format) {
    case 'json':
      return gathered(pretty ? prettyParts(envelope, field, items, make) : plainParts(envelope, field, items, make));
    case 'yaml':
      return gathered(yamlParts(envelope, field, items, make));
    case 'protobuf': {
      const { apiVersion, kind, metadata } = envelope;
      const itemType = typeForKind(apiVersion, kind.replace(/List$/, ''));
      if (itemType === undefined)
        throw notAcceptable(`no protobuf form of ${apiVersion} ${kind} exists; accept application/json`);
      return gathered(
        protobufParts(items, (item) => encodeRaw(itemType, make(item) as JsonObject), metadata, { apiVersion, kind }),
      );
    }
  }
}

function* plainParts<T>(
  envelope: JsonObject,
  field: string,
  items: readonly T[],
  make: (item: T) => JsonValue,
): Generator<Uint8Array> {
  yield Buffer.from(`${jsonText(envelope).slice(0, -1)},"${field}":[`);
  let separator = '';
  for (const item of items) {
    yield Buffer.from(separator + jsonText(make(item)));
    separator = ',';
  }
  yield Buffer.from(']}\n');
}

/** As `jsonText(whole, null, 2)` writes it. */
function* prettyParts<T>(
  envelope: JsonObject,
  field: string,
  items: readonly T[],
  make: (item: T) => JsonValue,
): Generator<Uint8Array> {
  yield Buffer.from(`${jsonText(envelope, 2).slice(0, -2)},\n  "${field}": [`);
  let separator = '';
  for (const item of items) {
    const text = jsonText(make(item), 2).replaceAll('\n', '\n    ');
    yield Buffer.from(`${separator}\n    ${text}`);
    separator = ',';
  }
  yield Buffer.from(separator === '' ? ']\n}' : '\n  ]\n}');
}

/** YAML keys are sorted, so some keys of the envelope come after the list. */
function* yamlParts<T>(
  envelope: JsonObject,
  field: string,
  items: readonly T[],
  make: (item: T) => JsonValue,
): Generator<Uint8Array> {
  const part = (wanted: (key: string) => boolean): string => {
    const entries = Object.entries(envelope).filter(([key]) => wanted(key));
    return entries.length === 0 ? '' : toYaml(Object.fromEntries(entries));
  };
  yield Buffer.from(`${part((key) => key < field)}${field}:${items.length === 0 ? ' []' : ''}\n`);
  for (const item of items) {
    yield Buffer.from('- ');
    for (const piece of yamlPieces(make(item), '  ')) yield Buffer.from(piece);
  }
  yield Buffer.from(part((key) => key > field));
}
