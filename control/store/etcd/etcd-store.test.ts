import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { StoreError } from '../errors.ts';
import { storeContract } from '../store.contract.ts';
import { CompactedError, type Store } from '../store.ts';
import { EtcdCluster } from './etcd-cluster.testing.ts';
import { createEtcdStore, type EtcdStoreOptions } from './etcd-store.ts';

for (const members of [1, 3]) {
  storeContract(`etcd with ${members} member${members === 1 ? '' : 's'}`, async () => {
    const cluster = await EtcdCluster.start({ members });
    const store = await createEtcdStore({ endpoints: cluster.endpoints });
    return {
      store,
      dispose: async () => {
        await store.close();
        await cluster.stop();
      },
    };
  });
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined): string => new TextDecoder().decode(value);

describe('the store over etcd', { timeout: 120_000 }, () => {
  let cluster: EtcdCluster;
  before(async () => {
    cluster = await EtcdCluster.start();
  });
  after(() => cluster.stop());

  async function withStore(options: Partial<EtcdStoreOptions>, use: (store: Store) => Promise<void>): Promise<void> {
    const store = await createEtcdStore({ endpoints: cluster.endpoints, ...options });
    try {
      await use(store);
    } finally {
      await store.close();
    }
  }

  async function watching(store: Store, after: number): Promise<void> {
    for await (const { progressRevision } of store.watch('/registry/', after, new AbortController().signal))
      assert.ok(progressRevision > after);
  }

  it('puts keys below --etcd-prefix, where other stores do not see them', async () => {
    await withStore({ prefix: 'clusters/a' }, async (a) => {
      await a.put('/registry/pods/ns/x', bytes('a'));
      await a.put('compact_rev_key', bytes('7'));
      await withStore({}, async (plain) => {
        await plain.put('/registry/pods/ns/y', bytes('b'));
        assert.equal(text((await plain.get('/clusters/a/pods/ns/x')).entry?.value), 'a');
        assert.equal(text((await plain.get('compact_rev_key')).entry?.value), '7');
      });
      const { entries } = await a.range({ prefix: '/registry/' });
      assert.deepEqual(
        entries.map(({ key }) => key),
        ['/registry/pods/ns/x'],
      );
      assert.equal(a.storedKey?.('/registry/pods/ns/x'), '/clusters/a/pods/ns/x');
      const start = await a.currentRevision();
      await withStore({}, async (plain) => {
        await plain.put('/registry/pods/ns/y', bytes('c'));
        await plain.put('/clusters/a/pods/ns/z', bytes('d'));
      });
      const stop = new AbortController();
      for await (const { events } of a.watch('/registry/', start, stop.signal)) {
        for (const { entry } of events) assert.equal(entry.key, '/registry/pods/ns/z');
        if (events.length > 0) stop.abort();
      }
    });
  });

  it('reads many and large values in pages of one revision', async () => {
    await withStore({}, async (store) => {
      const value = Buffer.alloc(400_000, 'x');
      for (let index = 0; index < 30; index++) await store.put(`/registry/large/${String(index).padStart(4, '0')}`, value);
      await Promise.all(
        Array.from({ length: 1_200 }, (_, index) => store.put(`/registry/many/${String(index).padStart(4, '0')}`, bytes('v'))),
      );
      const many = await store.range({ prefix: '/registry/many/' });
      assert.deepEqual([many.entries.length, many.count, many.more], [1_200, 1_200, false]);
      assert.equal(many.entries[1_199]?.key, '/registry/many/1199');
      const large = await store.range({ prefix: '/registry/large/' });
      assert.deepEqual([large.entries.length, large.entries.every((entry) => entry.value.length === 400_000)], [30, true]);
      const part = await store.range({ prefix: '/registry/many/', limit: 700 });
      assert.deepEqual([part.entries.length, part.count, part.more], [700, 1_200, true]);
    });
  });

  it('says what etcd says of a value that is too large, and goes on', async () => {
    await withStore({}, async (store) => {
      await assert.rejects(store.put('/registry/big', Buffer.alloc(3 << 20)), /larger|too large/);
      await store.put('/registry/big', bytes('small'));
    });
  });

  it('tells a compaction of another process, to readers and to watchers', async () => {
    await withStore({}, async (store) => {
      const first = await store.put('/registry/c', bytes('1'));
      await store.put('/registry/c', bytes('2'));
      await store.delete('/registry/c');
      await withStore({}, async (other) => other.compact(await other.currentRevision()));
      const at = await store.currentRevision();
      const isCompacted = (error: unknown): boolean => error instanceof CompactedError && error.compactRevision === at;
      await assert.rejects(store.get('/registry/c', first.revision), isCompacted);
      await assert.rejects(watching(store, first.revision), isCompacted);
      // etcd 3.4 begins a watch at the compacted revision itself, without the deletion that happened there.
      await withStore({}, async (late) => {
        const lost = assert.rejects(watching(late, at - 1), isCompacted);
        await store.put('/registry/d', bytes('1'));
        await lost;
      });
    });
  });

  it('ends when the cluster behind its addresses is another one', async () => {
    const first = await EtcdCluster.start();
    const store = await createEtcdStore({ endpoints: first.endpoints });
    try {
      for (let index = 0; index < 5; index++) await store.put('/registry/x', bytes('v'));
      await first.kill(0);
      await first.forget(0);
      first.run(0);
      const isOver = (error: unknown): boolean => error instanceof StoreError && error.code === 'closed';
      await assert.rejects(async () => {
        for (let tries = 0; tries < 20; tries++) {
          try {
            await store.currentRevision();
          } catch (error) {
            if (isOver(error)) throw error;
          }
        }
      }, isOver);
      await assert.rejects(store.put('/registry/x', bytes('v')), /went back|another cluster/);
    } finally {
      await store.close();
      await first.stop();
    }
  });
});
