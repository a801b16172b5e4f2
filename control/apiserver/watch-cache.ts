/**
 * The watch cache of one storage prefix: the current objects in key order, and the recent changes, from which lists and
 * watches are served without asking the store.
 *
 * Source: apiserver `pkg/storage/cacher` (watch_cache.go: a window of events at least 75 s long, errors on too old revisions).
 */
import { expired } from '#api/status.ts';
import type { CachedObject } from './cached-object.ts';

export interface CacheEvent {
  revision: number;
  /** The state after the change; undefined: deleted. */
  current: CachedObject | undefined;
  /** The state before; undefined: created. */
  previous: CachedObject | undefined;
  atMs: number;
}

export interface WatchCacheLimits {
  /** Events are kept at least this long … */
  windowMs: number;
  /** … and at least so many … */
  minEvents: number;
  /** … but never more than so many. */
  maxEvents: number;
  /** A watcher that lags behind by more than this is cut off, and resumes by resourceVersion. */
  maxQueuedEvents: number;
}

export const defaultLimits: WatchCacheLimits = { windowMs: 75_000, minEvents: 100, maxEvents: 8192, maxQueuedEvents: 4096 };

export class WatchCache {
  readonly prefix: string;
  readonly #limits: WatchCacheLimits;
  #objects = new Map<string, CachedObject>();
  #keys: string[] = [];
  #events: CacheEvent[] = [];
  /** Every change above this revision is in `#events`. */
  #windowStart = 0;
  #watchers = new Set<CacheWatcher>();

  constructor(prefix: string, limits: WatchCacheLimits) {
    this.prefix = `${prefix}/`;
    this.#limits = limits;
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

  /** In key order, those under `keyPrefix`; from `startKey` on. */
  *range(keyPrefix: string, startKey = keyPrefix): Generator<CachedObject> {
    for (let index = lowerBound(this.#keys, startKey); index < this.#keys.length; index++) {
      const key = this.#keys[index] ?? '';
      if (!key.startsWith(keyPrefix)) return;
      const found = this.#objects.get(key);
      if (found !== undefined) yield found;
    }
  }

  /** Replaces everything; watchers end, since what lies between is unknown. */
  replace(objects: Iterable<CachedObject>, revision: number): void {
    this.#objects = new Map();
    for (const object of objects) this.#objects.set(object.key, object);
    this.#keys = [...this.#objects.keys()].sort(byteOrder);
    this.#events = [];
    this.#windowStart = revision;
    for (const watcher of this.#watchers) watcher.close();
  }

  apply(event: CacheEvent): void {
    const key = (event.current ?? event.previous)?.key ?? '';
    if (event.previous !== undefined && event.current === undefined) {
      this.#objects.delete(key);
      const index = lowerBound(this.#keys, key);
      if (this.#keys[index] === key) this.#keys.splice(index, 1);
    } else if (event.current !== undefined) {
      if (!this.#objects.has(key)) this.#keys.splice(lowerBound(this.#keys, key), 0, key);
      this.#objects.set(key, event.current);
    }
    this.#events.push(event);
    this.#trim(event.atMs);
    for (const watcher of this.#watchers) watcher.push(event);
  }

  #trim(nowMs: number): void {
    const { windowMs, minEvents, maxEvents } = this.#limits;
    let drop = 0;
    while (
      this.#events.length - drop > maxEvents ||
      (this.#events.length - drop > minEvents && (this.#events[drop]?.atMs ?? nowMs) < nowMs - windowMs)
    ) {
      drop++;
    }
    // Cutting the array one event at a time would make every write cost the length of the window.
    if (drop <= Math.min(256, maxEvents >> 2)) return;
    this.#windowStart = this.#events[drop - 1]?.revision ?? this.#windowStart;
    this.#events = this.#events.slice(drop);
  }

  /**
   * Changes after `revision`, then all later ones as they come.
   * @throws ApiError 410 `Expired` when changes after `revision` are no longer known
   */
  watch(revision: number): CacheWatcher {
    if (revision < this.#windowStart) throw expired(`too old resource version: ${revision} (${this.#windowStart})`);
    const backlog = this.#events.filter((event) => event.revision > revision);
    const watcher = new CacheWatcher(backlog, revision, this.#limits.maxQueuedEvents, () => this.#watchers.delete(watcher));
    this.#watchers.add(watcher);
    return watcher;
  }

  /** Ends all watches, for a graceful shutdown. */
  close(): void {
    for (const watcher of this.#watchers) watcher.close();
  }
}

/** A reader of the stream of changes with a bounded queue. */
export class CacheWatcher {
  #queue: CacheEvent[];
  #closed = false;
  #wake: (() => void) | undefined;
  readonly #after: number;
  readonly #maxQueued: number;
  readonly #backlog: number;
  readonly #onClose: () => void;

  constructor(backlog: CacheEvent[], after: number, maxQueued: number, onClose: () => void) {
    this.#queue = backlog;
    this.#backlog = backlog.length;
    this.#after = after;
    this.#maxQueued = maxQueued;
    this.#onClose = onClose;
  }

  push(event: CacheEvent): void {
    if (event.revision <= this.#after) return;
    if (this.#queue.length >= this.#maxQueued + this.#backlog) {
      this.close();
      return;
    }
    this.#queue.push(event);
    this.poke();
  }

  /** Makes a pending {@link untilSomething} return. */
  poke(): void {
    this.#wake?.();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Everything queued, without waiting. */
  take(): CacheEvent[] {
    const taken = this.#queue;
    this.#queue = [];
    return taken;
  }

  /** Resolves when there are events, on {@link poke}, and when the watcher is closed. */
  async untilSomething(): Promise<void> {
    if (this.#queue.length > 0 || this.#closed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await promise;
    this.#wake = undefined;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onClose();
    this.poke();
  }
}

/** etcd's order: keys are ASCII here, so code units compare as bytes. */
const byteOrder = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] ?? '') < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
