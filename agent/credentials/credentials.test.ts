import assert from 'node:assert/strict';
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { pino } from 'pino';
import type { CertificateSigningRequest } from '#api/types.generated.ts';
import { parseCertificateRequest } from '#api/x509/certificate-request.ts';
import type { Client } from '#client/client.ts';
import { FakeClock } from '#client/clock.ts';
import { createAuthority, issueCertificate, type KeyPair } from '#control/pki/certificates.ts';
import { createRequestSigner } from '#control/pki/request-signer.ts';
import { CertificateManager, rotationDeadlineMs, satisfies } from './certificate-manager.ts';
import { CertificateStore, readCertificateAndKey } from './certificate-store.ts';
import type { WantedCertificate } from './request-certificate.ts';

const scratch = mkdtempSync(join(tmpdir(), 'tinker-credentials-'));
after(() => rmSync(scratch, { recursive: true }));
let folders = 0;
const aFolder = (): string => join(scratch, `folder-${folders++}`);
const dayMs = 86_400_000;
const startMs = Date.UTC(2026, 0, 1);
const pair = async (authority: KeyPair, commonName: string): Promise<KeyPair> =>
  issueCertificate(
    authority,
    { commonName, organizations: ['system:nodes'], usage: 'server', dnsNames: ['n'], ipAddresses: ['10.0.0.1', 'fd00::1'] },
    startMs,
  );

describe('certificates on disk', () => {
  it('are one file that its owner alone can read, named by a link', async () => {
    const authority = await createAuthority(startMs);
    const { certificate, key } = await pair(authority, 'system:node:n');
    const store = new CertificateStore(aFolder(), 'kubelet-client');
    assert.equal(store.current(), undefined);
    store.update(certificate, key, startMs);
    assert.ok(lstatSync(store.currentPath).isSymbolicLink());
    assert.equal(statSync(store.currentPath).mode & 0o777, 0o600);
    const { commonName, organizations, dnsNames, ipAddresses, notAfterMs, notBeforeMs } = store.current() ?? assert.fail();
    assert.deepEqual(
      { commonName, organizations, dnsNames, ipAddresses },
      { commonName: 'system:node:n', organizations: ['system:nodes'], dnsNames: ['n'], ipAddresses: ['10.0.0.1', 'fd00::1'] },
    );
    assert.deepEqual([notBeforeMs, notAfterMs], [startMs - 300_000, startMs + 365 * dayMs]);
  });

  it('change in one step: whoever reads finds a certificate with its key, and old files go', async () => {
    const authority = await createAuthority(startMs);
    const pairs = [await pair(authority, 'a'), await pair(authority, 'b')];
    const folder = aFolder();
    const store = new CertificateStore(folder, 'kubelet-client');
    writeFileSync(join(scratch, 'other'), '');
    for (let turn = 0; turn < 5; turn++) {
      const { certificate, key } = pairs[turn % 2] as KeyPair;
      store.update(certificate, key, startMs + turn * 1000);
      assert.equal(store.current()?.commonName, turn % 2 === 0 ? 'a' : 'b');
    }
    assert.deepEqual(readdirSync(folder).sort(), [
      'kubelet-client-2026-01-01-00-00-03.pem',
      'kubelet-client-2026-01-01-00-00-04.pem',
      'kubelet-client-current.pem',
    ]);
  });

  it('do not take what does not belong together, and keep what was there', async () => {
    const authority = await createAuthority(startMs);
    const [a, b] = [await pair(authority, 'a'), await pair(authority, 'b')];
    const store = new CertificateStore(aFolder(), 'kubelet-client');
    store.update(a.certificate, a.key, startMs);
    for (const [certificate, key, expected] of [
      [b.certificate, a.key, /it belongs to another key/],
      ['', a.key, /there is no certificate/],
      ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----', a.key, /cannot be used/],
      [b.certificate, '', /there is no private key/],
    ] as const)
      assert.throws(() => store.update(certificate, key, startMs + 1000), expected);
    assert.equal(store.current()?.commonName, 'a');
  });

  it('say where they cannot be written or read', async () => {
    const { certificate, key } = await pair(await createAuthority(startMs), 'a');
    const file = aFolder();
    writeFileSync(file, '');
    assert.throws(
      () => new CertificateStore(join(file, 'pki'), 'x').update(certificate, key, startMs),
      /folder-\d+\/pki\/x-current\.pem cannot be written/,
    );
    const folder = aFolder();
    const store = new CertificateStore(folder, 'x');
    store.update(certificate, key, startMs);
    writeFileSync(store.currentPath, 'garbage');
    assert.throws(() => store.current(), /x-current\.pem is no certificate with its key: there is no certificate/);
    assert.ok(readFileSync(store.currentPath, 'utf8') === 'garbage');
  });
});

