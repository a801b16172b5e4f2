/**
 * Watches: the events of one resource as one client's selectors see them.
 *
 *   (initial objects) ─▶ (bookmark `initial-events-end`) ─▶ changes … bookmarks … ─▶ end (timeout, client, cut off, error)
 *
 * Source: kubernetes.io, API concepts ("efficient detection of changes", "streaming lists"); KEP-3157.
 */

import { errorText } from '#api/error-text.ts';
import type { Resource } from '#api/resources.ts';
import { ApiError, unknownError } from '#api/status.ts';
import type { Status } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import type { CacheFeed } from '../cache/cache-feed.ts';
import type { CachedObject } from '../cache/cached-object.ts';
import type { CacheEvent } from '../cache/change-window.ts';
import type { CacheWatcher } from '../cache/watch-cache.ts';
import type { KindCatalog } from '../catalog.ts';
import { listPrefix } from '../registry/object-keys.ts';
import { type ListQuery, parseRevision } from './list-options.ts';
import { prepared, untilNotOlderThan } from './listing.ts';
import type { Predicate } from './predicate.ts';

/** An event of a watch, before it is encoded. */
export type ServedEvent =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: CachedObject; isInitial?: boolean }
  | { type: 'BOOKMARK'; revision: number; initialEventsEnd: boolean }
  | { type: 'ERROR'; status: Status };

/** What watches are made of. */
export interface WatchingDeps {
  catalog: Pick<KindCatalog, 'fromStored' | 'isRemote' | 'prepare'>;
  feed: CacheFeed;
  clock: Clock;
  random: () => number;
}

/** How often a watch that allows bookmarks gets one, as upstream. */
export const bookmarkIntervalMs = 60_000;
/** kube-apiserver `--min-request-timeout`: a watch without timeoutSeconds lasts this long to twice this long. */
const minTimeoutMs = 1_800_000;

/** How many initial events are made at a time: so many objects are held for a client that does not read. */
const initialBatch = 32;

/** What a watch asks for. */
export interface WatchQuestion {
  resource: Resource;
  namespace: string;
  query: ListQuery;
  predicate: Predicate;
  /** The events are not encoded. Default false. */
  takesObjects?: boolean;
}

type WatchState =
  | { kind: 'new' }
  | { kind: 'initial'; watcher: CacheWatcher; initial: Iterator<ServedEvent> }
  | { kind: 'following'; watcher: CacheWatcher }
  | { kind: 'ended' };

/**
 * The events of one watch. `convert` turns a batch of events into pieces, and `next` gives one piece. The watch ends when `signal` aborts, at
 * its timeout, or when the client is too slow; `over` then aborts, also while nobody calls `next`. A resourceVersion that is too old is an
 * ERROR event of the stream, as upstream does.
 *
 *     new ──next()──▶ initial ──all taken──▶ following ──closed──▶ ended
 *
 * It is no generator, because each change goes to hundreds of watchers, and a generator on the way costs more than encrypting the change.
 */
export class WatchStream<Piece> implements AsyncIterableIterator<Piece> {
  readonly #deps: WatchingDeps;
  readonly #question: WatchQuestion;
  readonly #prefix: string;
  readonly #convert: (events: ServedEvent[]) => Iterable<Piece>;
  readonly #signal: AbortSignal;
  readonly #over = new AbortController();
  readonly #begun = Promise.withResolvers<void>();
  #state: WatchState = { kind: 'new' };
  #pieces: Iterator<Piece> = [].values();
  #waiting: PromiseWithResolvers<IteratorResult<Piece>> | undefined;
  #isBookmarkDue = false;
  #isPreparing = false;
  #cancelBookmark = (): void => {};
  #cancelTimeout = (): void => {};

