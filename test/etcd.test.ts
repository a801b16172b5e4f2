/** Real API servers on one etcd of three members, with TLS and certificates of clients; looked into with Debian's etcdctl. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { execFile } from '#agent/host/exec.ts';
import { createAuthority, createTokenKey, issueCertificate } from '#control/pki/certificates.ts';
import { EtcdCluster } from '#control/store/etcd/etcd-cluster.testing.ts';
import { until } from '#lab/until.ts';
import { freePort } from './free-port.ts';
import { ServerProcess } from './hostile/server-process.ts';

const namespace = '/api/v1/namespaces/default';
const patience = { timeoutMs: 60_000 };

describe('two API servers on one etcd', { timeout: 600_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'etcd-test-'));
  const file = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  let cluster: EtcdCluster;
  let servers: ServerProcess[] = [];
  let ctlFlags: string[] = [];
  const [a, b] = [() => servers[0] as ServerProcess, () => servers[1] as ServerProcess];
  const etcdctl = async (...argv: string[]): Promise<string> =>
    (await execFile(['etcdctl', ...ctlFlags, ...argv], { env: { ...process.env, ETCDCTL_API: '3' } })).stdout;

  before(async () => {
    const authority = await createAuthority(Date.now(), 'etcd-ca');
    const ca = file('ca.crt', authority.certificate);
    const member = await issueCertificate(
      authority,
      { commonName: 'etcd', usage: 'server', ipAddresses: ['127.0.0.1'] },
      Date.now(),
    );
    const client = await issueCertificate(authority, { commonName: 'kube-apiserver-etcd-client', usage: 'client' }, Date.now());
    const memberFiles = { ca, certificate: file('member.crt', member.certificate), key: file('member.key', member.key) };
    const clientFiles = { ca, certificate: file('client.crt', client.certificate), key: file('client.key', client.key) };
    cluster = await EtcdCluster.start({ members: 3, tls: memberFiles, client: clientFiles });
    ctlFlags = ['--cacert', ca, '--cert', clientFiles.certificate, '--key', clientFiles.key];
    ctlFlags.push('--endpoints', cluster.endpoints.join(','));
    const token = await createTokenKey();
    const secret = randomBytes(32).toString('base64');
    const encryption = file(
      'encryption.yaml',
      `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - aescbc: {keys: [{name: k1, secret: ${secret}}]}
`,
    );
    const flags = [
      `--etcd-servers=${cluster.endpoints.join(',')}`,
      `--etcd-cafile=${ca}`,
      `--etcd-certfile=${clientFiles.certificate}`,
      `--etcd-keyfile=${clientFiles.key}`,
      `--encryption-provider-config=${encryption}`,
      `--service-account-signing-key-file=${file('sa.key', token.privateKey)}`,
      `--service-account-key-file=${file('sa.pub', token.publicKey)}`,
      '--service-account-issuer=https://kubernetes.default.svc',
    ];
    servers = [await ServerProcess.start(flags), await ServerProcess.start(flags)];
  });
  after(async () => {
    for (const server of servers) await server.stop();
    await cluster.stop();
    rmSync(folder, { recursive: true });
  });

  it('what one has acknowledged, the other shows in its next list, and watchers of both hear of it in the same order', async () => {
    const stop = new AbortController();
    const heard = await Promise.all([a(), b()].map((server) => watchNames(server, stop.signal)));
    for (let index = 0; index < 10; index++) {
      const [writer, reader] = index % 2 === 0 ? [a(), b()] : [b(), a()];
      const made = await writer.request('POST', `${namespace}/configmaps`, { metadata: { name: `shared-${index}` } });
      assert.equal(made.status, 201, made.text);
      const list = await reader.request('GET', `${namespace}/configmaps`);
      assert.ok(list.text.includes(`"shared-${index}"`));
    }
    await until('both watches tell of ten', async () => heard.every(({ length }) => length >= 10), patience);
    stop.abort();
    const expected = Array.from({ length: 10 }, (_, index) => `shared-${index}`);
    for (const names of heard) assert.deepEqual(names, expected);
  });

  it('no cluster IP and no node port is given twice, and a token of one is good for the other', async () => {
    const made = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (index % 2 === 0 ? a() : b()).request('POST', `${namespace}/services`, {
          metadata: { name: `svc-${index}` },
          spec: { type: 'NodePort', ports: [{ port: 80 }] },
        }),
      ),
    );
    for (const { status, text } of made) assert.equal(status, 201, text);
    const specs = made.map(({ text }) => JSON.parse(text).spec);
    assert.equal(new Set(specs.map(({ clusterIP }) => clusterIP)).size, 20);
    assert.equal(new Set(specs.map(({ ports }) => ports[0].nodePort)).size, 20);
    await a().request('POST', `${namespace}/serviceaccounts`, { metadata: { name: 'robot' } });
    const answer = await a().request('POST', `${namespace}/serviceaccounts/robot/token`, { spec: {} });
    assert.equal(answer.status, 201, answer.text);
    const review = await b().request('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
      spec: { token: JSON.parse(answer.text).status.token },
    });
    assert.equal(JSON.parse(review.text).status.user.username, 'system:serviceaccount:default:robot', review.text);
  });

  it("etcdctl shows upstream's keys, JSON, and of secrets only ciphertext", async () => {
    const secret = { metadata: { name: 's' }, stringData: { word: 'geheim-4711' } };
    assert.equal((await a().request('POST', `${namespace}/secrets`, secret)).status, 201);
    const keys = (await etcdctl('get', '/', '--prefix', '--keys-only')).split('\n');
    for (const key of [
      '/registry/configmaps/default/shared-0',
      '/registry/services/specs/default/svc-1',
      '/registry/namespaces/kube-system',
      '/registry/ranges/servicenodeports',
      '/registry/secrets/default/s',
      '/registry/clusterroles/cluster-admin',
      '/registry/apiregistration.k8s.io/apiservices/v1.',
      '/registry/priorityclasses/system-node-critical',
    ])
      assert.ok(keys.includes(key), `${key} among ${keys.length}`);
    const stored = JSON.parse(await etcdctl('get', '/registry/configmaps/default/shared-0', '--print-value-only'));
    assert.deepEqual([stored.apiVersion, stored.kind, stored.metadata.name], ['v1', 'ConfigMap', 'shared-0']);
    const text = await etcdctl('get', '/registry/secrets/default/s', '--print-value-only');
    assert.ok(text.startsWith('k8s:enc:aescbc:v1:k1:'), text.slice(0, 40));
    assert.ok(!text.includes('geheim') && !text.includes('Z2VoZWlt'));
    const read = await b().request('GET', `${namespace}/secrets/s`);
    assert.equal(JSON.parse(read.text).data.word, Buffer.from('geheim-4711').toString('base64'));
  });

  it('each member is killed in turn while both write: what was acknowledged is there, and reads go on', async () => {
    const stop = new AbortController();
    const acknowledged: string[] = [];
    const writers = [a(), b(), a(), b()].map(async (server, writer) => {
      for (let index = 0; !stop.signal.aborted; index++) {
        const name = `load-${writer}-${index}`;
        const { status } = await server.request('POST', `${namespace}/configmaps`, { metadata: { name } });
        if (status === 201) acknowledged.push(name);
      }
    });
    const gaps: number[] = [];
    for (const member of [0, 1, 2]) {
      const before = acknowledged.length;
      await cluster.kill(member);
      const killed = performance.now();
      const reads = async (): Promise<boolean> => (await a().request('GET', `${namespace}/configmaps/shared-0`)).status === 200;
      await until('reads go on', reads, { ...patience, everyMs: 20 });
      gaps.push(performance.now() - killed);
      await until('writes go on', async () => acknowledged.length >= before + 20, patience);
      cluster.run(member);
      await cluster.healthy(member);
    }
    stop.abort();
    await Promise.all(writers);
    console.log(`reads again after ${gaps.map((ms) => ms.toFixed(0)).join(', ')} ms; ${acknowledged.length} objects`);
    for (const server of [a(), b()]) {
      const { items } = JSON.parse((await server.request('GET', `${namespace}/configmaps`)).text);
      const names = new Set(items.map((item: { metadata: { name: string } }) => item.metadata.name));
      assert.deepEqual(
        acknowledged.filter((name) => !names.has(name)),
        [],
      );
    }
    // A leader is elected within one or two seconds; a busy machine gets more.
    assert.ok(Math.max(...gaps) < 15_000, gaps.join());
  });

  it('without a quorum writes and consistent reads fail, /readyz and componentstatuses say so; with it all goes on', async () => {
    await cluster.kill(0);
    await cluster.kill(1);
    const object = (name: string) => ({ metadata: { name } });
    const failed = await a().request('POST', `${namespace}/configmaps`, object('lost'));
    assert.ok(failed.status >= 500, failed.text);
    assert.match(failed.text, /etcd|the store did not tell/);
    const read = await b().request('GET', `${namespace}/configmaps/shared-0`);
    assert.ok(read.status >= 500, read.text);
    const ready = await a().request('GET', '/readyz');
    assert.equal(ready.status, 500, ready.text);
    assert.match(ready.text, /\[-\]etcd failed/);
    assert.match((await a().request('GET', '/healthz')).text, /\[-\]etcd failed/);
    cluster.run(0);
    cluster.run(1);
    await cluster.healthy(0);
    for (const server of [a(), b()]) {
      await until('the server is ready', async () => (await server.request('GET', '/readyz')).status === 200, patience);
    }
    assert.equal((await b().request('POST', `${namespace}/configmaps`, object('found'))).status, 201);
    assert.equal((await a().request('GET', `${namespace}/configmaps/found`)).status, 200);
  });
});

/** Collects the names of new ConfigMaps that a watch tells of, from now on. */
async function watchNames(server: ServerProcess, signal: AbortSignal): Promise<string[]> {
  const { resourceVersion } = JSON.parse((await server.request('GET', `${namespace}/configmaps`)).text).metadata;
  const path = `${namespace}/configmaps?watch=true&resourceVersion=${resourceVersion}`;
  const response = await server.transport({ method: 'GET', path, headers: {}, body: undefined, signal });
  const names: string[] = [];
  const read = async (): Promise<void> => {
    let text = '';
    for await (const chunk of response.body) {
      const lines = (text + Buffer.from(chunk).toString('utf8')).split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) {
        const { type, object } = JSON.parse(line);
        if (type === 'ADDED' && object.metadata.name.startsWith('shared-')) names.push(object.metadata.name);
      }
    }
  };
  read().catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
  return names;
}

