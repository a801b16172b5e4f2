/** `tinker store`, as a user calls it: there and back between the embedded store and a real etcd. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execFile } from '#agent/host/exec.ts';
import { EtcdCluster } from '#control/store/etcd/etcd-cluster.testing.ts';
import { createEtcdStore } from '#control/store/etcd/etcd-store.ts';
import { createSqliteStore } from '#control/store/sqlite.ts';
import { CompactedError, type Store, type StoreEntry } from '#control/store/store.ts';

const program = fileURLToPath(new URL('tinker.ts', import.meta.url));
const tinker = async (...argv: string[]): Promise<string> =>
  (await execFile([process.execPath, '--no-warnings', program, 'store', ...argv])).stdout;
const all = async (store: Store): Promise<StoreEntry[]> => (await store.range({ prefix: '/registry/' })).entries;
/** A watch from what clients know makes them list anew. */
async function assertListsAnew(store: Store, afterRevision: number): Promise<void> {
  await assert.rejects(async () => {
    for await (const _ of store.watch('/registry/', afterRevision, AbortSignal.timeout(10_000)))
      assert.fail('there is no such history');
  }, CompactedError);
}

describe('tinker store', { timeout: 300_000 }, () => {
  let folder: string;
  let dataDir: string;
  let before1: StoreEntry[];
  let revision1: number;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'store-command-'));
    dataDir = join(folder, 'data');
    const store = await createSqliteStore({ path: join(dataDir, 'state.db') });
    for (let index = 0; index < 300; index++) await store.put(`/registry/k/${index % 120}`, Buffer.from(`value ${index}`));
    const lease = await store.grantLease(3_600);
    await store.put('/registry/events/leased', Buffer.from('e'), { lease });
    for (let index = 0; index < 15; index++) await store.delete(`/registry/k/${index}`);
    before1 = await all(store);
    revision1 = await store.currentRevision();
    await store.close();
  });
  after(() => rm(folder, { recursive: true }));

  it('moves the state to etcd: the same keys under the same revisions', async () => {
    const file = join(folder, 'to-etcd.db');
    assert.match(
      await tinker('backup', file, '--data-dir', dataDir),
      new RegExp(`${before1.length} keys at revision ${revision1}`),
    );
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    const cluster = await EtcdCluster.restore(file);
    try {
      const store = await createEtcdStore({ endpoints: cluster.endpoints });
      assert.equal(await store.currentRevision(), revision1);
      assert.deepEqual(await all(store), before1);
      await assertListsAnew(store, revision1 - 5);
      const changed = await store.put('/registry/k/50', Buffer.from('in etcd'));
      assert.equal(changed.revision, revision1 + 1);

      const back = join(folder, 'from-etcd.db');
      await tinker('backup', back, '--etcd-servers', cluster.endpoints.join(','));
      const target = join(folder, 'moved');
      await tinker('restore', back, '--data-dir', target);
      const moved = await createSqliteStore({ path: join(target, 'state.db') });
      assert.equal(await moved.currentRevision(), revision1 + 1 + 1_000_000_000);
      assert.deepEqual(
        (await all(moved)).map(({ lease, ...entry }) => ({ ...entry, leased: lease !== 0 })),
        (await all(store)).map(({ lease, ...entry }) => ({ ...entry, leased: lease !== 0 })),
      );
      await assertListsAnew(moved, revision1 + 1);
      const [lease] = moved.leases();
      await moved.revokeLease(lease?.id ?? 0);
      assert.equal((await moved.get('/registry/events/leased')).entry, undefined);
      await moved.close();
      await store.close();
    } finally {
      await cluster.stop();
    }
  });

  it('restores an older state over a newer one, which is kept; the revision does not go back', async () => {
    const file = join(folder, 'older.db');
    await tinker('backup', file, '--data-dir', dataDir);
    const later = await createSqliteStore({ path: join(dataDir, 'state.db') });
    for (let index = 0; index < 50; index++) await later.put('/registry/k/later', Buffer.from('v'));
    const seen = await later.currentRevision();
    await later.close();
    const output = await tinker('restore', file, '--data-dir', dataDir, '--bump-revision', '0');
    const kept = /that was there is (.*)/.exec(output)?.[1] ?? '';
    const restored = await createSqliteStore({ path: join(dataDir, 'state.db') });
    assert.deepEqual(await all(restored), before1);
    assert.ok((await restored.put('/registry/k/new', Buffer.from('v'))).revision > seen);
    await assertListsAnew(restored, seen - 1);
    await restored.close();
    const old = await createSqliteStore({ path: kept });
    assert.equal(await old.currentRevision(), seen);
    await old.close();
  });

  it('refuses a store in use, a file that is there, and a damaged snapshot; nothing is changed then', async () => {
    const file = join(folder, 'refused.db');
    await tinker('backup', file, '--data-dir', dataDir);
    await assert.rejects(tinker('backup', file, '--data-dir', dataDir), /is there already/);
    await assert.rejects(tinker('backup', join(folder, 'x.db'), '--data-dir', join(folder, 'none')), /no state\.db here/);
    const bytes = await readFile(file);
    bytes.writeUInt8(bytes.readUInt8(9_000) ^ 1, 9_000);
    const damaged = join(folder, 'damaged.db');
    await writeFile(damaged, bytes);
    const files = await readdir(dataDir);
    await assert.rejects(tinker('restore', damaged, '--data-dir', dataDir), /checksum is wrong.*nothing was changed/);
    const store = await createSqliteStore({ path: join(dataDir, 'state.db') });
    try {
      await assert.rejects(tinker('restore', file, '--data-dir', dataDir), /in use by another process/);
      await assert.rejects(
        tinker('backup', join(folder, 'y.db'), '--data-dir', dataDir),
        /in use by another process.*--etcd-servers/,
      );
    } finally {
      await store.close();
    }
    assert.deepEqual(await readdir(dataDir), files);
  });
});
