import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connect, createServer } from 'node:tls';
import { createAuthority, issueCertificate, type KeyPair } from '#control/pki/certificates.ts';
import { CertificateFiles } from './certificate-files.ts';
import { FakeClock } from './clock.ts';

describe('a serving certificate in files', () => {
  let folder: string;
  let pairs: [KeyPair, KeyPair];
  const at = (name: string): string => join(folder, name);
  const write = (certificate: string, key: string): void => {
    writeFileSync(at('tls.crt'), certificate);
    writeFileSync(at('tls.key'), key);
  };
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'certificate-files-'));
    const ca = await createAuthority(Date.now());
    const issue = (commonName: string): Promise<KeyPair> =>
      issueCertificate(ca, { commonName, usage: 'server', ipAddresses: ['127.0.0.1'] }, Date.now());
    pairs = [await issue('first'), await issue('second')];
  });
  after(() => rmSync(folder, { recursive: true }));

  it('is served anew when the files change, and stays while they do not belong together', async () => {
    const [first, second] = pairs;
    write(first.certificate, first.key);
    const files = new CertificateFiles(at('tls.crt'), at('tls.key'));
    const options = () => ({ cert: files.current().certificate, key: files.current().key });
    const server = createServer(options(), (socket) => socket.end());
    files.onChange(() => server.setSecureContext(options()));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const served = (): Promise<string> =>
      new Promise((resolve, reject) => {
        const { port } = server.address() as AddressInfo;
        const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
          resolve(String(socket.getPeerCertificate().subject.CN));
          socket.destroy();
        });
        socket.on('error', reject);
      });
    const clock = new FakeClock();
    const told: string[] = [];
    const note = (_: object, message: string): number => told.push(message);
    const stop = new AbortController();
    const running = files.run({ clock, log: { info: note, warn: note } }, stop.signal);
    const look = async (): Promise<void> => {
      const before = told.length;
      for (let tries = 0; tries < 200 && told.length === before; tries++) {
        await clock.advance(10_000);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    try {
      assert.equal(await served(), 'first');
      writeFileSync(at('tls.crt'), second.certificate);
      await look();
      assert.equal(await served(), 'first');
      assert.match(told[0] ?? '', /cannot be used; the one of before stays/);
      writeFileSync(at('tls.key'), second.key);
      await look();
      assert.equal(await served(), 'second');
      assert.deepEqual(told.length, 2);
    } finally {
      stop.abort();
      await running;
      server.close();
    }
  });

  it('is refused at the start when it cannot be used', () => {
    const [first, second] = pairs;
    write(first.certificate, second.key);
    assert.throws(
      () => new CertificateFiles(at('tls.crt'), at('tls.key')),
      /tls\.key is not the key of the certificate .*tls\.crt/,
    );
    write('nothing', first.key);
    assert.throws(() => new CertificateFiles(at('tls.crt'), at('tls.key')), /tls\.crt: /);
    assert.throws(() => new CertificateFiles(at('none'), at('tls.key')), /ENOENT/);
  });
});