  constructor(
    deps: WatchingDeps,
    question: WatchQuestion,
    convert: (events: ServedEvent[]) => Iterable<Piece>,
    signal: AbortSignal,
  ) {
    this.#deps = deps;
    this.#question = question;
    this.#prefix = listPrefix(question.resource, question.namespace);
    this.#convert = convert;
    this.#signal = signal;
    signal.addEventListener('abort', this.#stop, { once: true });
    if (signal.aborted) this.#stop();
  }

  /** Resolves when the initial events have been taken, or the watch has ended. */
  get begun(): Promise<void> {
    return this.#begun.promise;
  }

  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** The next piece. To be called again only when the promise has settled. */
  next(): Promise<IteratorResult<Piece>> {
    if (this.#state.kind === 'new') return this.#first();
    try {
      const found = this.#take();
      if (found !== undefined) return Promise.resolve(found);
    } catch (error) {
      this.#stop();
      return Promise.reject(error);
    }
    this.#waiting = Promise.withResolvers();
    return this.#waiting.promise;
  }

  async #first(): Promise<IteratorResult<Piece>> {
    try {
      await this.#begin();
    } catch (error) {
      this.#stop();
      throw error;
    }
    return await this.next();
  }

  return(): Promise<IteratorResult<Piece>> {
    this.#stop();
    this.#pieces = [].values();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #begin(): Promise<void> {
    const { clock, random } = this.#deps;
    const { query } = this.#question;
    let start: WatchStart;
    try {
      start = await startWatch(this.#deps, this.#question);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#pieces = this.#convert([{ type: 'ERROR', status: error.status }])[Symbol.iterator]();
      this.#state = { kind: 'ended' };
      return;
    }
    if (this.#over.signal.aborted) {
      start.watcher.close();
      return;
    }
    this.#state = { kind: 'initial', ...start };
    const timeoutMs = query.timeoutSeconds === undefined ? minTimeoutMs * (1 + random()) : query.timeoutSeconds * 1000;
    this.#cancelTimeout = clock.after(timeoutMs, this.#stop);
    start.watcher.onChange(this.#wake);
    if (query.allowWatchBookmarks) this.#scheduleBookmark();
  }

  #scheduleBookmark(): void {
    this.#cancelBookmark = this.#deps.clock.after(bookmarkIntervalMs, () => {
      this.#isBookmarkDue = true;
      this.#wake();
    });
  }

  /** Resolves the waiting call of `next`, if there is now a piece for it. */
  readonly #wake = (): void => {
    const waiting = this.#waiting;
    if (waiting === undefined) {
      // `next` may never be called again, so the watch ends here.
      if (this.#isClosed) this.#stop();
      return;
    }
    try {
      const found = this.#take();
      if (found === undefined) return;
      this.#waiting = undefined;
      waiting.resolve(found);
    } catch (error) {
      this.#waiting = undefined;
      this.#stop();
      waiting.reject(error);
    }
  };

