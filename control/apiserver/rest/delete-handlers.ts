/** DELETE of one object and of collections. */
import { DecodeError, readTypeMeta } from '#api/codec/json.ts';
import { openEnvelope, ProtobufError } from '#api/codec/protobuf.ts';
import type { FieldError } from '#api/field-error.ts';
import { invalidValue, notSupported } from '#api/field-error.ts';
import { readQueryOptions } from '#api/query-options.ts';
import { invalid, isNotFound } from '#api/status.ts';
import type { DeleteOptions } from '#api/types.generated.ts';
import type { TransportResponse } from '#client/transport.ts';
import type { CachedObject } from '../cache/cached-object.ts';
import type { WriteContext } from '../registry/write-request.ts';
import { type Exchange, respondWith, writeContext } from './exchange.ts';
import { parseListQuery } from './list-options.ts';
import { listPieces } from './list-pieces.ts';
import { listObjects } from './listing.ts';
import { bodyFormat, contentTypeOf } from './negotiation.ts';
import { parsePredicate } from './predicate.ts';
import { listKind, listMeta } from './read-handlers.ts';
import { parseDryRun } from './request-body.ts';
import { objectResponse, piecesResponse } from './responses.ts';

/** How many deletions of one collection run at the same time (`DeleteCollectionWorkers`, raised: our store commits in groups). */
const collectionWorkers = 16;

/** DELETE of one object. @throws ApiError */
export async function handleDelete(exchange: Exchange): Promise<TransportResponse> {
  const { parts, info, resource } = exchange;
  const options = await readDeleteOptions(exchange);
  warnAboutDelete(exchange, options);
  const context = writeContext(exchange, 'DeleteOptions', parseDryRun(options.dryRun ?? [], 'DeleteOptions'));
  const { object, deleted } = await parts.registry.delete(resource, info, options, context);
  const status = !deleted && options.orphanDependents === false ? 202 : 200;
  if (!deleted || resource.returnsDeleted !== 'no') return respondWith(exchange, status, object);
  return deletedStatus(exchange, object);
}

function warnAboutDelete({ parts, resource, warnings }: Exchange, options: Partial<DeleteOptions>): void {
  for (const text of parts.registry.strategy(resource).deleteWarnings?.(options) ?? []) warnings.add(text);
}

function deletedStatus({ resource, accepted, pretty }: Exchange, { object }: CachedObject): TransportResponse {
  const { name, uid } = object.metadata;
  const details = { name, ...(resource.group === '' ? {} : { group: resource.group }), kind: resource.plural, uid };
  return objectResponse(
    200,
    { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details },
    accepted.format,
    pretty,
  );
}

/**
 * The options of a DELETE, from its body. Without a body, from the query, `dryRun` included (apiserver `handlers/delete.go`).
 * @throws ApiError 400, 422
 */
export async function readDeleteOptions(exchange: Exchange): Promise<Partial<DeleteOptions>> {
  const { request, info } = exchange;
  let options: Partial<DeleteOptions>;
  if (request.body !== undefined && request.body.length > 0) {
    options = await decodeDeleteOptions(exchange, request.body);
  } else {
    options = optionsOfQuery(info.query);
  }
  const problems = checkDeleteOptions(options);
  if (problems.length > 0) throw invalid({ group: 'meta.k8s.io', name: 'DeleteOptions' }, '', problems);
  return options;
}

async function decodeDeleteOptions(
  { parts, request, resource, warnings }: Exchange,
  body: Uint8Array,
): Promise<Partial<DeleteOptions>> {
  const contentType = request.headers['content-type'];
  const expected = {
    apiVersion: statedVersion(body, contentType, resource.group),
    kind: 'DeleteOptions',
    type: 'meta/v1.DeleteOptions',
  };
  const { value, problems } = await parts.decoder.run({ kind: 'object', body, contentType, expected, validation: 'Warn' });
  for (const problem of problems) warnings.add(problem);
  return value as Partial<DeleteOptions>;
}

/**
 * The version that the body names. DeleteOptions is registered in every group and version, and clients use any of them, so each is
 * accepted.
 */
function statedVersion(body: Uint8Array, contentType: string | undefined, group: string): string {
  const own = group === '' ? 'v1' : `${group}/v1`;
  try {
    return (bodyFormat(contentType) === 'protobuf' ? openEnvelope(body) : readTypeMeta(body)).apiVersion || own;
  } catch (error) {
    if (error instanceof ProtobufError || error instanceof DecodeError) return own;
    throw error;
  }
}

function optionsOfQuery(query: URLSearchParams): Partial<DeleteOptions> {
  const { gracePeriodSeconds, propagationPolicy, orphanDependents, dryRun } = readQueryOptions('DeleteOptions', query);
  const options: Partial<DeleteOptions> = {};
  if (gracePeriodSeconds !== undefined) options.gracePeriodSeconds = Number(gracePeriodSeconds);
  if (propagationPolicy !== undefined) options.propagationPolicy = propagationPolicy;
  if (orphanDependents !== undefined) options.orphanDependents = orphanDependents;
  if (dryRun.length > 0) options.dryRun = dryRun;
  return options;
}

/** What is wrong with them, apart from `dryRun`. Source: apimachinery `ValidateDeleteOptions`. */
export function checkDeleteOptions(options: Partial<DeleteOptions>): FieldError[] {
  const { propagationPolicy: policy, orphanDependents } = options;
  const problems: FieldError[] = [];
  if (policy !== undefined && orphanDependents !== undefined) {
    problems.push(invalidValue('propagationPolicy', policy, 'orphanDependents and deletionPropagation cannot be both set'));
  }
  if (policy !== undefined && !['Foreground', 'Background', 'Orphan'].includes(policy)) {
    problems.push(notSupported('propagationPolicy', policy, ['Foreground', 'Background', 'Orphan', 'nil']));
  }
  return problems;
}

/** Deletes every object that matches. One that another client deletes first is no error. Answers with the list as it was before. */
export async function handleDeleteCollection(exchange: Exchange): Promise<TransportResponse> {
  const { parts, info, resource, accepted, pretty } = exchange;
  const options = await readDeleteOptions(exchange);
  warnAboutDelete(exchange, options);
  const written = writeContext(exchange, 'DeleteOptions', parseDryRun(options.dryRun ?? [], 'DeleteOptions'));
  const context = { ...written, ofCollection: true };
  const query = parseListQuery(info.query, false);
  const predicate = await parsePredicate(parts.registry.strategy(resource), query.labelSelector, query.fieldSelector);
  const list = parts.feed.lists.begin();
  try {
    const result = await listObjects(parts, resource, info.namespace, query, predicate, list);
    await deleteAll(exchange, result.items, options, context);
    const pieces = listPieces(result.items, listMeta(result), listKind(exchange), { format: accepted.format, pretty });
    return list.answer(await piecesResponse(200, contentTypeOf(accepted.format), pieces), exchange.signal());
  } catch (error) {
    list.end();
    throw error;
  }
}

async function deleteAll(
  { parts, resource }: Exchange,
  items: readonly CachedObject[],
  options: DeleteOptions,
  context: WriteContext,
): Promise<void> {
  const pending = [...items];
  const worker = async (): Promise<void> => {
    for (let item = pending.shift(); item !== undefined; item = pending.shift()) {
      try {
        await parts.registry.delete(resource, item.object.metadata, { ...options }, context);
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(collectionWorkers, pending.length) }, worker));
}
