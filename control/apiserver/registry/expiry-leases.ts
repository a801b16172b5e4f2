/**
 * The leases that let objects expire (Events), shared by the objects written within a minute of each other: one lease per object would
 * double the writes.
 *
 * Source: apiserver `pkg/storage/etcd3/lease_manager.go` (reuse, 1000 objects a lease).
 */
import type { Clock } from '#client/clock.ts';
import type { Store } from '#control/store/store.ts';

const reuseMs = 60_000;
const maxObjects = 1000;

interface Shared {
  lease: Promise<number>;
  untilMs: number;
  objects: number;
}

/**
 * Hands out leases. Each is used for a minute and a thousand objects at most, so an object lives up to a minute longer than its kind says.
 */
export class ExpiryLeases {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #byTtl = new Map<number, Shared>();

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** A lease that lives at least `ttlSeconds` from now. @throws StoreError */
  async current(ttlSeconds: number): Promise<number> {
    const nowMs = this.#clock.now();
    let shared = this.#byTtl.get(ttlSeconds);
    if (shared === undefined || nowMs >= shared.untilMs || shared.objects >= maxObjects) {
      shared = { lease: this.#store.grantLease(ttlSeconds + reuseMs / 1000), untilMs: nowMs + reuseMs, objects: 0 };
      this.#byTtl.set(ttlSeconds, shared);
    }
    shared.objects++;
    try {
      return await shared.lease;
    } catch (error) {
      if (this.#byTtl.get(ttlSeconds) === shared) this.#byTtl.delete(ttlSeconds);
      throw error;
    }
  }
}
