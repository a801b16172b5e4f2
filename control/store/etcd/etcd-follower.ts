/**
 * Keeps a WatchHub up to date with etcd, whatever happens to members: a broken stream is begun anew after the last revision that came.
 *
 *   following ──(stream ends, member too slow)──▶ following, another member
 *       └──────(changes compacted meanwhile)────▶ skips to now; watchers find in the log what they have lost (410)
 */
import type { Logger } from 'pino';
import { errorText } from '#api/error-text.ts';
import type { Clock } from '#client/clock.ts';
import { CompactedError } from '../store.ts';
import type { WatchHub } from '../watch-hub.ts';
import type { EtcdConnection } from './etcd-connection.ts';
import type { EtcdKeys } from './etcd-keys.ts';
import { readChanges } from './etcd-log.ts';

/** Pauses between attempts to follow. */
const retryMs = 50;
const maxRetryMs = 1_000;
/** A member whose watch lags this much behind a revision that others have acknowledged is left. */
const lagMs = 1_000;

/** What it works with. */
export interface FollowerDeps {
  connection: EtcdConnection;
  keys: EtcdKeys;
  hub: WatchHub;
  clock: Clock;
  log: Logger | undefined;
  /** The newest revision of the cluster. @throws StoreError `unavailable` */
  newestRevision(): Promise<number>;
}

/** Follows etcd; see the top of this file. */
export class EtcdFollower {
  readonly #deps: FollowerDeps;
  #stream = new AbortController();
  #expected = 0;
  #isChecking = false;

  constructor(deps: FollowerDeps) {
    this.#deps = deps;
  }

  /** Until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { hub, log, connection } = this.#deps;
    let pauseMs = retryMs;
    while (!signal.aborted) {
      const begun = hub.revision;
      try {
        await this.#follow(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof CompactedError) await this.#skip(error);
        else log?.debug({ reason: errorText(error), revision: hub.revision }, 'etcd: a watch ended; beginning it anew');
      }
      pauseMs = hub.revision > begun ? retryMs : Math.min(pauseMs * 2, maxRetryMs);
      if (!signal.aborted) await connection.pause(pauseMs);
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { connection, keys, hub } = this.#deps;
    this.#stream = new AbortController();
    const either = AbortSignal.any([signal, this.#stream.signal]);
    for await (const { events, through } of readChanges(connection, keys, hub.revision, either)) hub.publish(events, through);
  }

  async #skip(error: CompactedError): Promise<void> {
    const { hub, log, newestRevision } = this.#deps;
    try {
      const revision = await newestRevision();
      log?.warn({ from: hub.revision, to: revision, compactRevision: error.compactRevision }, 'etcd: changes were compacted');
      hub.skip(revision);
    } catch (failure) {
      log?.debug({ reason: errorText(failure) }, 'etcd: its revision cannot be asked for; trying again');
    }
  }

  /** etcd has this revision: the watch has to come to it soon, or it is begun anew with another member. */
  expect(revision: number): void {
    const { hub, clock } = this.#deps;
    this.#expected = Math.max(this.#expected, revision);
    if (this.#isChecking || hub.revision >= this.#expected) return;
    this.#isChecking = true;
    const wanted = this.#expected;
    const before = hub.revision;
    clock.after(lagMs, () => {
      this.#isChecking = false;
      // A stream whose revision has advanced is only slow. Abort it only if it has not advanced.
      if (hub.revision < wanted && hub.revision === before) this.#stream.abort();
      else this.expect(0);
    });
  }
}
