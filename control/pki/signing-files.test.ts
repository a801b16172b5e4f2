import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createAuthority, issueCertificate } from './certificates.ts';
import { readSigningFiles } from './signing-files.ts';

describe('the CA for requests', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tinker-signing-'));
  const at = (name: string): string => join(folder, name);
  before(async () => {
    const nowMs = Date.now();
    const [first, second] = [await createAuthority(nowMs, 'first'), await createAuthority(nowMs, 'second')];
    const leaf = await issueCertificate(first, { commonName: 'x', usage: 'client' }, nowMs);
    const { privateKey } = generateKeyPairSync('ed25519');
    const files = {
      'ca.crt': first.certificate,
      'ca.key': first.key,
      'other.key': second.key,
      'leaf.crt': leaf.certificate,
      'leaf.key': leaf.key,
      'ed.key': privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      text: 'text',
    };
    for (const [name, content] of Object.entries(files)) writeFileSync(at(name), content);
  });
  after(() => rmSync(folder, { recursive: true }));

  it('is read from its files', () => assert.match(readSigningFiles(at('ca.crt'), at('ca.key')).certificate, /BEGIN CERTIFICATE/));
  const cases: [certificate: string, key: string, message: RegExp][] = [
    ['none', 'ca.key', /--cluster-signing-cert-file \S+none: /],
    ['text', 'ca.key', /--cluster-signing-cert-file \S+text: /],
    ['ca.crt', 'none', /--cluster-signing-key-file \S+none: /],
    ['ca.crt', 'text', /--cluster-signing-key-file \S+text: /],
    ['ca.crt', 'other.key', /other\.key: it is not the key of the certificate \S+ca\.crt/],
    ['ca.crt', 'ed.key', /ed\.key: certificates are signed with RSA or ECDSA/],
    ['leaf.crt', 'leaf.key', /leaf\.crt: it is not the certificate of a CA/],
  ];
  for (const [certificate, key, message] of cases)
    it(`is refused: ${certificate} with ${key}`, () => assert.throws(() => readSigningFiles(at(certificate), at(key)), message));
});
