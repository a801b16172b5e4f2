/**
 * Writes of single objects to the store: each happens only if the stored object is still the one that the caller saw.
 *
 * A lost race means that another write came between. `put` and `remove` then wait until the caches have seen that write: the next attempt
 * would only lose against it again.
 *
 * Source: apiserver `pkg/storage/etcd3/store.go` (compare-and-set on the mod revision).
 */
import type { KubeObject } from '#api/meta.ts';
import type { Resource } from '#api/resources.ts';
import type { Clock } from '#client/clock.ts';
import { letOthersIn } from '#client/turns.ts';
import { StoreError } from '#control/store/errors.ts';
import type { Store } from '#control/store/store.ts';
import { type CacheFeed, withRevision } from '../cache/cache-feed.ts';
import { CachedObject, copyOf } from '../cache/cached-object.ts';
import { isLargeText } from '../cache/object-size.ts';
import type { KindCatalog } from '../catalog.ts';
import { ExpiryLeases } from './expiry-leases.ts';
import { storedWithRevision, toStored } from './object-keys.ts';

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
  /** The object under its revision, as the caller is answered. */
  | { kind: 'ok'; revision: number; written: CachedObject };

/** Every lost race means that another write went through; so many in a row are a livelock, and worth reporting. */
export const maxRaces = 100;

export class ObjectWriter {
  readonly #deps: ObjectWriterDeps;
  readonly #leases: ExpiryLeases;

  constructor(deps: ObjectWriterDeps) {
    this.#deps = deps;
    this.#leases = new ExpiryLeases(deps.store, deps.clock);
  }

  /**
   * Stores the object, with the lease that lets it expire where its kind has one. After a conflict the caches are as new as what was in
   * the way. @param expectedRevision of what is stored now; 0: nothing @throws StoreError
   */
  async put(resource: Resource, key: string, object: KubeObject, expectedRevision: number): Promise<Put> {
    const { ttlSeconds } = this.#deps.catalog.kind(resource).strategy;
    const lease = ttlSeconds === undefined ? undefined : await this.#leases.current(ttlSeconds);
    const stored = this.#deps.catalog.toStored(resource, object);
    const value = toStored(stored);
    const isLong = isLargeText(value.length);
    if (isLong) await letOthersIn();
    const result = await this.#deps.store.put(key, value, { expectedRevision, lease });
    // The caches read it in the same turn, and what comes next is the answer.
    if (isLong) await letOthersIn();
    const { kind, revision } = result;
    if (kind === 'conflict') {
      await this.#deps.feed.reach(revision);
      return { kind, revision };
    }
    // Of a large object the answer is made of what has been stored, where that is the form in which it is answered.
    const json = isLong && stored === object ? storedWithRevision(value, revision) : undefined;
    return { kind, revision, written: CachedObject.written(key, revision, withRevision(object, revision), json) };
  }

  /**
   * Removes the object, and gives back what it held (`Strategy.release`).
   * @param last its state as watchers and the caller are told; copied @returns undefined when the race was lost @throws StoreError
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
    return new CachedObject(current.key, result.revision, withRevision(copyOf(last), result.revision));
  }
}

/**
 * After a write that failed with `error`: gives back what was taken for it. Where it is not known whether the write has happened, what was
 * taken stays taken: better than given out twice.
 * @param undo what `Strategy.allocate` returned
 */
export async function takeBack(undo: (() => Promise<void>) | undefined, error: unknown): Promise<void> {
  if (error instanceof StoreError && error.code === 'unavailable') return;
  await undo?.();
}
