/** Approval and signing of CertificateSigningRequests, on a real API server with RBAC. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { createCertificateRequest } from '#api/x509/create-request.ts';
import { startTestServer, type TestServer } from '../../api-server.testing.ts';

const base = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
const rbac = '/apis/rbac.authorization.k8s.io/v1';
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const merge = { 'content-type': 'application/merge-patch+json' };

function requestFor(name: string, signerName: string, organizations: string[] = []) {
  const request = Buffer.from(createCertificateRequest({ commonName: 'jane', organizations }, privateKey)).toString('base64');
  return {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name },
    spec: { request, signerName, usages: ['client auth'] },
  };
}

describe('the plugins of certificates', () => {
  let api: TestServer;
  before(async () => {
    api = await startTestServer({ modes: ['RBAC'] });
    const grant = async (user: string, verb: string, resourceNames: string[]) => {
      const rules = [
        {
          apiGroups: ['certificates.k8s.io'],
          resources: ['certificatesigningrequests/approval', 'certificatesigningrequests/status'],
          verbs: ['patch'],
        },
        { apiGroups: ['certificates.k8s.io'], resources: ['signers'], verbs: [verb], resourceNames },
      ];
      await api.request('POST', `${rbac}/clusterroles`, { metadata: { name: user }, rules });
      const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: user };
      const subjects = [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }];
      const { status } = await api.request('POST', `${rbac}/clusterrolebindings`, {
        metadata: { name: user },
        roleRef,
        subjects,
      });
      assert.equal(status, 201);
    };
    await grant('one', 'approve', ['example.com/a']);
    await grant('all', 'approve', ['example.com/*']);
    await grant('signer', 'sign', ['example.com/*']);
  });
  after(() => api.stop());

  let last = 0;
  const made = async (signerName: string): Promise<string> => {
    const name = `r${++last}`;
    assert.equal((await api.request('POST', base, requestFor(name, signerName))).status, 201);
    return name;
  };
  const write = (user: string, name: string, part: string, status: object) =>
    api.as({ name: user, groups: ['system:authenticated'], extra: {} })(
      'PATCH',
      `${base}/${name}/${part}`,
      JSON.stringify({ status }),
      merge,
    );
  const conditions = (type: string) => ({ conditions: [{ type, status: 'True' }] });
  const forbidden = (name: string, verb: string, signer: string): string =>
    `certificatesigningrequests.certificates.k8s.io "${name}" is forbidden: user not permitted to ${verb} requests with signerName "${signer}"`;

  const cases: [user: string, signer: string, part: 'approval' | 'status', type: string, isAllowed: boolean][] = [
    ['one', 'example.com/a', 'approval', 'Approved', true],
    ['one', 'example.com/b', 'approval', 'Denied', false],
    ['all', 'example.com/b', 'approval', 'Denied', true],
    ['all', 'sub.example.com/b', 'approval', 'Approved', false],
    ['all', 'example.com/b', 'status', 'Failed', false],
    ['signer', 'example.com/b', 'status', 'Failed', true],
    ['signer', 'example.org/b', 'status', 'Failed', false],
    ['signer', 'example.com/b', 'approval', 'Approved', false],
  ];
  for (const [user, signer, part, type, isAllowed] of cases)
    it(`${isAllowed ? 'let' : 'do not let'} ${user} say ${type} of a request to ${signer} at /${part}`, async () => {
      const name = await made(signer);
      const { status, json } = await write(user, name, part, conditions(type));
      if (isAllowed) assert.equal(status, 200, json.message);
      else assert.deepEqual([status, json.message], [403, forbidden(name, part === 'approval' ? 'approve' : 'sign', signer)]);
    });

  it('ask nobody about a status that says what is stored already', async () => {
    const name = await made('example.com/b');
    assert.equal((await write('one', name, 'status', {})).status, 200);
  });

  it('refuse client certificates of those who may do everything', async () => {
    const make = (signer: string, groups: string[]) =>
      api.request('POST', base, { ...requestFor('x', signer, groups), metadata: { generateName: 'x-' } });
    const client = 'kubernetes.io/kube-apiserver-client';
    const { status, json } = await make(client, ['a', 'system:masters']);
    assert.equal(status, 403);
    assert.match(
      json.message,
      /is forbidden: use of kubernetes\.io\/kube-apiserver-client signer with system:masters group is not allowed$/,
    );
    assert.equal((await make(client, ['a'])).status, 201);
    assert.equal((await make('example.com/s', ['system:masters'])).status, 201);
  });
});
