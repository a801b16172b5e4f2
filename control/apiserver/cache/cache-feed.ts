/**
 * Feeds every watch cache from one watch on the whole store, so that all caches stand at the same revision and a read can
 * wait until everything acknowledged before it is visible.
 *
 *   loading ──(range read)──▶ following ──(watch failed: compacted, store error)──▶ loading
 */
import { deepFreeze } from '#api/deep-freeze.ts';
import { errorText } from '#api/error-text.ts';
import type { KubeObject } from '#api/meta.ts';
import { failure, serviceUnavailable } from '#api/status.ts';
import { atOnce, type Steps } from '#api/steps.ts';
import type { Clock } from '#client/clock.ts';
import { sleep } from '#client/clock.ts';
import { type LeftOutReporter, leftOut } from '#client/left-out.ts';
import { inTurns, letOthersIn } from '#client/turns.ts';
import { StoreError } from '#control/store/errors.ts';
import type { Store, StoreEntry, StoreEvent } from '#control/store/store.ts';
import type { ServerLog } from '../serving/server-log.ts';
import { CachedObject } from './cached-object.ts';
import type { CacheEvent } from './change-window.ts';
import { EncodedBytes } from './encoded-bytes.ts';
import { ListsUnderWay } from './lists-under-way.ts';
import { jsonRestSteps, storedWithRevision } from './object-json.ts';
import { isLargeText } from './object-size.ts';
import { OwnWrites } from './own-writes.ts';
import { RevisionAsker } from './revision-asker.ts';
import { SharedParts } from './shared-parts.ts';
import { defaultLimits, WatchCache, type WatchCacheLimits } from './watch-cache.ts';

const registryPrefix = '/registry/';
/** Upstream waits this long for a revision from the future before it answers "Too large resource version". */
export const freshnessTimeoutMs = 3000;

/** How many objects are read at a time at the start. */
const loadedAtOnce = 1_000;

/** How often changes that are too old are dropped from the windows, also when no new change comes. */
const trimIntervalMs = 15_000;

/** What the feed needs. */
export interface CacheFeedDeps {
  store: Store;
  clock: Clock;
  log: ServerLog;
  /**
   * Decodes a stored value, step by step. Called exactly once for each version of each object that enters a cache.
   * @throws Error when the value is no object
   */
  decode(prefix: string, value: Uint8Array): Steps<KubeObject>;
  /** The kind that is stored under a prefix (`Pod`), for reports. */
  kindOf(prefix: string): string | undefined;
  /** For tests: freezes cached objects. They are shared by all readers, so code that changes one must throw. */
  freeze?: boolean;
  /** Receives all stored values that cannot be decoded, each time that one comes or goes. */
  leftOut?: LeftOutReporter | undefined;
}

/**
 * Follows the content of one cache. It is called in the same turn of the event loop as the change, before any watcher hears of it: for
 * indexes that must never lag behind the cache.
 */
export interface CacheFollower {
  /** Everything was read again from the store: `objects` is the whole content now. */
  replaced(objects: Iterable<CachedObject>): void;
  /** One object was created (no `previous`), updated or deleted (no `current`). */
  changed(event: Pick<CacheEvent, 'previous' | 'current'>): void;
}

/** All watch caches of the server, by storage prefix (`/registry/pods`). {@link CacheFeed.run} fills them and keeps them up to date. */
export class CacheFeed {
  readonly #deps: CacheFeedDeps;
  readonly #caches: Map<string, WatchCache>;
  readonly #limits: WatchCacheLimits;
  /** Prefixes whose cache is being filled ({@link CacheFeed.add}), with the changes that have come meanwhile. */
  readonly #joining = new Map<string, StoreEvent[]>();
  /** Caches that are being filled anew ({@link CacheFeed.renew}), with the changes that have come meanwhile. */
  readonly #renewing = new Map<string, StoreEvent[]>();
  /** By storage prefix; also of prefixes that have no cache yet. */
  readonly #followers = new Map<string, CacheFollower[]>();
  /** Encoded forms (JSON, protobuf) of objects of all kinds, kept while they are in use. */
  readonly #encoded = new EncodedBytes();
  readonly #parts = new SharedParts();
  readonly #asker: RevisionAsker;
  readonly #maxTotalBytes: number;
  /** Lists that are being sent. */
  readonly lists: ListsUnderWay;
  /** Told by whoever writes objects that are stored as they are served. */
  readonly ownWrites = new OwnWrites();
  #revision = 0;
  #waiters: { revision: number; resolve: () => void; reject: (error: Error) => void }[] = [];
  #stopped = false;
  /** Stored values that cannot be decoded: the reason, by key. */
  readonly #undecodable = new Map<string, string>();
  readonly #ready = Promise.withResolvers<void>();
  #isReady = false;

