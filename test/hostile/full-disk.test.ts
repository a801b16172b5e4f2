/**
 * A full disk under the store: writes are refused with a message that kubectl shows, reads and watches still work, and writes
 * work again when there is space.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { execFile } from '#agent/host/exec.ts';
import { admin, startTestServer, type TestServer } from '#control/apiserver/api-server.testing.ts';
import { inProcessTransport } from '#control/apiserver/in-process-transport.ts';

const maps = '/api/v1/namespaces/default/configmaps';
const configMap = (name: string, bytes = 20_000) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  data: { k: 'x'.repeat(bytes) },
});

describe('an API server on a full disk', () => {
  let disk: string;
  let api: TestServer;
  before(async () => {
    disk = mkdtempSync(join(tmpdir(), 'tinker-full-disk-'));
    await execFile(['mount', '-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk]);
    api = await startTestServer({ folder: disk });
    await api.request('POST', maps, configMap('before'));
  });
  after(async () => {
    await api.stop();
    await execFile(['umount', disk]);
    rmSync(disk, { recursive: true });
  });

  const fill = (): void => {
    const { bavail, bsize } = statfsSync(disk);
    writeFileSync(join(disk, 'filler'), Buffer.alloc(bavail * bsize));
  };
  const readyz = async (): Promise<string> => (await api.request('GET', '/readyz')).text;

  /** Writes until the free space inside the store's own files is used up. */
  async function writeUntilRefused(): Promise<Awaited<ReturnType<TestServer['request']>>> {
    for (let count = 0; count < 1_000; count++) {
      const answer = await api.request('POST', maps, configMap(`full-${count}`));
      if (answer.status !== 201) return answer;
    }
    throw new Error('1000 objects were written to a full disk');
  }

  async function until(what: string, ask: () => Promise<boolean>): Promise<void> {
    for (let waitedMs = 0; !(await ask()); waitedMs += 50) {
      assert.ok(waitedMs < 60_000, `not within a minute: ${what}`);
      await delay(50);
    }
  }

  it('refuses writes in etcd’s words, fails readyz by the check "etcd", and serves reads and watches', {
    timeout: 240_000,
  }, async () => {
    assert.equal(await readyz(), 'ok');
    fill();
    const { status, json } = await writeUntilRefused();
    assert.deepEqual([status, json.kind, json.reason], [500, 'Status', undefined]);
    assert.match(json.message, /^etcdserver: mvcc: database space exceeded: no space is left on the disk/);
    assert.match(await readyz(), /\[-\]etcd failed: reason withheld\n[\s\S]*readyz check failed\n$/);
    assert.equal((await api.request('GET', '/readyz/etcd')).status, 500);
    // A restart would not help, so livez must not fail.
    assert.equal((await api.request('GET', '/livez')).text, 'ok');
    assert.equal((await api.request('GET', `${maps}/before`)).status, 200);
    assert.equal((await api.request('GET', maps)).status, 200);
    const stop = new AbortController();
    const path = `${maps}?watch=true&resourceVersion=0`;
    const watch = await inProcessTransport(api.server, admin)({ method: 'GET', path, headers: {}, signal: stop.signal });
    const frames = watch.body[Symbol.asyncIterator]();
    const first = await frames.next();
    assert.match(Buffer.from(first.value ?? []).toString(), /"type":"ADDED"/);
    stop.abort();
    await frames.return?.();
    for (const [method, target, body] of [
      ['PUT', `${maps}/before`, configMap('before', 30_000)],
      ['PATCH', `${maps}/before`, { data: { k: 'y'.repeat(30_000) } }],
    ] as const) {
      const headers = method === 'PATCH' ? { 'content-type': 'application/merge-patch+json' } : {};
      const answer = await api.request(method, target, body, headers);
      assert.deepEqual([answer.status, answer.json.message.slice(0, 42)], [500, 'etcdserver: mvcc: database space exceeded:']);
    }
    rmSync(join(disk, 'filler'));
    await until('readyz passes again', async () => (await readyz()) === 'ok');
    assert.equal((await api.request('POST', maps, configMap('after'))).status, 201);
  });
});
