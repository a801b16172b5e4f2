/**
 * Writes of single objects to the store: each happens only if the stored object is still the one that the caller saw.
 *
 * A lost race means that another write came in between. `put` and `remove` then wait until the caches have that write, because the next
 * attempt would otherwise lose against it again.
 *
 * Source: apiserver `pkg/storage/etcd3/store.go` (compare-and-set on the mod revision).
 */
import type { KubeObject } from '#api/meta.ts';
import type { Resource } from '#api/resources.ts';
import type { Clock } from '#client/clock.ts';
import { inTurns, letOthersIn } from '#client/turns.ts';
import { StoreError } from '#control/store/errors.ts';
import type { PutOptions, Store, WriteResult } from '#control/store/store.ts';
import { type CacheFeed, withRevision } from '../cache/cache-feed.ts';
import { CachedObject } from '../cache/cached-object.ts';
import { storedWithRevision } from '../cache/object-json.ts';
import { isLarge, isLargeText } from '../cache/object-size.ts';
import type { KindCatalog } from '../catalog.ts';
import { ExpiryLeases } from './expiry-leases.ts';
import { toStored, toStoredSteps } from './object-keys.ts';

/** What writes need. */
export interface ObjectWriterDeps {
  store: Store;
  clock: Clock;
  feed: CacheFeed;
  catalog: KindCatalog;
}

/** What became of a write. */
export type Put =
  /** Another write came first: the newest revision of the key. */
  | { kind: 'conflict'; revision: number }
  /** The object under its new revision, for the answer. */
  | { kind: 'ok'; revision: number; written: CachedObject };

/** How often a write is tried. Each lost race means that another write succeeded; so many in a row are a livelock and are reported. */
export const maxRaces = 100;

/** Writes objects of any kind to the store; a part of the Registry. */
export class ObjectWriter {
  readonly #deps: ObjectWriterDeps;
  readonly #leases: ExpiryLeases;

  constructor(deps: ObjectWriterDeps) {
    this.#deps = deps;
    this.#leases = new ExpiryLeases(deps.store, deps.clock);
  }

  /**
   * Stores the object; with a lease, if its kind expires. After a conflict the caches have the write that came first.
   * @param expectedRevision of the stored object that the caller saw; 0: none @throws StoreError
   */
  async put(resource: Resource, key: string, object: KubeObject, expectedRevision: number): Promise<Put> {
    const { ttlSeconds } = this.#deps.catalog.kind(resource).strategy;
    const lease = ttlSeconds === undefined ? undefined : await this.#leases.current(ttlSeconds);
    const stored = await this.#deps.catalog.toStored(resource, object);
    const value = isLarge(stored) ? await inTurns(toStoredSteps(stored)) : toStored(stored);
    const isLong = isLargeText(value.length);
    if (isLong) await letOthersIn();
    const result = await this.#stored(resource, key, value, { expectedRevision, lease }, stored === object);
    // The caches decode it in this turn of the event loop, so the answer is made in the next one.
    if (isLong) await letOthersIn();
    const { kind, revision } = result;
    if (kind === 'conflict') {
      await this.#deps.feed.reach(revision);
      return { kind, revision };
    }
    // The answer reuses the stored JSON, unless the resource is stored in another form.
    const json = stored === object ? storedWithRevision(value, revision) : undefined;
    return { kind, revision, written: CachedObject.written(key, revision, withRevision(object, revision), value.length, json) };
  }

  /** @param isServedForm whether the value is the object as it is served, so that the caches can use its text */
  async #stored(
    resource: Resource,
    key: string,
    value: Uint8Array,
    options: PutOptions,
    isServedForm: boolean,
  ): Promise<WriteResult> {
    const { store, feed, catalog } = this.#deps;
    // Custom resources are pruned and get defaults when they are read, as their schema is by then.
    if (!isServedForm || catalog.kind(resource).unstructured !== undefined) return await store.put(key, value, options);
    feed.ownWrites.begin(key, value);
    try {
      const result = await store.put(key, value, options);
      if (result.kind === 'conflict') feed.ownWrites.failed(key, value);
      return result;
    } catch (error) {
      feed.ownWrites.failed(key, value);
      throw error;
    }
  }

  /**
   * Removes the object, and gives back what it held (`Strategy.release`).
   * @param last its last state, for watchers and the caller @returns undefined when the race was lost @throws StoreError
   */
  async remove(
    resource: Resource,
    current: CachedObject,
    last: KubeObject,
    { dryRun }: { dryRun: boolean },
  ): Promise<CachedObject | undefined> {
    if (dryRun) return new CachedObject(current.key, current.revision, last);
    const result = await this.#deps.store.delete(current.key, { expectedRevision: current.revision });
    if (result.kind === 'conflict') {
      await this.#deps.feed.reach(result.revision);
      return undefined;
    }
    await this.#deps.catalog.kind(resource).strategy.release?.(current.object, result.revision);
    const removed = { ...last, metadata: { ...last.metadata } };
    return new CachedObject(current.key, result.revision, withRevision(removed, result.revision), current.bytes);
  }
}

/**
 * Gives back what was allocated for a write that failed with `error`. When it is unknown whether the write has happened, it stays
 * allocated: that is better than to allocate it twice.
 * @param undo what `Strategy.allocate` returned
 */
export async function takeBack(undo: (() => Promise<void>) | undefined, error: unknown): Promise<void> {
  if (error instanceof StoreError && error.code === 'unavailable') return;
  await undo?.();
}
