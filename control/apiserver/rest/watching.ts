/**
 * Watches: the events of one resource as one client's selectors see them.
 *
 *   (initial objects) ─▶ (bookmark `initial-events-end`) ─▶ changes … bookmarks … ─▶ end (timeout, client, cut off, error)
 *
 * Source: kubernetes.io, API concepts ("efficient detection of changes", "streaming lists"); KEP-3157.
 */

import type { Resource } from '#api/resources.ts';
import { ApiError } from '#api/status.ts';
import type { Status } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import type { CacheFeed } from '../cache/cache-feed.ts';
import type { CachedObject } from '../cache/cached-object.ts';
import type { CacheEvent } from '../cache/change-window.ts';
import type { CacheWatcher } from '../cache/watch-cache.ts';
import type { KindCatalog } from '../catalog.ts';
import { listPrefix } from '../registry/object-keys.ts';
import { type ListQuery, parseRevision } from './list-options.ts';
import { untilNotOlderThan } from './listing.ts';
import type { Predicate } from './predicate.ts';

export type ServedEvent =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: CachedObject; isInitial?: boolean }
  | { type: 'BOOKMARK'; revision: number; initialEventsEnd: boolean }
  | { type: 'ERROR'; status: Status };

export interface WatchingDeps {
  catalog: Pick<KindCatalog, 'fromStored'>;
  feed: CacheFeed;
  clock: Clock;
  random: () => number;
}

export const bookmarkIntervalMs = 60_000;
/** kube-apiserver `--min-request-timeout`: a watch without timeoutSeconds lasts this long to twice this long. */
const minTimeoutMs = 1_800_000;

/** Initial events at a time: so many objects are held for a client that does not read. */
const initialBatch = 32;

/**
 * Batches of events, as they come. Ends when `signal` aborts, after the timeout, or when the client does not keep up.
 * A resourceVersion that is gone is told within the stream, as upstream does.
 * @param over called when the watch ends, also while nobody asks for its next batch
 */
export async function* watchObjects(
  deps: WatchingDeps,
  resource: Resource,
  namespace: string,
  query: ListQuery,
  predicate: Predicate,
  signal: AbortSignal,
  over: () => void,
): AsyncGenerator<ServedEvent[]> {
  let start: WatchStart;
  try {
    start = await startWatch(deps, resource, namespace, query, predicate);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    yield [{ type: 'ERROR', status: error.status }];
    return;
  }
  const { watcher, initial } = start;
  const stop = (): void => watcher.close();
  watcher.over.addEventListener('abort', over, { once: true });
  signal.addEventListener('abort', stop, { once: true });
  const timeoutMs = query.timeoutSeconds === undefined ? minTimeoutMs * (1 + deps.random()) : query.timeoutSeconds * 1000;
  const cancelTimeout = deps.clock.after(timeoutMs, stop);
  try {
    if (signal.aborted) return;
    for (let batch = next(initial); batch.length > 0 && !watcher.closed; batch = next(initial)) yield batch;
    yield* follow(deps, resource, namespace, query, predicate, watcher);
  } finally {
    cancelTimeout();
    signal.removeEventListener('abort', stop);
    watcher.close();
  }
}

interface WatchStart {
  watcher: CacheWatcher;
  initial: Iterator<ServedEvent>;
}

function next(events: Iterator<ServedEvent>): ServedEvent[] {
  const batch: ServedEvent[] = [];
  while (batch.length < initialBatch) {
    const { value, done } = events.next();
    if (done === true) break;
    batch.push(value);
  }
  return batch;
}

async function startWatch(
  deps: WatchingDeps,
  resource: Resource,
  namespace: string,
  query: ListQuery,
  predicate: Predicate,
): Promise<WatchStart> {
  const { feed } = deps;
  const revision = parseRevision(query.resourceVersion);
  const wantsState = query.sendInitialEvents ?? revision === 0;
  if (query.resourceVersion === '') await feed.fresh();
  else if (query.sendInitialEvents === true) await untilNotOlderThan(feed, revision);
  else await feed.ready;
  const cache = feed.cache(resource.storagePrefix);
  // From here to the end nothing awaits: state and stream join without a gap.
  if (!wantsState) return { watcher: cache.watch(revision === 0 ? feed.revision : revision), initial: [].values() };
  const state = cache.range(listPrefix(resource, namespace));
  const bookmark = query.sendInitialEvents === true && query.allowWatchBookmarks;
  return {
    watcher: cache.watch(feed.revision),
    initial: initialEvents(deps, resource, state, predicate, bookmark ? feed.revision : undefined),
  };
}

/** Made as the client takes them: what is held meanwhile is shared with the cache. */
function* initialEvents(
  { catalog }: WatchingDeps,
  resource: Resource,
  state: Iterable<CachedObject>,
  predicate: Predicate,
  bookmark: number | undefined,
): Generator<ServedEvent> {
  for (const stored of state) {
    const object = catalog.fromStored(resource, stored);
    if (predicate.matches(object)) yield { type: 'ADDED', object, isInitial: true };
  }
  if (bookmark !== undefined) yield { type: 'BOOKMARK', revision: bookmark, initialEventsEnd: true };
}

async function* follow(
  deps: WatchingDeps,
  resource: Resource,
  namespace: string,
  query: ListQuery,
  predicate: Predicate,
  watcher: CacheWatcher,
): AsyncGenerator<ServedEvent[]> {
  const { feed, clock } = deps;
  const prefix = listPrefix(resource, namespace);
  let bookmarkDue = false;
  let cancel = (): void => {};
  const schedule = (): void => {
    cancel = clock.after(bookmarkIntervalMs, () => {
      bookmarkDue = true;
      watcher.poke();
    });
  };
  if (query.allowWatchBookmarks) schedule();
  try {
    while (!watcher.closed) {
      const served = watcher.take().flatMap((event) => view(deps, resource, prefix, predicate, event) ?? []);
      if (bookmarkDue && !watcher.hasMore) {
        bookmarkDue = false;
        schedule();
        // Nothing is left and nothing awaited since: everything up to the cache's revision has been told.
        served.push({ type: 'BOOKMARK', revision: feed.revision, initialEventsEnd: false });
      }
      if (served.length > 0) yield served;
      if (!bookmarkDue) await watcher.untilSomething();
    }
  } finally {
    cancel();
  }
}

/** What a change of the store is for this client: an object that begins or ceases to match is added or deleted for it. */
function view(
  { catalog }: WatchingDeps,
  resource: Resource,
  prefix: string,
  predicate: Predicate,
  event: CacheEvent,
): ServedEvent | undefined {
  const key = (event.current ?? event.previous)?.key ?? '';
  if (!key.startsWith(prefix)) return undefined;
  const current = event.current === undefined ? undefined : catalog.fromStored(resource, event.current);
  const previous = event.previous === undefined ? undefined : catalog.fromStored(resource, event.previous);
  const matches = current !== undefined && predicate.matches(current);
  const matched = previous !== undefined && predicate.matches(previous);
  if (matches) return { type: matched ? 'MODIFIED' : 'ADDED', object: current };
  if (!matched) return undefined;
  // Shared by all watchers of this change, so that it is encoded once.
  return { type: 'DELETED', object: previous.derived(`deleted@${event.revision}`, () => previous.at(event.revision)) };
}
