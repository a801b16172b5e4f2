import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { loadClusterPki } from './cluster-pki.ts';
import { nodeCredentials } from './node-credentials.ts';

const nowMs = Date.UTC(2026, 5, 1);
const names = { dnsNames: ['kubernetes.default.svc'], ipAddresses: ['10.96.0.1', '10.9.0.1'] };

describe('cluster PKI', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tinker-pki-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('signs the server certificate with the CA, for the names asked for', async () => {
    const pki = await loadClusterPki({ folder, nowMs, ...names });
    const certificate = new X509Certificate(pki.apiserver.certificate);
    assert.ok(certificate.verify(new X509Certificate(pki.ca.certificate).publicKey));
    assert.equal(certificate.checkHost('kubernetes.default.svc'), 'kubernetes.default.svc');
    assert.equal(certificate.checkIP('10.9.0.1'), '10.9.0.1');
  });

  it('keeps what it made, with keys that only the owner may read', async () => {
    const first = await loadClusterPki({ folder, nowMs, ...names });
    const second = await loadClusterPki({ folder, nowMs, ...names });
    assert.deepEqual(second, first);
    assert.equal(statSync(join(folder, 'ca.key')).mode & 0o777, 0o600);
  });

  for (const [why, change] of [
    ['a name is missing', { ipAddresses: ['10.9.0.2'] }],
    ['it is about to expire', { nowMs: nowMs + 350 * 86_400_000 }],
  ] as const) {
    it(`makes the server certificate anew when ${why}, and keeps the CA`, async () => {
      const first = await loadClusterPki({ folder, nowMs, ...names });
      const second = await loadClusterPki({ folder, nowMs, ...names, ...change });
      assert.deepEqual(second.ca, first.ca);
      assert.notEqual(second.apiserver.certificate, first.apiserver.certificate);
    });
  }

  it('makes a certificate anew that does not belong to the key beside it, as after a crash while writing them', async () => {
    const first = await loadClusterPki({ folder, nowMs, ...names });
    writeFileSync(join(folder, 'apiserver.key'), first.kubeletClient.key);
    const { apiserver } = await loadClusterPki({ folder, nowMs, ...names });
    assert.ok(new X509Certificate(apiserver.certificate).checkPrivateKey(createPrivateKey(apiserver.key)));
  });

  it('issues node credentials: a kubeconfig for system:node:<name> and a serving certificate for its address', async () => {
    const out = join(folder, 'out');
    await nodeCredentials({
      pkiFolder: folder,
      out,
      nodeName: 'worker-1',
      nodeIp: '10.9.0.11',
      server: 'https://10.9.0.1:6443',
      nowMs,
    });
    const kubeconfig = readFileSync(join(out, 'kubelet.conf'), 'utf8');
    const data = /client-certificate-data: (\S+)/.exec(kubeconfig)?.[1];
    assert.ok(data);
    const client = new X509Certificate(Buffer.from(data, 'base64'));
    assert.deepEqual(client.subject.split('\n').sort(), ['CN=system:node:worker-1', 'O=system:nodes']);
    assert.equal(new X509Certificate(readFileSync(join(out, 'kubelet.crt'))).checkIP('10.9.0.11'), '10.9.0.11');
  });
});
