import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { execFile } from '#agent/host/exec.ts';
import { EtcdCluster } from '../etcd/etcd-cluster.testing.ts';
import { createEtcdStore } from '../etcd/etcd-store.ts';
import { CompactedError, type StoreEntry } from '../store.ts';
import { BoltError } from './bolt-reader.ts';
import { readSnapshot, type SnapshotContent, snapshotFile, snapshotFileSteps } from './etcd-snapshot.ts';

const env = { ETCDCTL_API: '3' };
const entry = (key: string, modRevision: number, value: Uint8Array, more: Partial<StoreEntry> = {}): StoreEntry => ({
  key,
  value: new Uint8Array(value),
  createRevision: modRevision,
  modRevision,
  version: 1,
  lease: 0,
  ...more,
});
const byKey = (entries: readonly StoreEntry[]): StoreEntry[] => entries.toSorted((a, b) => (a.key < b.key ? -1 : 1));
const fileOf = (content: SnapshotContent): Buffer => Buffer.concat([...snapshotFile(content)]);

const contents: [what: string, content: SnapshotContent][] = [
  ['nothing', { revision: 1, entries: [], leases: [] }],
  ['one key', { revision: 7, entries: [entry('/registry/a', 5, Buffer.from('v'))], leases: [] }],
  [
    'thousands of keys of all sizes, large revisions, leases',
    {
      revision: 4_000_000_123_456,
      entries: Array.from({ length: 3_000 }, (_, index) =>
        entry(`/registry/é/${index}`, 4_000_000_000_000 + index * 7, randomBytes(index % 500 === 0 ? 300_000 : index % 300), {
          createRevision: 12 + index,
          version: 1 + (index % 9),
          lease: index % 10 === 0 ? 77 : 0,
        }),
      ),
      leases: [{ id: 77, ttlSeconds: 3_600 }],
    },
  ],
];

describe("a snapshot in etcd's form", { timeout: 120_000 }, () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'snapshot-'));
  });
  after(() => rm(folder, { recursive: true }));

  it('is made in many steps, so that a server answers meanwhile', () => {
    const entries = Array.from({ length: 10_000 }, (_, index) => entry(`/registry/${index}`, index + 2, Buffer.alloc(1_000)));
    const steps = snapshotFileSteps({ revision: 20_000, entries, leases: [] });
    let count = 0;
    while (steps.next().done !== true) count++;
    // Ten megabytes are laid out, and then hashed.
    assert.ok(count > 60, `${count} steps`);
  });

  for (const [what, content] of contents) {
    it(`${what}: is read as it was written`, () => {
      const read = readSnapshot(fileOf(content));
      assert.deepEqual([read.revision, read.leases], [content.revision, content.leases]);
      assert.deepEqual(byKey(read.entries), byKey(content.entries));
    });
  }

  it('etcd restores it: the same keys under the same revisions, and no revision goes back', async () => {
    const [, content] = contents[2] as (typeof contents)[number];
    const file = join(folder, 'ours.db');
    await writeFile(file, fileOf(content));
    const cluster = await EtcdCluster.restore(file);
    try {
      const store = await createEtcdStore({ endpoints: cluster.endpoints });
      try {
        assert.equal(await store.currentRevision(), content.revision);
        const { entries } = await store.range({ prefix: '/registry/' });
        assert.deepEqual(byKey(entries), byKey(content.entries));
        const first = entries[0] as StoreEntry;
        const changed = await store.put(first.key, Buffer.from('new'), { expectedRevision: first.modRevision });
        assert.deepEqual([changed.kind, changed.revision], ['ok', content.revision + 1]);
        await assert.rejects(store.get(first.key, content.revision - 1), CompactedError);
        await store.revokeLease(77);
        assert.equal((await store.range({ prefix: '/registry/' })).count, 2_700 + (first.lease === 77 ? 1 : 0));
      } finally {
        await store.close();
      }
    } finally {
      await cluster.stop();
    }
  });

  it("etcd's own snapshot is read: the newest state, without what was deleted", async () => {
    const cluster = await EtcdCluster.start();
    try {
      const store = await createEtcdStore({ endpoints: cluster.endpoints });
      const lease = await store.grantLease(3_600);
      for (let index = 0; index < 400; index++) await store.put(`/registry/k/${index % 150}`, randomBytes(2_000));
      await store.put('/registry/leased', Buffer.from('v'), { lease });
      await store.put('/registry/large', randomBytes(1_000_000));
      for (let index = 0; index < 20; index++) await store.delete(`/registry/k/${index}`);
      await store.compact((await store.currentRevision()) - 30);
      const file = join(folder, 'theirs.db');
      await execFile(['etcdctl', '--endpoints', cluster.endpoints.join(), 'snapshot', 'save', file], { env });
      const read = readSnapshot(await readFile(file));
      assert.equal(read.revision, await store.currentRevision());
      assert.deepEqual(byKey(read.entries), byKey((await store.range({ prefix: '' })).entries));
      assert.deepEqual(read.leases, [{ id: lease, ttlSeconds: 3_600 }]);
      await store.close();
    } finally {
      await cluster.stop();
    }
  });

  it('what is damaged, cut or something else is refused', () => {
    const whole = fileOf(contents[1]?.[1] as SnapshotContent);
    const changed = Buffer.from(whole);
    changed.writeUInt8(whole.readUInt8(20_000) ^ 1, 20_000);
    const cases: [Buffer, RegExp][] = [
      [changed, /checksum/],
      [whole.subarray(0, 9_000), /too early|page/],
      [Buffer.from('SQLite format 3\0'.padEnd(8192, '\0')), /no.* bolt/],
      [Buffer.alloc(0), /no.* bolt/],
      [whole.subarray(0, -32).fill(0xff, 8_192), /leaf|page|early/],
    ];
    for (const [bytes, reason] of cases)
      assert.throws(
        () => readSnapshot(bytes),
        (error) => error instanceof BoltError && reason.test(error.message),
      );
  });
});
