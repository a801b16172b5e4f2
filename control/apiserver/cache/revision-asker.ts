/**
 * Asks the store for its newest revision on behalf of all reads that need it: whoever asks while a call is under way shares the next one.
 * So a store on the network costs two calls in flight, however many read.
 *
 *   asked ──▶ call 1 ──────────▶ answer
 *   asked meanwhile ──▶ (waits) ──▶ call 2 ──▶ answer for all of these
 *
 * Source: apiserver `pkg/storage/cacher` (ConsistentListFromCache, KEP-2340), which asks etcd before a read from the cache.
 */
import type { Clock } from '#client/clock.ts';
import { StoreError } from '#control/store/errors.ts';
import type { Store } from '#control/store/store.ts';

/** A store that does not answer within this time counts as unavailable. */
export const revisionDeadlineMs = 3000;

/** Shares calls of `Store.currentRevision` between readers; see the top of this file. */
export class RevisionAsker {
  readonly #store: Pick<Store, 'currentRevision'>;
  readonly #clock: Clock;
  #running: Promise<number> | undefined;
  #next: Promise<number> | undefined;

  constructor(store: Pick<Store, 'currentRevision'>, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /**
   * The newest durable revision at some moment after this call: at least that of every write acknowledged before, by whatever server.
   * @throws StoreError `unavailable` after {@link revisionDeadlineMs} without an answer, and what the store throws
   */
  ask(): number | Promise<number> {
    if (this.#running === undefined) return this.#call();
    // The call under way may have read the revision already: its answer proves nothing about what was written since.
    const call = (): number | Promise<number> => this.#call();
    this.#next ??= this.#running.then(call, call);
    return this.#next;
  }

  #call(): number | Promise<number> {
    this.#next = undefined;
    const answer = this.#store.currentRevision();
    // The embedded store knows it: promises, timer and race would be made for every request.
    if (typeof answer === 'number') return answer;
    const call = this.#inTime(answer).finally(() => {
      if (this.#running === call) this.#running = undefined;
    });
    this.#running = call;
    return call;
  }

  async #inTime(answer: Promise<number>): Promise<number> {
    const late = Promise.withResolvers<never>();
    const why = `the store did not tell its newest revision within ${revisionDeadlineMs / 1000} seconds`;
    const cancel = this.#clock.after(revisionDeadlineMs, () => late.reject(new StoreError('unavailable', why)));
    try {
      return await Promise.race([answer, late.promise]);
    } finally {
      cancel();
    }
  }
}
