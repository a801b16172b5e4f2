/**
 * The watch cache of one storage prefix: the current objects in key order, and the recent changes, from which lists and
 * watches are served without asking the store.
 *
 * Source: apiserver `pkg/storage/cacher` (watch_cache.go: errors on too old revisions; cache_watcher.go: a watcher that lags behind is cut off).
 */
import type { KubeObject } from '#api/meta.ts';
import { expired } from '#api/status.ts';
import type { CachedObject } from './cached-object.ts';
import { type CacheEvent, ChangeWindow, type WindowLimits } from './change-window.ts';
import { SortedObjects } from './sorted-objects.ts';
import { WatcherTurns } from './watcher-turns.ts';

/** The bounds of the watch caches. */
export interface WatchCacheLimits extends WindowLimits {
  /** A watcher that lags behind by more than this is cut off, and resumes by resourceVersion. */
  maxQueuedEvents: number;
  /** The stored size in bytes of the changes of all kinds together; the cache feed enforces it. */
  maxTotalBytes: number;
  /** Stored size in bytes of what lists that are being sent may hold besides the caches: objects of their own, and outdated objects, each. */
  maxListBytes: number;
}

/** The bounds of a server that sets none. */
export const defaultLimits: WatchCacheLimits = {
  windowMs: 75_000,
  minEvents: 100,
  maxEvents: 8192,
  maxBytes: 32 << 20,
  maxQueuedEvents: 4096,
  maxTotalBytes: 64 << 20,
  maxListBytes: 64 << 20,
};

/** Holds one kind's objects. Changed by the cache feed alone; objects that it hands out are shared and never changed. */
export class WatchCache {
  readonly prefix: string;
  readonly #limits: WatchCacheLimits;
  readonly #window: ChangeWindow;
  #objects = new SortedObjects();
  /** The cached result of {@link all}, cleared by each change. */
  #all: readonly KubeObject[] | undefined;
  readonly #watchers = new Set<CacheWatcher>();
  readonly #turns: WatcherTurns;
  #objectWatchers = 0;

  constructor(prefix: string, limits: WatchCacheLimits) {
    this.prefix = `${prefix}/`;
    this.#limits = limits;
    this.#turns = new WatcherTurns(this.#watchers);
    this.#window = new ChangeWindow(limits);
  }

  get(key: string): CachedObject | undefined {
    return this.#objects.get(key);
  }

  get size(): number {
    return this.#objects.size;
  }

  get watcherCount(): number {
    return this.#watchers.size;
  }

  /** The watchers to which changes are sent as bytes; those within the process take the objects. */
  get byteWatcherCount(): number {
    return this.#watchers.size - this.#objectWatchers;
  }

  /** The stored size in bytes of the changes that are kept. */
  get windowBytes(): number {
    return this.#window.bytes;
  }

  /** The objects under `keyPrefix` in key order, from `startKey` on, as they are at the moment of the call. */
  range(keyPrefix: string, startKey = keyPrefix): Generator<CachedObject> {
    return this.#objects.range(keyPrefix, startKey);
  }

  /** All objects in key order. The array is the same until something changes, for those who ask with every request. */
  all(): readonly KubeObject[] {
    this.#all ??= [...this.#objects.range(this.prefix)].map(({ object }) => object);
    return this.#all;
  }

