/**
 * Makes the store forget history that no client can ask for any more, as upstream's API server does with etcd.
 *
 * Source: kube-apiserver `--etcd-compaction-interval` (5m); apiserver `pkg/storage/etcd3/compact.go`.
 */
import type { Clock } from '#client/clock.ts';
import { sleep } from '#client/clock.ts';
import type { Store } from '#control/store/store.ts';
import type { ServerLog } from '../serving/server-log.ts';

export const compactionIntervalMs = 300_000;

/** Every interval, compacts to the revision that was current an interval ago; until `signal` aborts. */
export async function compactRegularly(store: Store, clock: Clock, log: ServerLog, signal: AbortSignal): Promise<void> {
  let keepFrom = store.currentRevision();
  for (;;) {
    await sleep(clock, compactionIntervalMs, signal);
    if (signal.aborted) return;
    const revision = keepFrom;
    keepFrom = store.currentRevision();
    if (revision <= store.compactRevision()) continue;
    try {
      await store.compact(revision);
    } catch (error) {
      log.warn({ err: error, revision }, 'the store could not be compacted; trying again later');
    }
  }
}
