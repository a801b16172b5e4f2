/**
 * Lists: from the watch cache at its current revision, from the store at an older one; in chunks on request.
 *
 * Source: kubernetes.io, API concepts ("semantics for get and list"); apiserver `pkg/storage/cacher/delegator`.
 */

import type { KubeObject } from '#api/meta.ts';
import type { Resource } from '#api/resources.ts';
import { ApiError, badRequest, expired, failure } from '#api/status.ts';
import type { Status } from '#api/types.generated.ts';
import { CompactedError, FutureRevisionError, type Store, type StoreEntry } from '#control/store/store.ts';
import { type CacheFeed, withRevision } from '../cache/cache-feed.ts';
import { CachedObject } from '../cache/cached-object.ts';
import type { ListUnderWay } from '../cache/lists-under-way.ts';
import type { KindCatalog } from '../catalog.ts';
import { listPrefix } from '../registry/object-keys.ts';
import type { ServerLog } from '../serving/server-log.ts';
import { decodeContinue, encodeContinue } from './continue-token.ts';
import { type ListQuery, parseRevision } from './list-options.ts';
import type { Predicate } from './predicate.ts';

/** A list, or one chunk of it. */
export interface ListResult {
  items: CachedObject[];
  revision: number;
  /** The token of the next chunk; empty: there is none. */
  continue: string;
  /** How many objects come after this chunk; undefined: unknown (with selectors, as upstream), or none. */
  remaining: number | undefined;
}

/** What lists are made of. */
export interface ListingDeps {
  catalog: Pick<KindCatalog, 'fromStored' | 'prepare'>;
  feed: CacheFeed;
  store: Store;
  log: ServerLog;
  decode(prefix: string, value: Uint8Array): KubeObject;
}

const compactedContinueMessage =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without ' +
  'the continue parameter, or use the continue token in this response to retrieve the remainder of the results. ' +
  'Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted ' +
  'between the time the first chunk was returned and now may show up in the list.';

/** How many objects are read from the store at a time. */
const storeChunk = 500;

/**
 * The objects of a list request.
 * @param list counts the objects that are read from the store, which the caches do not share
 * @throws ApiError 400, 410 `Expired`, 429 when lists that are being sent hold too much memory, 504 for a revision that is not reached in time
 */
export async function listObjects(
  deps: ListingDeps,
  resource: Resource,
  namespace: string,
  query: ListQuery,
  predicate: Predicate,
  list: ListUnderWay,
): Promise<ListResult> {
  const prefix = listPrefix(resource, namespace);
  if (query.continue !== '') return await continued(deps, resource, prefix, query, predicate, list);
  const revision = parseRevision(query.resourceVersion);
  const exact =
    revision > 0 && (query.resourceVersionMatch === 'Exact' || (query.resourceVersionMatch === '' && query.limit > 0));
  if (exact && !Number.isSafeInteger(revision)) throw tooLarge(BigInt(query.resourceVersion), deps.feed.revision);
  if (exact) return await listAt(deps, resource, prefix, prefix, revision, query.limit, predicate, list);
  if (query.resourceVersion === '') await deps.feed.fresh();
  else await untilNotOlderThan(deps.feed, query.resourceVersion);
  return await fromCache(deps, resource, prefix, prefix, query.limit, predicate);
}

/**
 * Waits until the caches are at least at a revision.
 * @param resourceVersion as the client wrote it
 * @throws ApiError 400 as `parseRevision`; 504 `Timeout` with upstream's cause when the revision is not reached in time
 */
export async function untilNotOlderThan(feed: CacheFeed, resourceVersion: string): Promise<void> {
  if (await feed.reachInTime(parseRevision(resourceVersion))) return;
  throw tooLarge(BigInt(resourceVersion), feed.revision);
}

