/** The requests of a client that works with certificate signing requests, as upstream's conformance test of them makes them. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import type { CertificateSigningRequest } from '#api/types.generated.ts';
import { createCertificateRequest } from '#api/x509/create-request.ts';
import { startTestServer, type TestServer } from '#control/apiserver/api-server.testing.ts';
import { createAuthority } from '#control/pki/certificates.ts';

const group = '/apis/certificates.k8s.io';
const base = `${group}/v1/certificatesigningrequests`;
const signerName = 'example.com/e2e-x';
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const merge = { 'content-type': 'application/merge-patch+json' };
const template = {
  apiVersion: 'certificates.k8s.io/v1',
  kind: 'CertificateSigningRequest',
  metadata: { generateName: 'e2e-example-csr-' },
  spec: {
    request: Buffer.from(
      createCertificateRequest({ commonName: 'e2e.example.com', names: { dnsNames: ['e2e.example.com'] } }, privateKey),
    ).toString('base64'),
    signerName,
    expirationSeconds: 3600,
    usages: ['digital signature', 'key encipherment', 'server auth'],
  },
};

describe('certificate signing requests', () => {
  let api: TestServer;
  before(async () => {
    api = await startTestServer();
  });
  after(() => api.stop());

  async function send(method: string, path: string, body?: object, headers?: Record<string, string>) {
    const { status, json, text } = await api.request(
      method,
      path,
      body === undefined ? undefined : JSON.stringify(body),
      headers,
    );
    assert.ok(status < 300, `${method} ${path}: ${text}`);
    return json as unknown as CertificateSigningRequest & { items: unknown[]; groups: { name: string }[] };
  }
  const list = async (): Promise<number> =>
    (await send('GET', `${base}?fieldSelector=spec.signerName%3D${signerName}`)).items.length;

  it('are told by discovery, with their two subresources and the short name csr', async () => {
    assert.ok((await send('GET', '/apis')).groups.some(({ name }) => name === 'certificates.k8s.io'));
    const { json } = await api.request('GET', `${group}/v1`);
    const rows = (
      json.resources as unknown as { name: string; verbs: string[]; shortNames?: string[]; namespaced: boolean }[]
    ).map(({ name, verbs, shortNames, namespaced }) => [name, verbs.join(), shortNames?.join(), namespaced]);
    assert.deepEqual(rows, [
      ['certificatesigningrequests', 'create,delete,deletecollection,get,list,patch,update,watch', 'csr', false],
      ['certificatesigningrequests/approval', 'get,patch,update', undefined, false],
      ['certificatesigningrequests/status', 'get,patch,update', undefined, false],
    ]);
  });

  it('are created, changed, approved, signed and deleted', async () => {
    for (let one = 0; one < 2; one++) await send('POST', base, template);
    const created = await send('POST', base, template);
    const path = `${base}/${created.metadata.name}`;
    assert.equal(created.spec.username, 'kubernetes-admin');
    assert.deepEqual(created.spec.groups, ['system:masters', 'system:authenticated']);
    assert.equal((await send('GET', path)).spec.expirationSeconds, 3600);
    assert.equal(await list(), 3);

    const patched = await send('PATCH', path, { metadata: { annotations: { patched: 'true' } } }, merge);
    assert.ok(Number(patched.metadata.resourceVersion) > Number(created.metadata.resourceVersion));
    const annotations = { ...patched.metadata.annotations, updated: 'true' };
    await send('PUT', path, { ...patched, metadata: { ...patched.metadata, annotations } });

    for (const part of ['approval', 'status'])
      assert.equal((await send('GET', `${path}/${part}`)).metadata.uid, created.metadata.uid);
    const first = { type: 'ApprovalPatch', status: 'True', reason: 'e2e' };
    const annotated = { metadata: { annotations: { patchedapproval: 'true' } }, status: { conditions: [first] } };
    const half = await send('PATCH', `${path}/approval`, annotated, merge);
    assert.equal(half.metadata.annotations?.['patchedapproval'], 'true');
    assert.equal(half.status?.conditions?.[0]?.type, 'ApprovalPatch');
    const approved = { type: 'Approved', status: 'True', reason: 'E2E', message: 'Set from an e2e test' };
    const conditions = [...(half.status?.conditions ?? []), approved];
    const whole = await send('PUT', `${path}/approval`, { ...half, status: { ...half.status, conditions } });
    assert.deepEqual(
      whole.status?.conditions?.map(({ type }) => type),
      ['ApprovalPatch', 'Approved'],
    );

    const certificate = Buffer.from((await createAuthority(Date.now())).certificate).toString('base64');
    const signed = await send('PATCH', `${path}/status`, { status: { certificate } }, merge);
    assert.equal(signed.status?.certificate, certificate);
    const more = [...(signed.status?.conditions ?? []), { type: 'StatusUpdate', status: 'True', reason: 'E2E' }];
    const last = await send('PUT', `${path}/status`, { ...signed, status: { ...signed.status, conditions: more } });
    assert.deepEqual(
      last.status?.conditions?.map(({ type }) => type),
      ['ApprovalPatch', 'Approved', 'StatusUpdate'],
    );

    await send('DELETE', path);
    assert.equal((await api.request('GET', path)).status, 404);
    assert.equal(await list(), 2);
    await send('DELETE', `${base}?fieldSelector=spec.signerName%3D${signerName}`);
    assert.equal(await list(), 0);
  });

  it('count whether a signer gives the life that was asked for', async () => {
    const certificate = Buffer.from((await createAuthority(Date.now())).certificate).toString('base64');
    const tenYears = 3650 * 24 * 3600;
    for (const [signer, expirationSeconds] of [
      ['kubernetes.io/kube-apiserver-client', tenYears],
      ['example.com/a', 3600],
      ['example.com/b', tenYears],
    ] as const) {
      const spec = { ...template.spec, signerName: signer, expirationSeconds, usages: ['client auth'] };
      const { metadata } = await send('POST', base, { ...template, spec });
      const path = `${base}/${metadata.name}`;
      const conditions = [{ type: 'Approved', status: 'True', reason: 'x' }];
      await send('PATCH', `${path}/approval`, { status: { conditions } }, merge);
      await send('PATCH', `${path}/status?dryRun=All`, { status: { certificate } }, merge);
      await send('PATCH', `${path}/status`, { status: { certificate } }, merge);
      await send('PATCH', `${path}/status`, { metadata: { annotations: { again: 'true' } } }, merge);
    }
    const { text } = await api.request('GET', '/metrics');
    const lines = text.split('\n').filter((line) => line.startsWith('apiserver_certificates_registry_csr_'));
    const prefix = 'apiserver_certificates_registry_csr';
    for (const line of [
      `${prefix}_requested_duration_total{signerName="kubernetes.io/kube-apiserver-client"} 1`,
      `${prefix}_honored_duration_total{signerName="kubernetes.io/kube-apiserver-client"} 1`,
      `${prefix}_honored_duration_total{signerName="other"} 1`,
    ])
      assert.ok(lines.includes(line), lines.join('\n'));
    // The requests of the test above count, too.
    assert.ok(
      lines.some((line) => /requested_duration_total\{signerName="other"\} [23]$/.test(line)),
      lines.join('\n'),
    );
  });

  it('are owned by whom an endpoint lets write: nobody owns the spec', async () => {
    const made = await send('POST', base, template);
    const path = `${base}/${made.metadata.name}`;
    const owned = ({ metadata }: CertificateSigningRequest): string =>
      JSON.stringify(metadata.managedFields?.map(({ fieldsV1 }) => fieldsV1));
    assert.doesNotMatch(owned(made), /f:spec/);
    const conditions = [{ type: 'Approved', status: 'True' }];
    assert.match(owned(await send('PATCH', `${path}/approval`, { status: { conditions } }, merge)), /f:conditions/);
  });

  it('are found by their signer alone, besides their name', async () => {
    const { status, json } = await api.request('GET', `${base}?fieldSelector=spec.username%3Dx`);
    assert.deepEqual([status, json.message], [400, 'field label not supported: spec.username']);
  });
});
