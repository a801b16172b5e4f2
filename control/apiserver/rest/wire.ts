/**
 * Objects, Status and watch frames as bytes in the negotiated format. Stored objects are encoded once per version and format, as long
 * as that is asked for; lists (list-pieces.ts) and frames are put together from those bytes.
 */

import { encodeProtobuf, encodeRaw, encodeWatchFrame, envelope } from '#api/codec/protobuf.ts';
import { jsonText } from '#api/go-json.ts';
import type { JsonObject } from '#api/json.ts';
import { jsonBytesSteps } from '#api/json-steps.ts';
import type { KubeObject } from '#api/meta.ts';
import { typeForKind } from '#api/schema/facts.ts';
import { notAcceptable } from '#api/status.ts';
import type { Steps } from '#api/steps.ts';
import type { Status } from '#api/types.generated.ts';
import type { CachedObject } from '../cache/cached-object.ts';
import { jsonRest, jsonRestSteps, withoutType } from '../cache/object-json.ts';
import type { Format } from './negotiation.ts';
import { toYaml, yamlPieces } from './yaml-writer.ts';

/** How to encode. `pretty`: indented with two spaces. */
export interface EncodeOptions {
  format: Format;
  pretty: boolean;
}

/** The type of a list. */
export interface ListKind {
  apiVersion: string;
  /** The list's own kind: `PodList`. */
  kind: string;
  /** The items' type in the schema facts. */
  itemType: string;
  /** Whether items say their apiVersion and kind, as custom resources do. Go's typed lists leave them out. */
  typedItems?: boolean;
}

const newline = Buffer.from('\n');
const frameEnd = Buffer.from('}\n');

/** Any object that is not in a cache: Status, Table, reviews, dry-run results. @throws ApiError 406 when protobuf has no such type */
export function encodeAny(object: JsonObject | Status | KubeObject, { format, pretty }: EncodeOptions): Uint8Array {
  const { apiVersion, kind } = object as { apiVersion: string; kind: string };
  switch (format) {
    case 'json':
      return Buffer.from(
        pretty ? jsonText({ kind, apiVersion, ...object }, 2) : `${jsonText({ kind, apiVersion, ...object })}\n`,
      );
    case 'yaml':
      return Buffer.from(toYaml(object));
    case 'protobuf': {
      const type = typeForKind(apiVersion, kind);
      if (type === undefined) throw notAcceptable(`no protobuf form of ${apiVersion} ${kind} exists; accept application/json`);
      return encodeProtobuf(object, type, { apiVersion, kind });
    }
  }
}

/** A stored object. @param type in the schema facts: `core/v1.Pod` */
export function encodeObject(cached: CachedObject, type: string, options: EncodeOptions): Uint8Array {
  const { apiVersion, kind } = cached.object;
  if (options.format === 'protobuf') return envelope(protobufOf(cached, type), { apiVersion, kind });
  if (options.format === 'yaml' || options.pretty) return encodeAny(ordered(cached.object), options);
  return Buffer.concat([jsonHead(apiVersion, kind), jsonRest(cached), newline]);
}

/** Like {@link encodeAny}, for a large object. */
export function* encodeAnySteps(object: JsonObject, options: EncodeOptions): Steps<Uint8Array> {
  if (options.format === 'yaml') return yield* yamlSteps(object);
  if (options.format !== 'json' || options.pretty) return encodeAny(object, options);
  const { apiVersion, kind } = object as { apiVersion: string; kind: string };
  return yield* jsonBytesSteps({ kind, apiVersion, ...object }, '\n');
}

/** Like {@link encodeObject}, for a large object. */
export function* encodeObjectSteps(cached: CachedObject, type: string, options: EncodeOptions): Steps<Uint8Array> {
  if (options.format === 'yaml') return yield* yamlSteps(cached.object);
  const rest = options.format === 'json' && !options.pretty ? yield* jsonRestSteps(cached) : undefined;
  if (rest === undefined) return encodeObject(cached, type, options);
  const { apiVersion, kind } = cached.object;
  return Buffer.concat([jsonHead(apiVersion, kind), rest, newline]);
}

function* yamlSteps(object: JsonObject | KubeObject): Steps<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for (const piece of yamlPieces(object)) yield void pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

/** The formats of watches. YAML has no framing for streams, so it is refused with 406, as upstream does. */
export type StreamFormat = Exclude<Format, 'yaml'>;

type ChangeType = 'ADDED' | 'MODIFIED' | 'DELETED';

/** The names of encoded frames ({@link CachedObject.encoded}), made once because each watcher of each change asks for one. */
const frameNames: Record<StreamFormat, Record<ChangeType, string>> = {
  json: { ADDED: 'ADDED json', MODIFIED: 'MODIFIED json', DELETED: 'DELETED json' },
  protobuf: { ADDED: 'ADDED protobuf', MODIFIED: 'MODIFIED protobuf', DELETED: 'DELETED protobuf' },
};

/** A watch frame that all watchers of this format share. */
export function sharedWatchFrame(type: ChangeType, cached: CachedObject, schema: string, format: StreamFormat): Uint8Array {
  return cached.encoded(frameNames[format][type], () => watchFrame(type, cached, schema, format));
}

/** A watch frame around the bytes of a stored object. */
export function watchFrame(type: string, cached: CachedObject, schema: string, format: StreamFormat): Uint8Array {
  const { apiVersion, kind } = cached.object;
  if (format === 'protobuf') return encodeWatchFrame(type, envelope(protobufOf(cached, schema), { apiVersion, kind }));
  return Buffer.concat([Buffer.from(`{"type":"${type}","object":`), jsonHead(apiVersion, kind), jsonRest(cached), frameEnd]);
}

/** A watch frame with any other object: bookmark, error, Table. */
export function anyWatchFrame(type: string, object: JsonObject | Status, format: StreamFormat): Uint8Array {
  if (format === 'protobuf') return encodeWatchFrame(type, encodeAny(object, { format, pretty: false }));
  return Buffer.from(`${jsonText({ type, object })}\n`);
}

/** A stored object as protobuf, without the envelope that names its type. */
export const protobufOf = (cached: CachedObject, type: string): Uint8Array =>
  cached.encoded('protobuf', () => encodeRaw(type, cached.object));

/** The beginning of an object's JSON, up to where `jsonRest` goes on. */
export const jsonHead = (apiVersion: string, kind: string): Uint8Array =>
  Buffer.from(`{"kind":"${kind}","apiVersion":"${apiVersion}",`);

/** With kind and apiVersion in front. */
export function ordered(object: KubeObject): JsonObject {
  return { kind: object.kind, apiVersion: object.apiVersion, ...withoutType(object) };
}