function tooLarge(revision: number | bigint, current: number): ApiError {
  return failure(504, 'Timeout', `Timeout: Too large resource version: ${revision}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });
}

async function continued(
  deps: ListingDeps,
  resource: Resource,
  prefix: string,
  query: ListQuery,
  predicate: Predicate,
  list: ListUnderWay,
): Promise<ListResult> {
  const token = decodeContinue(query.continue);
  if (query.resourceVersion !== '' && query.resourceVersion !== '0')
    throw badRequest('specifying resource version is not allowed when using continue');
  const startKey = `${prefix}${token.startKey.replace(/^\//, '')}`;
  if (token.revision < 0) {
    await deps.feed.fresh();
    return await fromCache(deps, resource, prefix, startKey, query.limit, predicate);
  }
  if (!Number.isSafeInteger(token.revision)) throw tooLarge(token.revision, deps.feed.revision);
  try {
    return await listAt(deps, resource, prefix, startKey, token.revision, query.limit, predicate, list);
  } catch (error) {
    if (!(error instanceof ApiError) || error.reason !== 'Expired') throw error;
    // The generated type calls every `metadata` ObjectMeta; a Status carries ListMeta.
    const metadata = { continue: encodeContinue({ ...token, revision: -1 }) } as unknown as Status['metadata'];
    throw new ApiError({ ...expired(compactedContinueMessage).status, metadata });
  }
}

async function fromCache(
  { feed, catalog }: ListingDeps,
  resource: Resource,
  prefix: string,
  startKey: string,
  limit: number,
  predicate: Predicate,
): Promise<ListResult> {
  await prepared({ feed, catalog }, resource, prefix, startKey);
  const items: CachedObject[] = [];
  let last = '';
  let remaining = 0;
  for (const stored of feed.cache(resource.storagePrefix).range(prefix, startKey)) {
    if (limit > 0 && items.length >= limit) {
      remaining++;
      if (!predicate.empty) break;
      continue;
    }
    const object = catalog.fromStored(resource, stored);
    if (!predicate.matches(object)) continue;
    items.push(object);
    last = stored.key;
  }
  return page(items, feed.revision, prefix, last, remaining, predicate);
}

/**
 * Converts what is to be shown, where that takes time. From its end on, up to the next await, all objects can be shown.
 * @throws ApiError 500 when they cannot be converted
 */
export async function prepared(
  { feed, catalog }: Pick<ListingDeps, 'feed' | 'catalog'>,
  resource: Resource,
  prefix: string,
  startKey = prefix,
): Promise<void> {
  for (;;) {
    const converting = catalog.prepare(resource, feed.cache(resource.storagePrefix).range(prefix, startKey));
    if (converting === undefined) return;
    await converting;
  }
}

function page(
  items: CachedObject[],
  revision: number,
  prefix: string,
  last: string,
  remaining: number,
  predicate: Predicate,
): ListResult {
  if (remaining === 0) return { items, revision, continue: '', remaining: undefined };
  const token = encodeContinue({ revision, startKey: `${last.slice(prefix.length)}\0` });
  return { items, revision, continue: token, remaining: predicate.empty ? remaining : undefined };
}

async function listAt(
  deps: ListingDeps,
  resource: Resource,
  prefix: string,
  startKey: string,
  revision: number,
  limit: number,
  predicate: Predicate,
  list: ListUnderWay,
): Promise<ListResult> {
  const items: CachedObject[] = [];
  for (let start = startKey; ; ) {
    const chunk = await rangeAt(deps.store, prefix, start, revision, limit);
    let last = '';
    const read = chunk.entries.map((entry) => {
      const cached = deps.feed.cache(resource.storagePrefix).get(entry.key);
      return { entry, cached, stored: cached?.revision === entry.modRevision ? cached : decodeEntry(deps, resource, entry) };
    });
    await deps.catalog.prepare(
      resource,
      read.map(({ stored }) => stored),
    );
    for (const [index, { entry, cached, stored }] of read.entries()) {
      last = entry.key;
      const object = stored === undefined ? undefined : deps.catalog.fromStored(resource, stored);
      if (object !== undefined && predicate.matches(object)) {
        items.push(object);
        if (stored !== cached) list.addOwn(entry.value.byteLength);
      }
      const rest = chunk.entries.length - index - 1 + (chunk.more ? 1 : 0);
      if (limit > 0 && items.length >= limit && rest > 0) {
        const remaining = await countAfter(deps.store, prefix, last, revision);
        return page(items, revision, prefix, last, remaining, predicate);
      }
    }
    if (!chunk.more) return page(items, revision, prefix, last, 0, predicate);
    start = `${last}\0`;
  }
}

/** Decodes a stored object; undefined when that fails: the object is left out, as in the caches, so that the others can be listed. */
function decodeEntry({ decode, log }: ListingDeps, resource: Resource, entry: StoreEntry): CachedObject | undefined {
  try {
    return new CachedObject(
      entry.key,
      entry.modRevision,
      withRevision(decode(resource.storagePrefix, entry.value), entry.modRevision),
    );
  } catch (error) {
    log.error({ err: error, key: entry.key }, 'stored value cannot be decoded; it is left out');
    return undefined;
  }
}

async function countAfter(store: Store, prefix: string, key: string, revision: number): Promise<number> {
  const rest = await rangeAt(store, prefix, `${key}\0`, revision, 1);
  return rest.count;
}

async function rangeAt(store: Store, prefix: string, startKey: string, revision: number, limit: number) {
  try {
    return await store.range({ prefix, startKey, revision, limit: limit > 0 ? Math.max(limit, 100) : storeChunk });
  } catch (error) {
    if (error instanceof CompactedError) {
      throw expired(
        `The provided from parameter is too old to display a consistent list result. You must start a new list without the from.`,
      );
    }
    if (error instanceof FutureRevisionError) throw tooLarge(revision, error.currentRevision);
    throw error;
  }
}
