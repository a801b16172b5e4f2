/**
 * Makes the store forget history that no client can ask for any more, as upstream's API server does with etcd.
 *
 * Source: kube-apiserver `--etcd-compaction-interval` (5m); apiserver `pkg/storage/etcd3/compact.go`.
 */
import type { Clock } from '#client/clock.ts';
import { sleep } from '#client/clock.ts';
import { CompactedError, type Store } from '#control/store/store.ts';
import type { ServerLog } from '../serving/server-log.ts';
import { RevisionAsker } from './revision-asker.ts';

/** Upstream's default of `--etcd-compaction-interval`. */
export const compactionIntervalMs = 300_000;

/** Upstream's key, whose version is the time of the servers that compact one etcd, and whose value the revision that the last one had. */
const turnsKey = 'compact_rev_key';

/**
 * Takes turns with the other API servers of a shared store, upstream's included: whoever changes the key from the version that it saw an
 * interval ago compacts; the others have seen that somebody did.
 */
class CompactionTurns {
  readonly #store: Store;
  #seen = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Whether it is this server's turn. @throws StoreError */
  async take(revision: number): Promise<boolean> {
    if (this.#store.isShared !== true) return true;
    const { entry } = await this.#store.get(turnsKey);
    const version = entry?.version ?? 0;
    if (version !== this.#seen) {
      this.#seen = version;
      return false;
    }
    const expectedRevision = entry?.modRevision ?? 0;
    const result = await this.#store.put(turnsKey, Buffer.from(String(revision)), { expectedRevision });
    this.#seen = result.kind === 'ok' ? version + 1 : (result.current?.version ?? 0);
    return result.kind === 'ok';
  }
}

/**
 * Every interval, compacts to the revision that was current an interval ago; until `signal` aborts. Of several servers on one store one at a
 * time does it; when it ends, another one takes over within an interval.
 * @param intervalMs 0: never
 */
export async function compactRegularly(
  store: Store,
  clock: Clock,
  log: ServerLog,
  intervalMs: number,
  signal: AbortSignal,
): Promise<void> {
  if (intervalMs === 0) return;
  const turns = new CompactionTurns(store);
  const asker = new RevisionAsker(store, clock);
  let keepFrom = 0;
  for (;;) {
    const revision = keepFrom;
    try {
      keepFrom = await asker.ask();
      if ((await turns.take(revision)) && revision > store.compactRevision()) await store.compact(revision);
    } catch (error) {
      // CompactedError: another API server on the same store has compacted already.
      if (!(error instanceof CompactedError) && !signal.aborted)
        log.warn({ err: error, revision }, 'the store could not be compacted; trying again later');
    }
    await sleep(clock, intervalMs, signal);
    if (signal.aborted) return;
  }
}