  /** Replaces everything. All watchers end, because the changes in between are unknown. */
  replace(objects: Iterable<CachedObject>, revision: number): void {
    this.#objects = new SortedObjects(objects);
    this.#all = undefined;
    this.#window.reset(revision);
    for (const watcher of this.#watchers) watcher.close();
  }

  apply(event: CacheEvent): void {
    this.#all = undefined;
    if (event.current !== undefined) this.#objects.set(event.current);
    else if (event.previous !== undefined) this.#objects.delete(event.previous.key);
    this.#window.push(event);
    this.#turns.changed();
  }

  /**
   * Drops changes that are too old, and cuts off the watchers that have not read them, or that have been told of too many changes and not
   * taken them.
   */
  trim(nowMs: number): void {
    this.#window.trim(nowMs);
    const maxLag = this.#turns.isUnderWay ? Number.POSITIVE_INFINITY : this.#limits.maxQueuedEvents;
    for (const watcher of this.#watchers) if (watcher.lag > maxLag || watcher.isLost) watcher.close();
  }

  /** The revision of the oldest change in the window; undefined: the window is empty. */
  get oldestRevision(): number | undefined {
    return this.#window.oldestRevision;
  }

  /** Drops the oldest change, to make room for other kinds' changes; {@link trim} then cuts off the watchers that have not read it. */
  dropOldest(): void {
    this.#window.dropOldest();
  }

  /**
   * Changes after `revision`, then all later ones as they come.
   * @param takesObjects the watcher needs no bytes
   * @throws ApiError 410 `Expired` when changes after `revision` are no longer known
   */
  watch(revision: number, takesObjects = false): CacheWatcher {
    const { startRevision } = this.#window;
    if (revision < startRevision) throw expired(`too old resource version: ${revision} (${startRevision})`);
    const watcher = new CacheWatcher(this.#window, revision, () => {
      if (this.#watchers.delete(watcher) && takesObjects) this.#objectWatchers--;
    });
    this.#watchers.add(watcher);
    if (takesObjects) this.#objectWatchers++;
    return watcher;
  }

  /** Ends all watches, for a graceful shutdown. */
  close(): void {
    for (const watcher of this.#watchers) watcher.close();
  }
}

/** A reader of the stream of changes: a place in the window. */
export class CacheWatcher {
  readonly #window: ChangeWindow;
  /** Changes up to this revision are not passed on. It may be higher than the cache's: the client has seen a newer state elsewhere. */
  readonly #after: number;
  readonly #over = new AbortController();
  readonly #onClose: () => void;
  /** Where the window ended when the watch began: changes before it do not count as lag. */
  readonly #begin: number;
  #place: number;
  #listener = (): void => {};

  constructor(window: ChangeWindow, after: number, onClose: () => void) {
    this.#window = window;
    this.#after = after;
    this.#place = window.placeAfter(after);
    this.#begin = window.end;
    this.#onClose = onClose;
  }

  /** How many changes wait to be taken. */
  get lag(): number {
    return this.#window.end - Math.max(this.#place, this.#begin);
  }

  /** Whether the window has dropped changes that this watcher has not taken. */
  get isLost(): boolean {
    return this.#place < this.#window.first;
  }

  /** Sets the function that is called when there are changes to {@link take}, and when the watcher is closed. */
  onChange(listener: () => void): void {
    this.#listener = listener;
  }

  changed(): void {
    this.#listener();
  }

  get closed(): boolean {
    return this.#over.signal.aborted;
  }

  /** Aborts when the watcher is closed. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** Takes the next changes, up to about `maxBytes`, without waiting. Empty: all have been taken, or the watcher is closed. */
  take(maxBytes = 64 * 1024): CacheEvent[] {
    if (this.isLost) this.close();
    if (this.closed) return [];
    const taken = this.#window.from(this.#place, maxBytes);
    this.#place += taken.length;
    return taken.at(-1) === undefined || (taken[0]?.revision ?? 0) > this.#after
      ? taken
      : taken.filter(({ revision }) => revision > this.#after);
  }

  /** What {@link take} would give now. */
  upcoming(maxBytes = 64 * 1024): readonly CacheEvent[] {
    return this.isLost || this.closed ? [] : this.#window.from(this.#place, maxBytes);
  }

  get hasMore(): boolean {
    return this.#place < this.#window.end;
  }

  close(): void {
    if (this.closed) return;
    this.#over.abort();
    this.#onClose();
    this.#listener();
  }
}
