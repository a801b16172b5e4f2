/** etcd's leases. Their ids are ours: those that etcd makes up have 63 bits, which a number cannot hold. */
import { LeaseNotFoundError, StoreError } from '../errors.ts';
import type { CallOptions, EtcdConnection } from './etcd-connection.ts';
import { isLeaseTaken } from './etcd-errors.ts';

interface KeepAlive {
  TTL: number;
}

/** Grants, renews and revokes leases. */
export class EtcdLeases {
  readonly #connection: EtcdConnection;
  readonly #random: () => number;

  constructor(connection: EtcdConnection, random: () => number) {
    this.#connection = connection;
    this.#random = random;
  }

  /** @returns the lease's id @throws RangeError for a TTL of 0 or less @throws ServiceError, StoreError */
  async grant(ttlSeconds: number, timeoutMs: number): Promise<number> {
    if (!(ttlSeconds > 0)) throw new RangeError(`lease: a TTL must be above 0 seconds, got ${ttlSeconds}`);
    const options: CallOptions = { timeoutMs, isRead: false };
    for (;;) {
      const lease = 1 + Math.floor(this.#random() * (Number.MAX_SAFE_INTEGER - 1));
      try {
        await this.#connection.call('Lease', 'LeaseGrant', { TTL: Math.ceil(ttlSeconds), ID: lease }, options);
        return lease;
      } catch (error) {
        if (!isLeaseTaken(error)) throw error;
      }
    }
  }

  /** @throws LeaseNotFoundError @throws StoreError `unavailable` */
  async renew(lease: number, timeoutMs: number): Promise<void> {
    const { call } = await this.#connection.stream<{ ID: number }, KeepAlive>('Lease', 'LeaseKeepAlive');
    const late = setTimeout(() => call.cancel(), timeoutMs);
    try {
      call.write({ ID: lease });
      for await (const { TTL } of call as AsyncIterable<KeepAlive>) {
        if (TTL <= 0) throw new LeaseNotFoundError(lease);
        return;
      }
      throw new StoreError('unavailable', `${this.#connection.where} did not answer whether lease ${lease} was renewed`);
    } finally {
      clearTimeout(late);
      call.on('error', () => undefined);
      call.cancel();
    }
  }

  /** @throws LeaseNotFoundError, ServiceError, StoreError */
  async revoke(lease: number, timeoutMs: number): Promise<void> {
    await this.#connection.call('Lease', 'LeaseRevoke', { ID: lease }, { timeoutMs, isRead: false, lease });
  }
}
