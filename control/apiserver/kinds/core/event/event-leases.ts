/**
 * The leases that let Events expire after an hour, shared by the events written within a minute of each other: one lease
 * per event would double the writes.
 *
 * Source: kube-apiserver `--event-ttl` (1h); apiserver `pkg/storage/etcd3/lease_manager.go` (reuse, 1000 objects a lease).
 */
import type { Clock } from '#client/clock.ts';
import type { Store } from '#control/store/store.ts';

const ttlSeconds = 3600;
const reuseMs = 60_000;
const maxObjects = 1000;

export class EventLeases {
  readonly #store: Store;
  readonly #clock: Clock;
  #lease: Promise<number> | undefined;
  #untilMs = 0;
  #objects = 0;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** A lease that lives at least {@link ttlSeconds} from now. */
  async current(): Promise<number> {
    if (this.#lease === undefined || this.#clock.now() >= this.#untilMs || this.#objects >= maxObjects) {
      this.#untilMs = this.#clock.now() + reuseMs;
      this.#objects = 0;
      this.#lease = this.#store.grantLease(ttlSeconds + reuseMs / 1000);
    }
    this.#objects++;
    const lease = this.#lease;
    try {
      return await lease;
    } catch (error) {
      if (this.#lease === lease) this.#lease = undefined;
      throw error;
    }
  }
}