  get #isClosed(): boolean {
    return 'watcher' in this.#state && this.#state.watcher.closed;
  }

  /** The next piece, or the end; undefined: there is no piece yet. */
  #take(): IteratorResult<Piece> | undefined {
    for (;;) {
      // A batch is sent to its end also when the watch has ended: no client can read half a frame.
      const piece = this.#pieces.next();
      if (piece.done !== true) return piece;
      if (this.#isClosed) this.#stop();
      const state = this.#state;
      switch (state.kind) {
        case 'initial': {
          const batch = next(state.initial);
          if (batch.length === 0) {
            this.#state = { kind: 'following', watcher: state.watcher };
            this.#begun.resolve();
          } else this.#pieces = this.#convert(batch)[Symbol.iterator]();
          break;
        }
        case 'following': {
          if (!this.#isPrepared(state.watcher)) return undefined;
          const batch = this.#changes(state.watcher);
          if (batch.length > 0) this.#pieces = this.#convert(batch)[Symbol.iterator]();
          else if (!state.watcher.hasMore && !state.watcher.closed) return undefined;
          break;
        }
        case 'ended':
          this.#stop();
          return { done: true, value: undefined };
        case 'new':
          return undefined;
      }
    }
  }

  /** Whether the changes that come next can be shown. If they have to be converted first, the watch goes on when that is done. */
  #isPrepared(watcher: CacheWatcher): boolean {
    const { catalog } = this.#deps;
    const { resource } = this.#question;
    if (!catalog.isRemote(resource)) return true;
    if (this.#isPreparing) return false;
    const next = watcher.upcoming().flatMap(({ previous, current }) => [previous, current]);
    const converting = catalog.prepare(
      resource,
      next.filter((one) => one?.key.startsWith(this.#prefix) === true),
    );
    if (converting === undefined) return true;
    this.#isPreparing = true;
    void converting
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#isPreparing = false;
        this.#wake();
      });
    return false;
  }

  /** Ends the watch with an error event. */
  #fail(error: unknown): void {
    const { status } = error instanceof ApiError ? error : unknownError(errorText(error));
    const state = this.#state;
    if (state.kind === 'ended') return;
    this.#pieces = this.#convert([{ type: 'ERROR', status }])[Symbol.iterator]();
    this.#state = { kind: 'ended' };
    if ('watcher' in state) state.watcher.close();
  }

  #changes(watcher: CacheWatcher): ServedEvent[] {
    const served: ServedEvent[] = [];
    for (const event of watcher.take()) {
      const seen = view(this.#deps, this.#question, this.#prefix, event);
      if (seen !== undefined) served.push(seen);
    }
    if (this.#isBookmarkDue && !watcher.hasMore) {
      this.#isBookmarkDue = false;
      this.#scheduleBookmark();
      // All changes have been taken, with no await since, so the watch has everything up to the cache's revision.
      served.push({ type: 'BOOKMARK', revision: this.#deps.feed.revision, initialEventsEnd: false });
    }
    return served;
  }

  readonly #stop = (): void => {
    const state = this.#state;
    this.#state = { kind: 'ended' };
    this.#begun.resolve();
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    this.#cancelTimeout();
    this.#cancelBookmark();
    this.#signal.removeEventListener('abort', this.#stop);
    if ('watcher' in state) state.watcher.close();
    this.#waiting?.resolve({ done: true, value: undefined });
    this.#waiting = undefined;
  };
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
  { resource, namespace, query, predicate, takesObjects }: WatchQuestion,
): Promise<WatchStart> {
  const { feed } = deps;
  const revision = parseRevision(query.resourceVersion);
  const wantsState = query.sendInitialEvents ?? revision === 0;
  if (query.resourceVersion === '') await feed.fresh();
  else if (query.sendInitialEvents === true) await untilNotOlderThan(feed, query.resourceVersion);
  else await feed.ready;
  if (wantsState) await prepared(deps, resource, listPrefix(resource, namespace));
  const cache = feed.cache(resource.storagePrefix);
  // From here on there is no await, so no change can come between the initial state and the stream.
  if (!wantsState) return { watcher: cache.watch(revision === 0 ? feed.revision : revision, takesObjects), initial: [].values() };
  const state = cache.range(listPrefix(resource, namespace));
  const bookmark = query.sendInitialEvents === true && query.allowWatchBookmarks;
  return {
    watcher: cache.watch(feed.revision, takesObjects),
    initial: initialEvents(deps, resource, state, predicate, bookmark ? feed.revision : undefined),
  };
}

/** The initial events, each made when the client takes it. The objects held meanwhile are shared with the cache. */
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

/** The event that a change is for this watch: an object that begins to match its selectors is added, one that ceases to match is deleted. */
function view(
  { catalog }: WatchingDeps,
  { resource, predicate }: WatchQuestion,
  prefix: string,
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
  // All watchers of this change share the object, so that it is encoded once.
  return { type: 'DELETED', object: previous.derived(`deleted@${event.revision}`, () => previous.at(event.revision)) };
}
