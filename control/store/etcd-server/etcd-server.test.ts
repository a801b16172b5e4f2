/** etcd's API over the embedded store: asked by our own client (the store's contract) and by Debian's etcdctl. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { execFile } from '#agent/host/exec.ts';
import { systemClock } from '#client/clock.ts';
import { createAuthority, issueCertificate } from '#control/pki/certificates.ts';
import { EtcdConnection } from '../etcd/etcd-connection.ts';
import { createEtcdStore } from '../etcd/etcd-store.ts';
import { readSnapshot } from '../etcd-snapshot/etcd-snapshot.ts';
import { fetchSnapshot } from '../etcd-snapshot/fetch-snapshot.ts';
import { createSqliteStore } from '../sqlite.ts';
import { storeContract } from '../store.contract.ts';
import type { EmbeddedStore } from '../transaction.ts';
import { type EtcdServer, startEtcdServer } from './etcd-server.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

async function serve(folder: string, options = {}): Promise<{ store: EmbeddedStore; server: EtcdServer }> {
  const store = await createSqliteStore({ path: join(folder, 'state.db') });
  const server = await startEtcdServer(store, systemClock, { urls: ['http://127.0.0.1:0'], name: folder, ...options });
  return { store, server };
}

storeContract("etcd's API over the embedded store", async () => {
  const folder = await mkdtemp(join(tmpdir(), 'etcd-server-'));
  const { store, server } = await serve(folder);
  const client = await createEtcdStore({ endpoints: server.urls });
  return {
    store: client,
    dispose: async () => {
      await client.close();
      await server.close();
      await store.close();
      await rm(folder, { recursive: true });
    },
  };
});

describe('etcdctl on the embedded store', { timeout: 120_000 }, () => {
  let folder: string;
  let store: EmbeddedStore;
  let server: EtcdServer;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'etcd-server-'));
    ({ store, server } = await serve(folder));
    for (const key of ['pods/default/a', 'pods/default/b', 'pods/kube-system/c', 'services/specs/default/x'])
      await store.put(`/registry/${key}`, bytes(`value of ${key}`));
    await store.put('outside', bytes('o'));
  });
  after(async () => {
    await server.close();
    await store.close();
    await rm(folder, { recursive: true });
  });

  const env = { ETCDCTL_API: '3' };
  const etcdctl = async (...argv: string[]): Promise<string> =>
    (await execFile(['etcdctl', '--endpoints', server.urls.join(','), ...argv], { env })).stdout;
  const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');

  it('get: one key, prefixes, keys only, counts, orders, ranges, older revisions, a binary end of a prefix', async () => {
    assert.deepEqual(lines(await etcdctl('get', '/registry/pods/default/a')), [
      '/registry/pods/default/a',
      'value of pods/default/a',
    ]);
    assert.deepEqual(lines(await etcdctl('get', '/', '--prefix', '--keys-only')), [
      '/registry/pods/default/a',
      '/registry/pods/default/b',
      '/registry/pods/kube-system/c',
      '/registry/services/specs/default/x',
    ]);
    assert.equal(lines(await etcdctl('get', '', '--prefix', '--keys-only')).length, 5);
    assert.equal(lines(await etcdctl('get', 'o', '--from-key', '--keys-only')).length, 1);
    assert.match(
      await etcdctl('get', '/registry/pods', '--prefix', '--limit=1', '--write-out=fields'),
      /"More" : true\n"Count" : 3/,
    );
    const newest = await etcdctl(
      'get',
      '/registry/',
      '--prefix',
      '--keys-only',
      '--sort-by=MODIFY',
      '--order=DESCEND',
      '--limit=2',
    );
    assert.deepEqual(lines(newest), ['/registry/services/specs/default/x', '/registry/pods/kube-system/c']);
    assert.equal(lines(await etcdctl('get', '/registry/pods/default/a', '/registry/pods/default/c', '--keys-only')).length, 2);
    assert.equal(lines(await etcdctl('get', '/', '--prefix', '--keys-only', '--rev=2')).length, 2);
    assert.equal(await etcdctl('get', '/registry/\x7f', '--prefix'), '');
  });

  it('put, del, txn: as etcd answers, and the store has it', async () => {
    assert.equal(await etcdctl('put', '/registry/t/a', '1'), 'OK\n');
    assert.deepEqual(lines(await etcdctl('put', '/registry/t/a', '2', '--prev-kv')), ['OK', '/registry/t/a', '1']);
    assert.equal(Buffer.from((await store.get('/registry/t/a')).entry?.value ?? []).toString(), '2');
    await etcdctl('put', '/registry/t/b', '1');
    assert.deepEqual(lines(await etcdctl('del', '/registry/t/', '--prefix')), ['2']);
    const transaction =
      'mod("/registry/t/c") = "0"\n\nput /registry/t/c yes\nput /registry/t/d too\nget /registry/t/c\n\nget /registry/t/c\n\n';
    const run = async (): Promise<string> =>
      (await execFile(['etcdctl', '--endpoints', server.urls.join(), 'txn'], { env, stdin: transaction })).stdout;
    assert.deepEqual(lines(await run()), ['SUCCESS', 'OK', 'OK', '/registry/t/c', 'yes']);
    assert.deepEqual(lines(await run()), ['FAILURE', '/registry/t/c', 'yes']);
    await assert.rejects(etcdctl('put', '/registry/t/c', '--ignore-lease', '--lease=12'), /lease/);
    await assert.rejects(etcdctl('put', '/registry/t/x', 'v', '--lease=1234'), /requested lease not found/);
  });

  it('watch: live and from a revision, with what was before; a compacted revision is told', async () => {
    const { revision } = await store.put('/registry/w/a', bytes('1'));
    const argv = ['--endpoints', server.urls.join(), 'watch', '/registry/w/', '--prefix', '--prev-kv', `--rev=${revision}`];
    const watch = spawn('etcdctl', argv, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    watch.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8');
    });
    const heard = async (text: string): Promise<void> => {
      while (!output.includes(text)) await once(watch.stdout, 'data');
    };
    try {
      await heard('/registry/w/a\n1\n');
      await store.put('/registry/w/a', bytes('2'));
      await store.put('/registry/elsewhere', bytes('x'));
      await store.delete('/registry/w/a');
      await heard('DELETE\n/registry/w/a\n2\n/registry/w/a\n');
      assert.deepEqual(lines(output), [
        'PUT',
        '/registry/w/a',
        '1',
        'PUT',
        '/registry/w/a',
        '1',
        '/registry/w/a',
        '2',
        'DELETE',
        '/registry/w/a',
        '2',
        '/registry/w/a',
      ]);
    } finally {
      watch.kill();
    }
    await etcdctl('compact', String(await store.currentRevision()));
    await assert.rejects(etcdctl('watch', '/registry/w/', '--prefix', '--rev=1'), /required revision has been compacted/);
    await assert.rejects(etcdctl('get', '/registry/w/a', '--rev=1'), /required revision has been compacted/);
  });

  it('leases', async () => {
    const id = /lease ([0-9a-f]+) granted/.exec(await etcdctl('lease', 'grant', '60'))?.[1] ?? '';
    await etcdctl('put', '/registry/leased', 'v', `--lease=${id}`);
    assert.match(
      await etcdctl('lease', 'timetolive', id, '--keys'),
      /granted with TTL\(60s\).*attached keys\(\[\/registry\/leased\]\)/,
    );
    assert.match(await etcdctl('lease', 'list'), new RegExp(id));
    assert.match(await etcdctl('lease', 'keep-alive', '--once', id), /keepalived with TTL\(60\)/);
    await etcdctl('lease', 'revoke', id);
    assert.equal(await etcdctl('get', '/registry/leased'), '');
  });

  it('member list, endpoint status and health', async () => {
    assert.match(await etcdctl('member', 'list'), /started, tinkernetes/);
    const [{ Status: status }] = JSON.parse(
      // etcdctl 3.4 would send the whole URL as the name of the host, which Node's HTTP/2 refuses.
      (await execFile(['etcdctl', '--endpoints', new URL(server.urls[0] ?? '').host, 'endpoint', 'status', '-w=json'], { env }))
        .stdout,
    );
    assert.equal(status.header.revision, await store.currentRevision());
    assert.ok(status.dbSize > 0);
    await etcdctl('endpoint', 'health');
  });

  it("snapshot save: a file that etcdctl takes for etcd's, with all keys, revisions and values", async () => {
    const file = join(folder, 'snapshot.db');
    await etcdctl('snapshot', 'save', file);
    const { entries } = await store.range({ prefix: '' });
    const revision = await store.currentRevision();
    const status = JSON.parse(await etcdctl('snapshot', 'status', file, '--write-out=json'));
    assert.equal(status.revision, Math.max(...entries.map((entry) => entry.modRevision)));
    assert.ok(status.totalKey >= entries.length);
    const connection = new EtcdConnection({ endpoints: server.urls }, { clock: systemClock, random: Math.random });
    assert.ok((await fetchSnapshot(connection)).equals(await readFile(file)), 'tinker store backup gets the same');
    connection.close();
    const read = readSnapshot(await readFile(file));
    assert.equal(read.revision, revision);
    assert.deepEqual(
      read.entries.toSorted((a, b) => (a.key < b.key ? -1 : 1)),
      entries.toSorted((a, b) => (a.key < b.key ? -1 : 1)),
    );
  });

  it('with TLS: only who has a certificate of its CA is answered', async () => {
    const authority = await createAuthority(Date.now(), 'etcd-ca');
    const own = await issueCertificate(authority, { commonName: 'e', usage: 'server', ipAddresses: ['127.0.0.1'] }, Date.now());
    const client = await issueCertificate(authority, { commonName: 'c', usage: 'client' }, Date.now());
    const tls = { clientCa: authority.certificate, certificate: own.certificate, key: own.key };
    const secure = await startEtcdServer(store, systemClock, { urls: ['https://127.0.0.1:0'], name: folder, tls });
    const [ca, identity] = [
      Buffer.from(authority.certificate),
      { certificate: Buffer.from(client.certificate), key: Buffer.from(client.key) },
    ];
    try {
      const known = await createEtcdStore({ endpoints: secure.urls, ca, identity });
      assert.ok((await known.get('outside')).entry !== undefined);
      await known.close();
      await assert.rejects(createEtcdStore({ endpoints: secure.urls, ca }), /cannot be reached/);
    } finally {
      await secure.close();
    }
  });
});