describe('a server with its own store that answers etcdctl', { timeout: 300_000 }, () => {
  it('get, watch and snapshot save, with the certificates of its data folder; values are as they are stored', async () => {
    const port = await freePort();
    const server = await ServerProcess.start([`--listen-client-urls=https://127.0.0.1:${port}`]);
    try {
      const pki = join(server.folder, 'pki/etcd');
      const etcdctl = async (...argv: string[]): Promise<string> => {
        const identity = ['--cert', join(pki, 'healthcheck-client.crt'), '--key', join(pki, 'healthcheck-client.key')];
        const flags = ['--endpoints', `https://127.0.0.1:${port}`, '--cacert', join(pki, 'ca.crt'), ...identity];
        return (await execFile(['etcdctl', ...flags, ...argv], { env: { ETCDCTL_API: '3' } })).stdout;
      };
      const made = await server.request('POST', `${namespace}/configmaps`, { metadata: { name: 'x' }, data: { a: 'b' } });
      assert.equal(made.status, 201, made.text);
      const keys = (await etcdctl('get', '/', '--prefix', '--keys-only')).split('\n');
      assert.ok(keys.includes('/registry/configmaps/default/x') && keys.includes('/registry/namespaces/default'));
      const stored = JSON.parse(await etcdctl('get', '/registry/configmaps/default/x', '--print-value-only'));
      assert.deepEqual(stored.data, { a: 'b' });
      const file = join(server.folder, 'snapshot.db');
      await etcdctl('snapshot', 'save', file);
      assert.ok(JSON.parse(await etcdctl('snapshot', 'status', file, '--write-out=json')).revision > 10);
      // A change by etcdctl is a change as any: clients hear of it.
      await etcdctl('del', '/registry/configmaps/default/x');
      const isGone = async (): Promise<boolean> => (await server.request('GET', `${namespace}/configmaps/x`)).status === 404;
      await until('the server hears of it', isGone, patience);
      await assert.rejects(
        execFile(['etcdctl', '--endpoints', `https://127.0.0.1:${port}`, '--cacert', join(pki, 'ca.crt'), 'get', '/'], {
          env: { ETCDCTL_API: '3' },
        }),
      );
    } finally {
      await server.stop();
    }
  });
});