/** An API server that signs at once what it is asked for, valid for `validMs`; `refusals`: so often it fails before. */
async function aSigner(clock: FakeClock, validMs: number) {
  const signer = await createRequestSigner(await createAuthority(startMs));
  const state = { requests: 0, refusals: 0 };
  let current: CertificateSigningRequest;
  const resource = {
    async create({ spec }: CertificateSigningRequest) {
      if (state.refusals-- > 0) throw new Error('refused');
      state.requests += 1;
      const terms = { usages: spec.usages ?? [], notBeforeMs: clock.now(), notAfterMs: clock.now() + validMs };
      const pem = await signer.sign(parseCertificateRequest(spec.request), terms);
      const status = { certificate: Buffer.from(pem).toString('base64'), conditions: [{ type: 'Approved', status: 'True' }] };
      const metadata = { name: 'r', uid: String(state.requests), resourceVersion: '1', creationTimestamp: '' };
      current = { apiVersion: '', kind: '', metadata, spec, status };
      return current;
    },
    get: async () => current,
  };
  return { state, client: { resource: () => resource } as unknown as Client };
}

describe('a certificate that is kept current', () => {
  const wanted: WantedCertificate = {
    commonName: 'system:node:n',
    organizations: ['system:nodes'],
    signerName: 's',
    usage: 'client auth',
  };
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  };

  for (const [random, share] of [
    [0, 0.7],
    [0.5, 0.8],
    [0.999, 0.8998],
  ] as const)
    it(`is renewed at ${share * 100} % of its life`, () =>
      assert.ok(Math.abs(rotationDeadlineMs({ notBeforeMs: 1000, notAfterMs: 2000 }, random) - (1000 + share * 1000)) < 0.001));

  it('is asked for at once, and again before each ends', async () => {
    const clock = new FakeClock(startMs);
    const { client, state } = await aSigner(clock, 10 * dayMs);
    const failures: number[] = [];
    const ages: number[] = [];
    const manager = new CertificateManager(
      {
        store: new CertificateStore(aFolder(), 'x'),
        client: () => client,
        clock,
        random: () => 0,
        log: pino({ level: 'silent' }),
        failed: () => failures.push(clock.now() - startMs),
        rotated: (age) => ages.push(age),
      },
      wanted,
    );
    let changes = 0;
    manager.onChange(() => changes++);
    const stop = new AbortController();
    state.refusals = 2;
    const running = manager.run(stop.signal);
    await settle();
    assert.equal(manager.current(), undefined);
    for (let second = 0; second < 20; second++) {
      await clock.advance(1_000);
      await settle();
    }
    assert.deepEqual([state.requests, changes, failures], [1, 1, [0, 2_000]]);
    assert.ok(manager.current() !== undefined);
    // 6.9 days: not yet; a day more: renewed once.
    for (let hour = 0; hour < 166; hour++) {
      await clock.advance(3_600_000);
      await settle();
    }
    assert.equal(state.requests, 1);
    for (let hour = 0; hour < 24; hour++) {
      await clock.advance(3_600_000);
      await settle();
    }
    assert.equal(state.requests, 2);
    const [age = 0] = ages;
    assert.ok(age >= 7 * 86_400 && age < 8 * 86_400, `${age}`);
    // The server is away: the certificate ends, and is no longer shown.
    state.refusals = 1e6;
    for (let hour = 0; hour < 24 * 11; hour++) {
      await clock.advance(3_600_000);
      await settle();
    }
    assert.equal(manager.current(), undefined);
    state.refusals = 0;
    await clock.advance(40_000);
    await settle();
    assert.ok(manager.current() !== undefined);
    stop.abort();
    await running;
  });

  it('must say what is wanted', async () => {
    const { certificate, key } = await pair(await createAuthority(startMs), 'system:node:n');
    const stored = readCertificateAndKey(certificate, key);
    const serving = { ...wanted, dnsNames: ['n'], ipAddresses: ['fd00::1'] };
    assert.ok(satisfies(stored, serving));
    assert.ok(!satisfies(stored, { ...serving, dnsNames: ['n', 'm'] }));
    assert.ok(!satisfies(stored, { ...serving, ipAddresses: ['10.0.0.2'] }));
    assert.ok(!satisfies(stored, { ...serving, organizations: ['x'] }));
    assert.ok(!satisfies(stored, { ...serving, commonName: 'n' }));
  });
});
