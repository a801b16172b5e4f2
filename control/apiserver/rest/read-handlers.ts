/** GET of resources: one object, a list, a watch. */

import type { JsonObject } from '#api/json.ts';
import { apiVersionOf, type KubeObject, type WatchEvent } from '#api/meta.ts';
import { readQueryOptions } from '#api/query-options.ts';
import { notAcceptable, notFound } from '#api/status.ts';
import type { ListMeta } from '#api/types.generated.ts';
import { ObjectPiece, objectsContentType } from '#client/object-piece.ts';
import type { TransportResponse } from '#client/transport.ts';
import { CachedObject } from '../cache/cached-object.ts';
import type { ListUnderWay } from '../cache/lists-under-way.ts';
import { type Exchange, respondWith } from './exchange.ts';
import { parseListQuery, parseRevision } from './list-options.ts';
import { collectionPieces, cut, listPieces, pieceBytes } from './list-pieces.ts';
import { type ListResult, listObjects, untilNotOlderThan } from './listing.ts';
import { contentTypeOf } from './negotiation.ts';
import { parsePredicate } from './predicate.ts';
import { piecesResponse } from './responses.ts';
import { type IncludeObject, parseIncludeObject, toPartialMetadata, toRow, toTable } from './table.ts';
import { type ServedEvent, WatchStream } from './watching.ts';
import { anyWatchFrame, type EncodeOptions, type ListKind, type StreamFormat, sharedWatchFrame, watchFrame } from './wire.ts';

/** GET of one object. @throws ApiError */
export async function handleGet(exchange: Exchange): Promise<TransportResponse> {
  const { parts, info, resource } = exchange;
  const { computed } = parts.catalog.kind(resource);
  if (computed !== undefined) {
    const found =
      computed.object === undefined
        ? (await computed.objects(info.namespace)).find(({ metadata }) => metadata.name === info.name)
        : await computed.object(info.namespace, info.name);
    if (found === undefined) throw notFound({ group: resource.group, name: computed.singular }, info.name);
    return respondWith(exchange, 200, new CachedObject(info.name, 0, found));
  }
  const { resourceVersion: revision } = readQueryOptions('GetOptions', info.query);
  if (revision !== '' && revision !== '0') await untilNotOlderThan(parts.feed, revision);
  return respondWith(exchange, 200, await parts.registry.get(resource, info));
}

/** GET of a list. @throws ApiError */
export async function handleList(exchange: Exchange): Promise<TransportResponse> {
  const list = exchange.parts.feed.lists.begin();
  try {
    return list.answer(await listAnswer(exchange, list), exchange.signal());
  } catch (error) {
    list.end();
    throw error;
  }
}

async function listAnswer(exchange: Exchange, list: ListUnderWay): Promise<TransportResponse> {
  const { parts, info, resource } = exchange;
  const query = parseListQuery(info.query, false);
  const predicate = await parsePredicate(parts.registry.strategy(resource), query.labelSelector, query.fieldSelector);
  const { computed } = parts.catalog.kind(resource);
  if (computed !== undefined) {
    const objects = (await computed.objects(info.namespace)).map((object) => new CachedObject(object.metadata.name, 0, object));
    return await itemsAnswer(
      exchange,
      objects.filter((object) => predicate.matches(object)),
      {},
    );
  }
  const result = await listObjects(parts, resource, info.namespace, query, predicate, list);
  if (exchange.request.takesObjects === true) return objectsAnswer(exchange, result);
  return await itemsAnswer(exchange, result.items, listMeta(result));
}

/** The objects themselves, for a caller in this process. */
function objectsAnswer(exchange: Exchange, result: ListResult): TransportResponse {
  const { apiVersion, kind } = listKind(exchange);
  const list = { apiVersion, kind, metadata: listMeta(result), items: result.items.map(({ object }) => object) };
  return {
    status: 200,
    headers: { 'content-type': objectsContentType },
    body: onePiece(new ObjectPiece({ kind: 'list', list })),
  };
}

async function* onePiece(piece: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(piece);
}

