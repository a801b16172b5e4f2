import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { type EtcdFlags, etcdOptions } from './etcd-flags.ts';

describe('the flags of the store', () => {
  const folder = mkdtempSync(join(tmpdir(), 'etcd-flags-'));
  const junk = join(folder, 'junk.pem');
  writeFileSync(junk, 'no PEM');
  after(() => rmSync(folder, { recursive: true }));
  const flags = (given: Partial<EtcdFlags>): EtcdFlags => ({
    etcdServers: [],
    etcdCafile: undefined,
    etcdCertfile: undefined,
    etcdKeyfile: undefined,
    etcdPrefix: '/registry',
    etcdCompactionInterval: 300_000,
    listenClientUrls: [],
    ...given,
  });

  it('none: the store in the data folder', () => assert.equal(etcdOptions(flags({})), undefined));

  it('several members', () => {
    const etcdServers = ['https://10.0.0.1:2379', 'https://etcd-1.example:2379', 'https://[2001:db8::1]:2379'];
    assert.deepEqual(etcdOptions(flags({ etcdServers }))?.endpoints, etcdServers);
  });

  const wrong: [given: Partial<EtcdFlags>, reason: RegExp][] = [
    [{ etcdCafile: junk }, /--etcd-cafile is for --etcd-servers/],
    [{ etcdServers: ['http://x:1'], etcdCertfile: junk }, /--etcd-certfile and --etcd-keyfile go together/],
    [{ etcdServers: ['http://x:1'], etcdCafile: join(folder, 'none') }, /--etcd-cafile .*there is no such file/],
    [{ etcdServers: ['10.0.0.1:2379'] }, /--etcd-servers: 10\.0\.0\.1:2379: give a URL/],
    [{ etcdServers: ['ftp://x'] }, /--etcd-servers: ftp:\/\/x: give a URL/],
    [{ etcdServers: ['https://x:1'], etcdCertfile: junk, etcdKeyfile: junk }, /--etcd-servers: /],
    [{ listenClientUrls: ['http://0.0.0.0:2379'] }, /--listen-client-urls http:\/\/0\.0\.0\.0:2379: without TLS only on/],
    [{ listenClientUrls: ['https://localhost:2379'] }, /give a URL with an address/],
    [{ listenClientUrls: ['2379'] }, /give a URL with an address/],
    [{ listenClientUrls: ['https://127.0.0.1:1'], etcdServers: ['http://x:1'] }, /ask etcd itself/],
  ];
  for (const [given, reason] of wrong)
    it(`refuses ${JSON.stringify(given)}`, () => assert.throws(() => etcdOptions(flags(given)), reason));
});
