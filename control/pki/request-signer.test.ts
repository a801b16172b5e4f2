import assert from 'node:assert/strict';
import { type ExecFileSyncOptions, execFileSync } from 'node:child_process';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { certificateUsages } from '#api/certificates/usages.ts';
import { parseCertificateRequest } from '#api/x509/certificate-request.ts';
import { createCertificateRequest, type RequestedCertificate } from '#api/x509/create-request.ts';
import { createAuthority, type KeyPair } from './certificates.ts';
import { createRequestSigner, type RequestSigner } from './request-signer.ts';

const run = (program: string, args: readonly string[], options: ExecFileSyncOptions): Buffer =>
  Buffer.from(execFileSync(program, args, options) ?? '');

const nowMs = Date.UTC(2026, 5, 1);
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const terms = { usages: ['client auth', 'digital signature'], notBeforeMs: nowMs, notAfterMs: nowMs + 3_600_000 };
const requestOf = (asked: RequestedCertificate, key = privateKey) =>
  parseCertificateRequest(Buffer.from(createCertificateRequest(asked, key)).toString('base64'));
const shown = (pem: string): string => run('openssl', ['x509', '-noout', '-text'], { input: pem }).toString();

describe('a signed request', () => {
  let authority: KeyPair;
  let signer: RequestSigner;
  before(async () => {
    authority = await createAuthority(nowMs);
    signer = await createRequestSigner(authority);
  });

  it('is a certificate of the CA with the key, the subject and the names asked for', async () => {
    const names = { dnsNames: ['a.b'], ipAddresses: [Buffer.from([10, 0, 0, 1])] };
    const pem = await signer.sign(requestOf({ commonName: 'jäne', organizations: ['a', 'b'], names }), terms);
    const certificate = new X509Certificate(pem);
    assert.ok(certificate.verify(new X509Certificate(authority.certificate).publicKey));
    assert.ok(certificate.checkPrivateKey(privateKey));
    assert.ok(certificate.checkIssued(new X509Certificate(authority.certificate)));
    assert.equal(certificate.subject, 'O=a + O=b\nCN=jäne');
    assert.equal(certificate.subjectAltName, 'DNS:a.b, IP Address:10.0.0.1');
    assert.deepEqual([certificate.validFromDate.getTime(), certificate.validToDate.getTime()], [nowMs, nowMs + 3_600_000]);
    assert.equal(certificate.ca, false);
    assert.match(
      shown(pem),
      /Key Usage: critical\s+Digital Signature\n\s+X509v3 Extended Key Usage: \n?\s*TLS Web Client Authentication\n/,
    );
  });

  it('says names as they are, whatever they look like', async () => {
    // The digits are "system:masters" as a string in DER: a library that reads names as RFC 2253 has them would decode it.
    const names = ['#130e73797374656d3a6d617374657273', '"quoted"', 'a,O=system:masters', 'a+b=c', '\\2c', ' spaces ', ''];
    const pem = await signer.sign(requestOf({ commonName: '#0c0161', organizations: names }), terms);
    const { subject } = new X509Certificate(pem).toLegacyObject() as unknown as { subject: { O: string[]; CN: string } };
    assert.deepEqual([[...subject.O].sort(), subject.CN], [[...names].sort(), '#0c0161']);
  });

  it('has all usages that there are', async () => {
    const text = shown(await signer.sign(requestOf({ commonName: 'x' }), { ...terms, usages: certificateUsages }));
    for (const usage of [
      'Digital Signature, Non Repudiation, Key Encipherment, Data Encipherment, Key Agreement, Certificate Sign, CRL Sign, Encipher Only, Decipher Only',
      'Any Extended Key Usage',
      'Code Signing',
      'E-mail Protection',
      'Time Stamping',
      'OCSP Signing',
      'CA:FALSE',
    ])
      assert.ok(text.includes(usage), `${usage}: ${text}`);
    await assert.rejects(signer.sign(requestOf({ commonName: 'x' }), { ...terms, usages: ['odd'] }), {
      message: 'unrecognized usage values: ["odd"]',
    });
  });

  it('has the key asked for, of whatever type', async () => {
    for (const key of [
      generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
      generateKeyPairSync('ed25519').privateKey,
    ]) {
      const certificate = new X509Certificate(await signer.sign(requestOf({ commonName: 'x' }, key), terms));
      assert.ok(certificate.checkPrivateKey(key));
    }
  });

  it('is signed by a CA whose key is RSA, too', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rsa-ca-'));
    const [keyFile, certificateFile] = [join(folder, 'ca.key'), join(folder, 'ca.crt')];
    const command = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=kubernetes', '-days', '3650'];
    run('openssl', [...command, '-keyout', keyFile, '-out', certificateFile], { stdio: 'ignore' });
    const [key, certificate] = [readFileSync(keyFile, 'utf8'), readFileSync(certificateFile, 'utf8')];
    rmSync(folder, { recursive: true });
    const pem = await (await createRequestSigner({ certificate, key })).sign(requestOf({ commonName: 'x' }), terms);
    assert.ok(new X509Certificate(pem).verify(new X509Certificate(certificate).publicKey));
  });
});