  constructor(deps: CacheFeedDeps, prefixes: Iterable<string>, limits: Partial<WatchCacheLimits> = {}) {
    this.#deps = deps;
    this.#asker = new RevisionAsker(deps.store, deps.clock);
    this.#limits = { ...defaultLimits, ...limits };
    const { maxTotalBytes, maxListBytes } = this.#limits;
    this.#maxTotalBytes = maxTotalBytes;
    this.lists = new ListsUnderWay({ maxOwnBytes: maxListBytes, maxOutdatedBytes: maxListBytes });
    this.#caches = new Map([...prefixes].map((prefix) => [prefix, new WatchCache(prefix, this.#limits)]));
  }

  /** Resolves once the first full read is in the caches. Rejects when the store is closed before. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Whether the first full read is in the caches. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** All changes up to this revision are in the caches. */
  get revision(): number {
    return this.#revision;
  }

  /** Why the stored value at this key cannot be decoded; undefined: it can, or there is none. Such a value is in no cache. */
  undecodable(key: string): string | undefined {
    return this.#undecodable.get(key);
  }

  /** Whether there are stored values under this prefix that cannot be decoded. */
  hasUndecodable(keyPrefix: string): boolean {
    return this.#undecodable.keys().some((key) => key.startsWith(keyPrefix));
  }

  /** The watch cache of a prefix. @throws ApiError 404 when there is none, because its kind is not served (any more) */
  cache(storagePrefix: string): WatchCache {
    const found = this.#caches.get(storagePrefix);
    if (found === undefined) throw failure(404, 'NotFound', 'the server could not find the requested resource', {});
    return found;
  }

  /** Adds a follower. To be called before {@link run}: a follower must see every change. Its cache may be added later. */
  follow(storagePrefix: string, follower: CacheFollower): void {
    this.#followers.set(storagePrefix, [...(this.#followers.get(storagePrefix) ?? []), follower]);
  }

  #replace(prefix: string, objects: readonly CachedObject[], revision: number): void {
    this.#caches.get(prefix)?.replace(objects, revision);
    for (const follower of this.#followers.get(prefix) ?? []) follower.replaced(objects);
  }