function itemsAnswer(exchange: Exchange, items: readonly CachedObject[], metadata: ListMeta): Promise<TransportResponse> {
  const { accepted, pretty } = exchange;
  const options = { format: accepted.format, pretty };
  const contentType = contentTypeOf(accepted.format);
  if (accepted.convert === undefined)
    return piecesResponse(200, contentType, listPieces(items, metadata, listKind(exchange), options));
  return piecesResponse(200, contentType, convertedPieces(exchange, items, metadata, options));
}

/** The metadata of a list. */
export function listMeta({ revision, continue: token, remaining }: ListResult): ListMeta {
  return {
    resourceVersion: String(revision),
    ...(token === '' ? {} : { continue: token }),
    ...(remaining === undefined ? {} : { remainingItemCount: remaining }),
  };
}

/** The type of a list of the resource. */
export function listKind({ resource, parts }: Exchange): ListKind {
  const { group, version, kind, listKind: own = `${kind}List`, schema } = resource;
  const typedItems = parts.catalog.kind(resource).unstructured !== undefined;
  return { apiVersion: apiVersionOf(group, version), kind: own, itemType: schema, typedItems };
}

function convertedPieces(
  { parts, info, resource, accepted }: Exchange,
  items: readonly CachedObject[],
  metadata: ListMeta,
  options: EncodeOptions,
): Generator<Uint8Array> {
  const version = accepted.convert?.version ?? 'v1';
  if (accepted.convert?.kind === 'Table') {
    const strategy = parts.registry.strategy(resource);
    const include = parseIncludeObject(info.query);
    const nowMs = parts.clock.now();
    const table = toTable(strategy, [], metadata, { include, headers: true, version, nowMs });
    const envelope = {
      kind: 'Table',
      apiVersion: `meta.k8s.io/${version}`,
      metadata: metadata as JsonObject,
      columnDefinitions: table['columnDefinitions'] ?? null,
    };
    const row = ({ object }: CachedObject) => toRow(strategy, object, { include, version, nowMs });
    const compare = strategy.table?.compare;
    const ordered = compare === undefined ? items : items.toSorted((a, b) => compare(a.object, b.object));
    return collectionPieces(envelope, 'rows', ordered, row, options);
  }
  const envelope = { kind: 'PartialObjectMetadataList', apiVersion: `meta.k8s.io/${version}`, metadata: metadata as JsonObject };
  return collectionPieces(envelope, 'items', items, ({ object }) => toPartialMetadata(object, version), options);
}

/**
 * A watch; also by the old paths `/watch/pods` and `/watch/pods/x`.
 * @throws ApiError before the stream begins; later errors are events of the stream
 */
export async function handleWatch(exchange: Exchange): Promise<TransportResponse> {
  const { parts, info, resource, accepted } = exchange;
  const { format } = accepted;
  if (format === 'yaml') {
    throw notAcceptable(
      'only the following media types are accepted: application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch',
    );
  }
  const query = parseListQuery(info.query, true);
  const fields =
    info.name === '' ? query.fieldSelector : [query.fieldSelector, `metadata.name=${info.name}`].filter(Boolean).join(',');
  const predicate = await parsePredicate(parts.registry.strategy(resource), query.labelSelector, fields);
  // Checked before the stream begins, so that a malformed revision is answered with 400.
  parseRevision(query.resourceVersion);
  const include = parseIncludeObject(info.query);
  const question = { resource, namespace: info.namespace, query, predicate };
  if (exchange.request.takesObjects === true) {
    const pieces = (events: readonly ServedEvent[]) => objectPieces(exchange, events);
    const body = new WatchStream(parts, { ...question, takesObjects: true }, pieces, exchange.signal());
    return { status: 200, headers: { 'content-type': objectsContentType }, body, over: body.over, begun: body.begun };
  }
  const frames = new Frames(exchange, format, include);
  const body = new WatchStream(parts, question, (events) => frames.pieces(events), exchange.signal());
  return { status: 200, headers: { 'content-type': contentTypeOf(format, true) }, body, over: body.over, begun: body.begun };
}

