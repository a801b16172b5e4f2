/** etcd's Lease service over the embedded store. */
import { type ServerDuplexStream, status } from '@grpc/grpc-js';
import { toError } from '#api/error-text.ts';
import { LeaseNotFoundError } from '../errors.ts';
import type { EmbeddedStore } from '../transaction.ts';
import type { Answers } from './answers.ts';
import { refusal } from './refusals.ts';

interface ById {
  ID: number;
}

/** @returns the methods of the service, by name */
export function leaseService(store: EmbeddedStore, answers: Answers) {
  const find = (id: number) => store.leases().find((lease) => lease.id === id);
  return {
    LeaseGrant: async ({ TTL, ID }: ById & { TTL: number }): Promise<object> => {
      if (!Number.isSafeInteger(ID) || ID < 0)
        throw refusal(status.INVALID_ARGUMENT, 'etcdserver: this store has lease ids below 2^53 only');
      if (TTL <= 0) throw refusal(status.INVALID_ARGUMENT, 'etcdserver: a lease needs a TTL above 0');
      if (ID !== 0 && find(ID) !== undefined) throw refusal(status.FAILED_PRECONDITION, 'etcdserver: lease already exists');
      const lease = await store.grantLease(TTL, ID === 0 ? undefined : ID);
      return { header: await answers.header(), ID: lease, TTL };
    },

    LeaseRevoke: async ({ ID }: ById): Promise<object> => {
      await store.revokeLease(ID);
      return { header: await answers.header() };
    },

    LeaseTimeToLive: async ({ ID, keys }: ById & { keys: boolean }): Promise<object> => {
      const header = await answers.header();
      const lease = find(ID);
      if (lease === undefined) return { header, ID, TTL: -1 };
      const { entries } = keys ? await store.range({ prefix: '' }) : { entries: [] };
      return {
        header,
        ID,
        TTL: Math.floor(lease.remainingMs / 1_000),
        grantedTTL: lease.ttlSeconds,
        keys: entries.flatMap((entry) => (entry.lease === ID ? Buffer.from(entry.key) : [])),
      };
    },

    LeaseLeases: async (): Promise<object> => ({
      header: await answers.header(),
      leases: store.leases().map(({ id }) => ({ ID: id })),
    }),

    /** Each request renews one lease; a TTL of 0 says that it is gone. */
    LeaseKeepAlive: async (stream: ServerDuplexStream<ById, object>): Promise<void> => {
      stream.once('error', () => undefined);
      try {
        for await (const { ID } of stream as AsyncIterable<ById>) {
          const ttl = await renewed(ID);
          stream.write({ header: await answers.header(), ID, TTL: ttl });
        }
        stream.end();
      } catch (error) {
        stream.destroy(toError(error));
      }
    },
  };

  async function renewed(lease: number): Promise<number> {
    try {
      await store.renewLease(lease);
      return find(lease)?.ttlSeconds ?? 0;
    } catch (error) {
      if (error instanceof LeaseNotFoundError) return 0;
      throw error;
    }
  }
}