  /**
   * Adds a cache and fills it; the other caches go on meanwhile. Resolves once it can be read, at the same revision as the others.
   *
   *   joining ──(range read at r; all caches have reached r; what changed after r is applied)──▶ a cache like the others
   *      └──────(everything is read again meanwhile)───────────────────────────────────────────▶
   *
   * @throws Error when there is one already @throws StoreError when the read fails @throws ApiError 503 when the server shuts down before
   */
  async add(prefix: string): Promise<void> {
    if (this.#caches.has(prefix) || this.#joining.has(prefix)) throw new Error(`there already is a watch cache for ${prefix}`);
    if (!this.#isReady) {
      this.#caches.set(prefix, new WatchCache(prefix, this.#limits));
      return await this.#ready.promise;
    }
    const changes: StoreEvent[] = [];
    this.#joining.set(prefix, changes);
    try {
      const { revision, entries } = await this.#deps.store.range({ prefix: `${prefix}/` });
      // Before that, the new cache would show changes that a reader at the common revision must not see yet.
      await this.reach(revision);
      if (this.#joining.get(prefix) !== changes) return;
      this.#caches.set(prefix, new WatchCache(prefix, this.#limits));
      const objects = entries.flatMap((entry) => this.#decode(prefix, entry) ?? []);
      this.#replace(prefix, objects, revision);
      for (const event of changes) if (event.revision > revision) this.#apply(event);
      if (this.#undecodable.size > 0) this.#reportUndecodable();
    } finally {
      if (this.#joining.get(prefix) === changes) this.#joining.delete(prefix);
    }
  }

  /**
   * Fills a cache anew, because its objects are to be decoded in another way; it can be read all the time. Its watches end, those of others go on.
   * @param swap changes how objects are decoded; called when all has been read, in the turn in which the new objects are there
   * @throws StoreError when the read fails @throws ApiError 404 when there is no such cache, 503 when the server shuts down before
   */
  async renew(prefix: string, swap: () => void): Promise<void> {
    this.cache(prefix);
    const changes: StoreEvent[] = [];
    this.#renewing.set(prefix, changes);
    try {
      const { revision, entries } = await this.#deps.store.range({ prefix: `${prefix}/` });
      await this.reach(revision);
      if (this.#renewing.get(prefix) === changes) return this.#renewed(prefix, swap, revision, entries, changes);
    } finally {
      if (this.#renewing.get(prefix) === changes) this.#renewing.delete(prefix);
    }
    // Everything was read again meanwhile, in the old way.
    await this.renew(prefix, swap);
  }

  #renewed(
    prefix: string,
    swap: () => void,
    revision: number,
    entries: readonly StoreEntry[],
    changes: readonly StoreEvent[],
  ): void {
    const old = this.cache(prefix);
    swap();
    this.#renewing.delete(prefix);
    this.#forgetUndecodable(old.prefix);
    this.#caches.set(prefix, new WatchCache(prefix, this.#limits));
    old.close();
    this.#replace(
      prefix,
      entries.flatMap((entry) => this.#decode(prefix, entry) ?? []),
      revision,
    );
    for (const event of changes) if (event.revision > revision) this.#apply(event);
    this.#reportUndecodable();
  }

  /** Drops a cache and ends its watches; the others go on as they are. */
  remove(prefix: string): void {
    const cache = this.#caches.get(prefix);
    if (cache === undefined) return;
    this.#caches.delete(prefix);
    cache.close();
    for (const follower of this.#followers.get(prefix) ?? []) follower.replaced([]);
    if (this.#forgetUndecodable(cache.prefix)) this.#reportUndecodable();
  }

  /** @returns whether there were any */
  #forgetUndecodable(keyPrefix: string): boolean {
    const unread = [...this.#undecodable.keys()].filter((key) => key.startsWith(keyPrefix));
    for (const key of unread) this.#undecodable.delete(key);
    return unread.length > 0;
  }

  /**
   * Resolves once all writes acknowledged before this call, by whatever server, are in the caches.
   * @throws ApiError 503 when the server shuts down before @throws StoreError `unavailable` when the store does not tell its revision
   */
  async fresh(): Promise<void> {
    if (!this.#isReady) await this.#ready.promise;
    if (this.#stopped) throw shuttingDown();
    const asked = this.#asker.ask();
    const revision = typeof asked === 'number' ? asked : await asked;
    if (this.#revision < revision) await this.reach(revision);
  }

  /** Resolves once all changes up to `revision` are in the caches. @throws ApiError 503 when the server shuts down before */
  reach(revision: number): Promise<void> {
    if (this.#revision >= revision) return Promise.resolve();
    // Nothing moves the caches any more, so the wait would never end.
    if (this.#stopped) return Promise.reject(shuttingDown());
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiters.push({ revision, resolve, reject });
    return promise;
  }

  /** Whether the caches reach a revision that a client named, within {@link freshnessTimeoutMs}. */
  async reachInTime(revision: number): Promise<boolean> {
    await this.#ready.promise;
    if (this.#revision >= revision) return true;
    const timeout = Promise.withResolvers<boolean>();
    const cancel = this.#deps.clock.after(freshnessTimeoutMs, () => timeout.resolve(false));
    const reached = await Promise.race([this.reach(revision).then(() => true), timeout.promise]);
    cancel();
    return reached;
  }

  /**
   * Follows the store until `signal` aborts; then ends all watches.
   * @throws StoreError `closed`: the store has ended for good
   */
  async run(signal: AbortSignal): Promise<void> {
    const ended = new AbortController();
    const trimming = this.#trimRegularly(ended.signal);
    try {
      while (!signal.aborted) await this.#loadAndFollow(signal);
    } catch (error) {
      this.#ready.reject(error);
      throw error;
    } finally {
      this.#stopped = true;
      for (const waiter of this.#waiters.splice(0)) waiter.reject(shuttingDown());
      for (const cache of this.#caches.values()) cache.close();
      ended.abort();
      await trimming;
    }
  }

  /** Drops old changes and unused encoded forms in regular intervals, so that their memory is freed also when no new change comes. */
  async #trimRegularly(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(this.#deps.clock, trimIntervalMs, signal);
      this.#trim(this.#caches.values());
      this.#encoded.rest();
    }
  }

  /** Drops the oldest changes of all windows together until the windows are within their common limit, whichever kind the changes are of. */
  #trim(changed: Iterable<WatchCache>): void {
    const before = this.windowBytes;
    const nowMs = this.#deps.clock.now();
    for (const cache of changed) cache.trim(nowMs);
    let bytes = this.windowBytes;
    const shortened = new Set<WatchCache>();
    while (bytes > this.#maxTotalBytes) {
      const cache = oldestOf(this.#caches.values());
      if (cache === undefined) break;
      bytes -= cache.windowBytes;
      cache.dropOldest();
      bytes += cache.windowBytes;
      shortened.add(cache);
    }
    for (const cache of shortened) cache.trim(nowMs);
    this.lists.outdated(before - bytes);
  }

  /**
   * What is kept for a while besides the objects themselves, in bytes: encoded forms, changes, objects of lists that are being sent.
   * {@link WatchCacheLimits} and {@link EncodedBytes} have the bounds.
   */
  get keptBytes(): { encoded: number; windows: number; lists: number } {
    return { encoded: this.#encoded.size, windows: this.windowBytes, lists: this.lists.ownBytes };
  }

  /** The stored size of the changes that are kept, of all kinds together, in bytes. */
  get windowBytes(): number {
    let bytes = 0;
    for (const cache of this.#caches.values()) bytes += cache.windowBytes;
    return bytes;
  }

  async #loadAndFollow(signal: AbortSignal): Promise<void> {
    try {
      await this.#load();
      await this.#follow(signal);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof StoreError && error.code === 'closed') throw error;
      this.#deps.log.error({ err: error }, 'watch cache lost the store; reading everything again');
      await sleep(this.#deps.clock, 500, signal);
    }
  }

  async #load(): Promise<void> {
    const { revision, entries, early } = await this.#readAll();
    this.ownWrites.clear();
    for (const prefix of this.#joining.keys()) this.#caches.set(prefix, new WatchCache(prefix, this.#limits));
    this.#joining.clear();
    this.#renewing.clear();
    const byPrefix = new Map<string, CachedObject[]>([...this.#caches.keys()].map((prefix) => [prefix, []]));
    for (const entry of entries) {
      const prefix = this.#prefixOf(entry.key);
      const object = prefix === undefined ? undefined : this.#decode(prefix, entry);
      if (prefix !== undefined && object !== undefined) byPrefix.get(prefix)?.push(object);
    }
    // In the order of keys: what came before a kind was known, then what came after.
    for (const [prefix, objects] of early) for (const object of objects) byPrefix.get(prefix)?.push(object);
    this.#reportUndecodable();
    for (const prefix of this.#caches.keys()) this.#replace(prefix, byPrefix.get(prefix) ?? [], revision);
    this.#advance(revision);
    if (this.#isReady) return;
    this.#isReady = true;
    this.#ready.resolve();
  }

  /**
   * Everything that is stored. At the start it is read and decoded in pages: the stored values of a large cluster and its objects together
   * would take twice the memory, which the process would keep. `entries` are those that are still to be decoded.
   */
  async #readAll(): Promise<{ revision: number; entries: StoreEntry[]; early: Map<string, CachedObject[]> }> {
    const early = new Map<string, CachedObject[]>();
    // While others read, the way in which objects are decoded may change, so all is to be decoded in one turn.
    if (this.#isReady) {
      const { revision, entries } = await this.#deps.store.range({ prefix: registryPrefix });
      this.#undecodable.clear();
      return { revision, entries, early };
    }
    this.#undecodable.clear();
    // Of kinds that are not known now, and may be when all has been read.
    const unknown: StoreEntry[] = [];
    for (let [revision, startKey] = [0, registryPrefix]; ; ) {
      const page = await this.#deps.store.range({ prefix: registryPrefix, revision, startKey, limit: loadedAtOnce });
      revision = page.revision;
      for (const entry of page.entries) {
        const prefix = this.#prefixOf(entry.key);
        const object = prefix === undefined ? undefined : this.#decode(prefix, entry);
        if (prefix === undefined) unknown.push(entry);
        else if (object !== undefined) early.getOrInsertComputed(prefix, () => []).push(object);
      }
      if (!page.more) return { revision, entries: unknown, early };
      startKey = `${page.entries.at(-1)?.key ?? ''}\0`;
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    for await (const { events, progressRevision } of this.#deps.store.watch(registryPrefix, this.#revision, signal)) {
      // Watchers have had a turn to take the earlier changes. One that has not is cut off where the window has no room for both.
      this.#trim(new Set(events.flatMap((event) => this.#cacheOf(event.entry.key) ?? [])));
      for (const event of events) {
        const isLong = event.type === 'put' && isLargeText(event.entry.value.byteLength);
        if (isLong) await this.#applyInTurns(event);
        else this.#apply(event);
      }
      this.#advance(Math.max(progressRevision, events.at(-1)?.revision ?? 0));
    }
  }

  #cacheOf(key: string): WatchCache | undefined {
    const prefix = this.#prefixOf(key);
    return prefix === undefined ? undefined : this.cache(prefix);
  }

  /** Like {@link #apply}, for a large object: other requests are served between the steps of its decoding. */
  async #applyInTurns(event: StoreEvent): Promise<void> {
    const prefix = this.#prefixOf(event.entry.key);
    if (prefix === undefined) return this.#apply(event);
    // All earlier changes are in the caches, so this is the revision that readers see meanwhile.
    this.#advance(event.revision - 1);
    const cache = this.cache(prefix);
    const read = await inTurns(this.#readSteps(prefix, event.entry)).then(
      (object) => () => object,
      (error: unknown) => () => {
        throw error;
      },
    );
    // In the turn in which watchers hear of a change, they write it in formats other than JSON: that turn should do nothing else.
    await letOthersIn();
    // Meanwhile the kind may have been removed or changed, or another one added under this prefix.
    this.#apply(event, this.#caches.get(prefix) === cache ? read : undefined);
  }

  /** @param read returns the decoded object; by default the value is decoded now */
  #apply(event: StoreEvent, read?: () => CachedObject): void {
    const prefix = this.#prefixOf(event.entry.key);
    const isOwn = event.type === 'put' && this.ownWrites.take(event.entry.key, event.entry.value);
    if (prefix === undefined) {
      for (const [joining, changes] of this.#joining) if (event.entry.key.startsWith(`${joining}/`)) changes.push(event);
      return;
    }
    this.#renewing.get(prefix)?.push(event);
    const cache = this.cache(prefix);
    const previous = cache.get(event.entry.key);
    const known = this.#undecodable.get(event.entry.key);
    this.#undecodable.delete(event.entry.key);
    const current = event.type === 'put' ? this.#decode(prefix, event.entry, read) : undefined;
    if (known !== this.#undecodable.get(event.entry.key)) this.#reportUndecodable();
    if (current === undefined && previous === undefined) return;
    // Somebody watches, so that it is about to be sent.
    if (isOwn && cache.byteWatcherCount > 0)
      current?.encoded('json', () => storedWithRevision(event.entry.value, event.entry.modRevision));
    cache.apply({ revision: event.revision, current, previous, atMs: this.#deps.clock.now() });
    for (const follower of this.#followers.get(prefix) ?? []) follower.changed({ previous, current });
  }

  *#decodeSteps(prefix: string, entry: StoreEntry): Steps<CachedObject> {
    const object = withRevision(yield* this.#deps.decode(prefix, entry.value), entry.modRevision);
    checkName(entry.key, object);
    if (!isLargeText(entry.value.byteLength)) this.#parts.share(prefix, object, this.#caches.get(prefix)?.get(entry.key)?.object);
    const shared = this.#deps.freeze === true ? deepFreeze(object) : object;
    return new CachedObject(entry.key, entry.modRevision, shared, entry.value.byteLength, this.#encoded);
  }

  /** Also writes the object as JSON, if somebody watches. */
  *#readSteps(prefix: string, entry: StoreEntry): Steps<CachedObject> {
    const cached = yield* this.#decodeSteps(prefix, entry);
    const watchers = this.#caches.get(prefix)?.byteWatcherCount ?? 0;
    if (watchers > 0) yield* jsonRestSteps(cached);
    return cached;
  }

  #decode(
    prefix: string,
    entry: StoreEntry,
    read = (): CachedObject => atOnce(this.#decodeSteps(prefix, entry)),
  ): CachedObject | undefined {
    try {
      return read();
    } catch (error) {
      // One unreadable value must not take the whole API down; the log names it for the operator to repair.
      this.#deps.log.error({ err: error, key: entry.key }, 'stored value cannot be decoded; it is left out');
      this.#undecodable.set(entry.key, errorText(error));
      return undefined;
    }
  }

  #reportUndecodable(): void {
    const all = Array.from(this.#undecodable, ([key, reason]) => {
      const kind = this.#deps.kindOf(this.#prefixOf(key) ?? '') ?? '';
      const [name, namespace] = key.split('/').toReversed();
      return leftOut(kind, { metadata: { namespace, name } }, `the stored value of ${key} cannot be decoded: ${reason}`);
    });
    this.#deps.leftOut?.report('apiserver', all);
  }

  #advance(revision: number): void {
    if (revision <= this.#revision) return;
    this.#revision = revision;
    if (this.#waiters.length > 0) {
      const due = this.#waiters.filter((waiter) => waiter.revision <= revision);
      this.#waiters = this.#waiters.filter((waiter) => waiter.revision > revision);
      for (const waiter of due) waiter.resolve();
    }
  }

  #prefixOf(key: string): string | undefined {
    // Prefixes have one or two segments after /registry/ (`services/specs`).
    const one = key.indexOf('/', registryPrefix.length);
    if (one < 0) return undefined;
    const short = key.slice(0, one);
    if (this.#caches.has(short)) return short;
    const two = key.indexOf('/', one + 1);
    const long = two < 0 ? '' : key.slice(0, two);
    return this.#caches.has(long) ? long : undefined;
  }
}

function oldestOf(caches: Iterable<WatchCache>): WatchCache | undefined {
  let oldest: WatchCache | undefined;
  for (const cache of caches) {
    const { oldestRevision } = cache;
    if (oldestRevision !== undefined && oldestRevision < (oldest?.oldestRevision ?? Number.POSITIVE_INFINITY)) oldest = cache;
  }
  return oldest;
}

/** Clients find an object by the name in it, the server by its key: if the two differed, clients would take it for another object. */
function checkName(key: string, { metadata: { name, namespace } }: KubeObject): void {
  const path = namespace === undefined || namespace === '' ? `/${name}` : `/${namespace}/${name}`;
  if (!key.endsWith(path)) throw new Error(`the object is named ${path.slice(1)}`);
}

const shuttingDown = (): Error => serviceUnavailable('the server is shutting down');

/** Sets the resourceVersion, which is never part of the stored value. In place. @returns the same object */
export function withRevision(object: KubeObject, revision: number): KubeObject {
  object.metadata.resourceVersion = String(revision);
  return object;
}
