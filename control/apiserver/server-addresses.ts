/**
 * The addresses of all API servers on one store: each has a key that expires with it, and each writes those of all into the endpoints of the
 * Service `kubernetes`. Upstream's servers read the same keys.
 *
 * Source: kubernetes `pkg/controlplane/reconcilers/lease.go`.
 */
import { LeaseNotFoundError } from '#control/store/errors.ts';
import type { Store } from '#control/store/store.ts';

const prefix = '/registry/masterleases/';
/** Upstream's `DefaultEndpointReconcilerTTL`; its servers say every 10 seconds that they are there. */
const ttlSeconds = 15;

/** Knows which API servers there are. */
export interface ServerAddresses {
  /** Says that this server is there. @returns the addresses of all, sorted @throws StoreError */
  renew(): Promise<string[]>;
  /** This server goes. @throws StoreError */
  withdraw(): Promise<void>;
}

/** The only server of its store. */
export const onlyAddress = (address: string): ServerAddresses => ({
  renew: async () => [address],
  withdraw: async () => undefined,
});

/** One of several servers on a store. */
export class SharedAddresses implements ServerAddresses {
  readonly #store: Store;
  readonly #address: string;
  #lease: number | undefined;

  constructor(store: Store, address: string) {
    this.#store = store;
    this.#address = address;
  }

  async renew(): Promise<string[]> {
    if (!(await this.#isRenewed())) await this.#register();
    const { entries } = await this.#store.range({ prefix });
    const all = new Set([...entries.map(({ key }) => key.slice(prefix.length)), this.#address]);
    return [...all].sort();
  }

  async #isRenewed(): Promise<boolean> {
    if (this.#lease === undefined) return false;
    try {
      await this.#store.renewLease(this.#lease);
    } catch (error) {
      if (error instanceof LeaseNotFoundError) return false;
      throw error;
    }
    // The key may have been removed, or written by an earlier process of this server, whose lease then ends with it.
    const { entry } = await this.#store.get(prefix + this.#address);
    return entry?.lease === this.#lease;
  }

  async #register(): Promise<void> {
    const lease = await this.#store.grantLease(ttlSeconds);
    // What upstream stores there: only the address counts.
    const value = {
      kind: 'Endpoints',
      apiVersion: 'v1',
      metadata: { generation: 1 },
      subsets: [{ addresses: [{ ip: this.#address }] }],
    };
    await this.#store.put(prefix + this.#address, Buffer.from(`${JSON.stringify(value)}\n`), { lease });
    this.#lease = lease;
  }

  async withdraw(): Promise<void> {
    const lease = this.#lease;
    this.#lease = undefined;
    if (lease === undefined) return;
    try {
      await this.#store.revokeLease(lease);
    } catch (error) {
      if (!(error instanceof LeaseNotFoundError)) throw error;
    }
  }
}
