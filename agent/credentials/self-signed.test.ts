import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { selfSigned } from './self-signed.ts';

describe("the kubelet's own serving certificate", () => {
  it('is made once, for its name and address, signed by itself, with a key that only its user may read', () => {
    const folder = mkdtempSync(join(tmpdir(), 'self-signed-'));
    try {
      const certDir = join(folder, 'pki');
      const nowMs = Date.now();
      const node = { nodeName: 'worker-1', nodeIp: '10.0.0.7' };
      const [certFile, keyFile] = selfSigned(certDir, node, nowMs);
      const certificate = new X509Certificate(readFileSync(certFile));
      assert.equal(certificate.subject, `CN=worker-1@${Math.floor(nowMs / 1000)}`);
      assert.equal(certificate.issuer, certificate.subject);
      assert.ok(certificate.verify(certificate.publicKey));
      assert.ok(certificate.checkPrivateKey(createPrivateKey(readFileSync(keyFile))));
      assert.equal(certificate.checkHost('worker-1'), 'worker-1');
      assert.equal(certificate.checkIP('10.0.0.7'), '10.0.0.7');
      assert.equal(certificate.ca, false);
      assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1']);
      assert.ok(Math.abs(Date.parse(certificate.validFrom) - (nowMs - 3_600_000)) < 2000);
      assert.ok(Math.abs(Date.parse(certificate.validTo) - (nowMs + 365 * 86_400_000)) < 2000);
      assert.equal(statSync(keyFile).mode & 0o777, 0o600);
      assert.deepEqual(selfSigned(certDir, node, nowMs + 1000), [certFile, keyFile]);
      assert.equal(new X509Certificate(readFileSync(certFile)).serialNumber, certificate.serialNumber);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
