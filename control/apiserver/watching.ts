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
import type { CacheFeed } from './cache-feed.ts';
import type { CachedObject } from './cached-object.ts';
import { fromStoredView } from './events-view.ts';
import { type ListQuery, parseRevision } from './list-options.ts';
import { untilNotOlderThan } from './listing.ts';
import { listPrefix } from './object-keys.ts';
import type { Predicate } from './predicate.ts';
import type { CacheEvent, CacheWatcher } from './watch-cache.ts';

export type ServedEvent =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: CachedObject }
  | { type: 'BOOKMARK'; revision: number; initialEventsEnd: boolean }
  | { type: 'ERROR'; status: Status };

export interface WatchingDeps {
  feed: CacheFeed;
  clock: Clock;
  random: () => number;
}

export const bookmarkIntervalMs = 60_000;
/** kube-apiserver `--min-request-timeout`: a watch without timeoutSeconds lasts this long to twice this long. */
const minTimeoutMs = 1_800_000;

/**
 * Batches of events, as they come. Ends when `signal` aborts, after the timeout, or when the client does not keep up.
 * A resourceVersion that is gone is told within the stream, as upstream does.
 */
export async function* watchObjects(
  deps: WatchingDeps,
  resource: Resource,
  namespace: string,
  query: ListQuery,
  predicate: Predicate,
  signal: AbortSignal,
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
  signal.addEventListener('abort', stop, { once: true });
  const timeoutMs = query.timeoutSeconds === undefined ? minTimeoutMs * (1 + deps.random()) : query.timeoutSeconds * 1000;
  const cancelTimeout = deps.clock.after(timeoutMs, stop);
  try {
    if (signal.aborted) return;
    if (initial.length > 0) yield initial;
    yield* follow(deps, resource, namespace, query, predicate, watcher);
  } finally {
    cancelTimeout();
    signal.removeEventListener('abort', stop);
    watcher.close();
  }
}

interface WatchStart {
  watcher: CacheWatcher;
  initial: ServedEvent[];
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
  if (!wantsState) return { watcher: cache.watch(revision === 0 ? feed.revision : revision), initial: [] };
  const initial: ServedEvent[] = [];
  for (const stored of cache.range(listPrefix(resource, namespace))) {
    const object = fromStoredView(resource, stored);
    if (predicate.matches(object)) initial.push({ type: 'ADDED', object });
  }
  if (query.sendInitialEvents === true && query.allowWatchBookmarks) {
    initial.push({ type: 'BOOKMARK', revision: feed.revision, initialEventsEnd: true });
  }
  return { watcher: cache.watch(feed.revision), initial };
}

async function* follow(
  { feed, clock }: WatchingDeps,
  resource: Resource,
  namespace: string,
  query: ListQuery,
  predicate: Predicate,
  watcher: CacheWatcher,
): AsyncGenerator<ServedEvent[]> {
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
      const served = watcher.take().flatMap((event) => view(resource, prefix, predicate, event) ?? []);
      if (bookmarkDue) {
        bookmarkDue = false;
        schedule();
        // The queue is empty and nothing awaited since: everything up to the cache's revision has been told.
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
function view(resource: Resource, prefix: string, predicate: Predicate, event: CacheEvent): ServedEvent | undefined {
  const key = (event.current ?? event.previous)?.key ?? '';
  if (!key.startsWith(prefix)) return undefined;
  const current = event.current === undefined ? undefined : fromStoredView(resource, event.current);
  const previous = event.previous === undefined ? undefined : fromStoredView(resource, event.previous);
  const matches = current !== undefined && predicate.matches(current);
  const matched = previous !== undefined && predicate.matches(previous);
  if (matches) return { type: matched ? 'MODIFIED' : 'ADDED', object: current };
  if (!matched) return undefined;
  // Shared by all watchers of this change, so that it is encoded once.
  return { type: 'DELETED', object: previous.derived(`deleted@${event.revision}`, () => previous.at(event.revision)) };
}