/** The events with the objects themselves, for a caller in this process: one piece, and the error that ends the watch. */
function* objectPieces(exchange: Exchange, served: readonly ServedEvent[]): Generator<Uint8Array> {
  const events: WatchEvent<KubeObject>[] = [];
  for (const event of served) {
    if (event.type === 'BOOKMARK')
      events.push({ type: event.type, object: bookmarkObject(exchange, event.revision, event.initialEventsEnd) });
    else if (event.type !== 'ERROR') events.push({ type: event.type, object: event.object.object });
  }
  if (events.length > 0) yield new ObjectPiece({ kind: 'events', events });
  for (const event of served) if (event.type === 'ERROR') yield new ObjectPiece({ kind: 'error', status: event.status });
}

/** The events of one watch as frames, in the format and shape that the client accepts. */
class Frames {
  readonly #exchange: Exchange;
  readonly #format: StreamFormat;
  readonly #include: IncludeObject;
  /** Whether the next frame is the first: only the first Table names the columns. */
  #headers = true;

  constructor(exchange: Exchange, format: StreamFormat, include: IncludeObject) {
    this.#exchange = exchange;
    this.#format = format;
    this.#include = include;
  }

  /** The events as pieces of about {@link pieceBytes}; small frames are joined. */
  *pieces(events: readonly ServedEvent[]): Generator<Uint8Array> {
    let gathered: Uint8Array[] = [];
    let bytes = 0;
    let last: ServedEvent | undefined;
    for (const event of events) {
      last = event;
      const frame = encodeEvent(this.#exchange, this.#format, this.#include, this.#headers, event);
      this.#headers = false;
      gathered.push(frame);
      bytes += frame.length;
      if (bytes < pieceBytes) continue;
      yield* cut(this.#joined(gathered, event));
      gathered = [];
      bytes = 0;
    }
    if (bytes > 0) yield this.#joined(gathered, last);
  }

  /** Joins frames. Initial events are different for each watch, so their pieces are not shared. */
  #joined(frames: readonly Uint8Array[], last: ServedEvent | undefined): Uint8Array {
    const isOwn = last !== undefined && 'isInitial' in last && last.isInitial === true;
    return isOwn && frames.length > 1 ? Buffer.concat(frames) : this.#exchange.parts.joined.of(frames);
  }
}

function encodeEvent(
  exchange: Exchange,
  format: StreamFormat,
  include: IncludeObject,
  headers: boolean,
  event: ServedEvent,
): Uint8Array {
  if (event.type === 'ERROR') return anyWatchFrame('ERROR', event.status, format);
  const { resource, accepted } = exchange;
  if (event.type === 'BOOKMARK') {
    const bookmark = bookmarkObject(exchange, event.revision, event.initialEventsEnd);
    return anyWatchFrame('BOOKMARK', convertOne(exchange, bookmark, include, headers) as JsonObject, format);
  }
  if (accepted.convert === undefined) {
    const frame = event.isInitial === true ? watchFrame : sharedWatchFrame;
    return frame(event.type, event.object, resource.schema, format);
  }
  return anyWatchFrame(event.type, convertOne(exchange, event.object.object, include, headers) as JsonObject, format);
}

function bookmarkObject({ resource }: Exchange, revision: number, initialEventsEnd: boolean): KubeObject {
  const annotations = initialEventsEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {};
  const metadata = { resourceVersion: String(revision), ...annotations } as Partial<
    KubeObject['metadata']
  > as KubeObject['metadata'];
  return { kind: resource.kind, apiVersion: apiVersionOf(resource.group, resource.version), metadata };
}

function convertOne(
  { parts, resource, accepted }: Exchange,
  object: KubeObject,
  include: IncludeObject,
  headers: boolean,
): KubeObject | JsonObject {
  const { convert } = accepted;
  if (convert === undefined) return object;
  if (convert.kind !== 'Table') return toPartialMetadata(object, convert.version);
  const strategy = parts.registry.strategy(resource);
  const { resourceVersion } = object.metadata;
  const isBookmark = object.metadata.uid === undefined;
  const options = { include, headers, version: convert.version, nowMs: parts.clock.now() };
  if (!isBookmark) return toTable(strategy, [object], { resourceVersion }, options);
  // A bookmark has no fields to show: as upstream, it is a row with empty cells, and clients read its metadata.
  const table = toTable(strategy, [], { resourceVersion }, options);
  const cells = (strategy.table?.columns ?? [{}, {}]).map(() => null);
  return { ...table, rows: [{ cells, object: toPartialMetadata(object, convert.version) }] };
}
