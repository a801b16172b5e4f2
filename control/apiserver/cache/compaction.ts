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

/**
 * Every interval, compacts to the revision that was current an interval ago; until `signal` aborts. Several servers may do it on one store.
 */
export async function compactRegularly(store: Store, clock: Clock, log: ServerLog, signal: AbortSignal): Promise<void> {
  const asker = new RevisionAsker(store, clock);
  let keepFrom = 0;
  for (;;) {
    const revision = keepFrom;
    try {
      keepFrom = await asker.ask();
      if (revision > store.compactRevision()) await store.compact(revision);
    } catch (error) {
      // CompactedError: another API server on the same store has compacted already.
      if (!(error instanceof CompactedError) && !signal.aborted)
        log.warn({ err: error, revision }, 'the store could not be compacted; trying again later');
    }
    await sleep(clock, compactionIntervalMs, signal);
    if (signal.aborted) return;
  }
}
