import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import type { CertificateSigningRequest, CertificateSigningRequestCondition } from '#api/types.generated.ts';
import { createCertificateRequest, type RequestedCertificate } from '#api/x509/create-request.ts';
import { createHttpTransport } from '#client/http-transport.ts';
import { createClient } from '#client/rest-client.ts';
import { inProcessTransport } from '#control/apiserver/in-process-transport.ts';
import { createAuthority, issueCertificate, type KeyPair } from '#control/pki/certificates.ts';
import { createRequestSigner } from '#control/pki/request-signer.ts';
import { startWorld, type World } from '../cluster.testing.ts';
import { type Kubectl, startKubectl } from '../kubectl.testing.ts';
import { waysToApproval } from './approving.ts';
import { endOfUse } from './cleaning.ts';
import { validityOf } from './signing.ts';

const resource = 'certificatesigningrequests.certificates.k8s.io';
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const kubeletClient = 'kubernetes.io/kube-apiserver-client-kubelet';
const kubeletServing = 'kubernetes.io/kubelet-serving';
const apiServerClient = 'kubernetes.io/kube-apiserver-client';
const node: RequestedCertificate = { commonName: 'system:node:n1', organizations: ['system:nodes'] };
const proxy: RequestedCertificate = { commonName: 'system:kube-proxy' };
const clientUsages = ['digital signature', 'client auth'];
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

const pkcs10 = (asked: RequestedCertificate): string =>
  Buffer.from(createCertificateRequest(asked, privateKey)).toString('base64');
const requestOf = (
  signerName: string,
  asked: RequestedCertificate,
  more: Partial<CertificateSigningRequest['spec']> = {},
  status: CertificateSigningRequest['status'] = {},
): CertificateSigningRequest => ({
  apiVersion: 'certificates.k8s.io/v1',
  kind: 'CertificateSigningRequest',
  metadata: { name: 'r', uid: 'u', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: { request: pkcs10(asked), signerName, usages: clientUsages, ...more },
  status,
});

describe('what approves a request without anybody', () => {
  const ways = (...request: Parameters<typeof requestOf>): string[] =>
    waysToApproval(requestOf(...request)).map(({ subresource }) => subresource);
  const self = { username: 'system:node:n1' };
  const cases: [what: string, request: Parameters<typeof requestOf>, ways: string[]][] = [
    ['a node that renews its own', [kubeletClient, node, self], ['selfnodeclient', 'nodeclient']],
    ['somebody who asks for a node', [kubeletClient, node, { username: 'bootstrap' }], ['nodeclient']],
    ['a kubelet with an RSA key', [kubeletClient, node, { usages: [...clientUsages, 'key encipherment'] }], ['nodeclient']],
    ['another signer', [apiServerClient, node, self], []],
    ['a serving certificate', [kubeletServing, { ...node, names: { dnsNames: ['n1'] } }, self], []],
    [
      'a part of an agent that renews its own',
      [apiServerClient, proxy, { username: 'system:kube-proxy' }],
      ['selfagentclient', 'agentclient'],
    ],
    ['somebody who asks for a part of an agent', [apiServerClient, proxy, { username: 'bootstrap' }], ['agentclient']],
    [
      'a part of an agent with a group',
      [apiServerClient, { ...proxy, organizations: ['x'] }, { username: 'system:kube-proxy' }],
      [],
    ],
    ['a part of an agent with a DNS name', [apiServerClient, { ...proxy, names: { dnsNames: ['n1'] } }], []],
    ['a part of an agent that would serve', [apiServerClient, proxy, { usages: [...clientUsages, 'server auth'] }], []],
    ['another user', [apiServerClient, { commonName: 'system:kube-scheduler' }, { username: 'system:kube-scheduler' }], []],
    ['no node', [kubeletClient, { ...node, commonName: 'n1' }], []],
    ['one more group', [kubeletClient, { ...node, organizations: ['system:nodes', 'system:masters'] }], []],
    ['a DNS name', [kubeletClient, { ...node, names: { dnsNames: ['n1'] } }], []],
    ['further usages', [kubeletClient, node, { usages: [...clientUsages, 'server auth'] }], []],
  ];
  for (const [what, request, expected] of cases)
    it(`of ${what}: ${expected.join() || 'nothing'}`, () => assert.deepEqual(ways(...request), expected));
});

describe('the validity of a certificate', () => {
  const of = (expirationSeconds: number | undefined, caNotAfterMs = 1e13, maxDurationMs = 24 * hourMs) => {
    const { notBeforeMs, notAfterMs } = validityOf({ expirationSeconds, maxDurationMs, caNotAfterMs, nowMs: 0 });
    return [notBeforeMs / minuteMs, notAfterMs / minuteMs];
  };
  it('is what is asked for, between ten minutes and what the cluster allows, and starts five minutes ago', () => {
    assert.deepEqual(of(3600), [-5, 60]);
    assert.deepEqual(of(1), [-5, 10]);
    assert.deepEqual(of(undefined), [-5, 24 * 60 - 5]);
    assert.deepEqual(of(48 * 3600), [-5, 24 * 60 - 5]);
    assert.deepEqual(of(8 * 3600), [-5, 8 * 60 - 5]);
  });
  it('ends with the CA at the latest', () => {
    assert.deepEqual(of(3600, 30 * minuteMs), [-5, 30]);
    assert.throws(
      () => of(3600, 0),
      /^Error: refusing to sign a certificate that expired in the past: NotAfter=1970-01-01T00:00:00\.000Z$/,
    );
  });
});

describe('the end of a request', () => {
  const created = Date.parse('2026-01-01T00:00:00Z');
  const condition = (type: string): CertificateSigningRequestCondition => ({
    type,
    status: 'True',
    lastUpdateTime: '2026-01-01T10:00:00Z',
  });
  let certificate: string;
  before(async () => {
    const pair = await issueCertificate(await createAuthority(created), { commonName: 'x', usage: 'client' }, created);
    certificate = Buffer.from(pair.certificate).toString('base64');
  });
  const hours = (status: CertificateSigningRequest['status']): number | undefined => {
    const end = endOfUse(requestOf(apiServerClient, node, {}, status));
    return end === undefined ? undefined : (end - created) / hourMs;
  };
  it('comes an hour after it was answered, and a day after nobody did', () => {
    assert.equal(hours({}), 24);
    assert.equal(hours({ conditions: [condition('Denied')] }), 11);
    assert.equal(hours({ conditions: [condition('Approved'), condition('Failed')] }), 11);
    assert.equal(hours({ conditions: [condition('Approved')] }), 34);
    assert.equal(hours({ conditions: [condition('Approved')], certificate }), 11);
  });
  it('comes with its certificate’s end where nobody knows when it was approved; else never', () => {
    assert.equal(hours({ conditions: [{ type: 'Approved', status: 'True' }], certificate }), 365 * 24);
    assert.equal(hours({ conditions: [{ type: 'Approved', status: 'True' }], certificate: 'AAAA' }), undefined);
    assert.equal(hours({ conditions: [condition('Other')] }), undefined);
  });
});

describe('requests for certificates in a cluster', () => {
  let authority: KeyPair;
  let world: World;
  let tool: Kubectl;
  before(async () => {
    authority = await createAuthority(Date.now());
    world = await startWorld({ certificateSigner: await createRequestSigner(authority) });
    // What is signed is shown to a real listener.
    world.clock.setBy(Date.now() - world.clock.now());
    tool = await startKubectl(world, authority);
  });
  after(async () => {
    await tool.stop();
    await world.stop();
  });
  const requests = () => world.client.resource(resource);
  let last = 0;
  async function make(
    signerName: string,
    asked: RequestedCertificate,
    more: Partial<CertificateSigningRequest['spec']> = {},
    user?: { name: string; groups: string[] },
  ) {
    const { apiVersion, kind, spec } = requestOf(signerName, asked, more);
    const sender =
      user === undefined
        ? world.client
        : createClient(
            inProcessTransport(world.server, { ...user, groups: [...user.groups, 'system:authenticated'], extra: {} }),
            { userAgent: 'test' },
          );
    return (await sender.resource(resource).create({ apiVersion, kind, metadata: { name: `r${++last}` }, spec })).metadata.name;
  }
  async function approve(name: string): Promise<void> {
    const found = await requests().get({ name });
    const conditions = [{ type: 'Approved', status: 'True', reason: 'Test', message: 'by a test' }];
    await requests().update({ ...found, status: { conditions } }, { subresource: 'approval' });
  }
  const until = (name: string, check: (request: CertificateSigningRequest) => boolean) =>
    world.until(name, async () => {
      const found = await requests().get({ name });
      return check(found) && found;
    });
  const issued = async (name: string): Promise<string> => {
    const { status } = await until(name, (request) => (request.status?.certificate ?? '') !== '');
    return Buffer.from(status?.certificate ?? '', 'base64').toString('utf8');
  };
  const bind = (user: string, role: string) =>
    world.client.resource('clusterrolebindings.rbac.authorization.k8s.io').create({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: `${user.replaceAll(':', '-')}-${last}` },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
      subjects: [{ kind: 'Group', apiGroup: 'rbac.authorization.k8s.io', name: user }],
    });

  it('give a client that the server knows', async () => {
    const name = await make(apiServerClient, { commonName: 'tester-csr' }, { expirationSeconds: 3600 });
    await approve(name);
    const cert = await issued(name);
    const { validFromDate, validToDate } = new X509Certificate(cert);
    assert.ok(validToDate.getTime() - validFromDate.getTime() <= hourMs + 5 * minuteMs);
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const transport = createHttpTransport({ server: tool.server.url, ca: tool.server.ca, cert, key });
    const client = createClient(transport, { userAgent: 'tester' });
    const { apiVersion, kind, spec } = requestOf(apiServerClient, node);
    const asked = { apiVersion, kind, metadata: { name: 'by-tester' }, spec };
    try {
      await assert.rejects(
        client.resource(resource).create(asked),
        /User "tester-csr" cannot create resource "certificatesigningrequests"/,
      );
      await bind('system:authenticated', 'system:node-bootstrapper');
      assert.equal((await client.resource(resource).create(asked)).spec.username, 'tester-csr');
    } finally {
      transport.close();
    }
  });

  it('of kubelets are approved for whom the roles allow it, also when that is said later', async () => {
    const user = { name: 'joining', groups: ['joiners'] };
    await bind('joiners', 'system:node-bootstrapper');
    const name = await make(kubeletClient, node, {}, user);
    await world.pass(3);
    assert.deepEqual((await requests().get({ name })).status, {});
    await bind('joiners', 'system:certificates.k8s.io:certificatesigningrequests:nodeclient');
    const { status } = await until(name, (request) => (request.status?.certificate ?? '') !== '');
    const [approved] = status?.conditions ?? [];
    assert.deepEqual(
      [approved?.type, approved?.reason, approved?.message],
      ['Approved', 'AutoApproved', 'Auto approving kubelet client certificate after SubjectAccessReview.'],
    );
    assert.match(new X509Certificate(Buffer.from(status?.certificate ?? '', 'base64')).subject, /CN=system:node:n1/);
  });

  it('of a node for its own certificate are approved by a right of their own', async () => {
    await bind('system:nodes', 'system:certificates.k8s.io:certificatesigningrequests:selfnodeclient');
    const name = await make(kubeletClient, node, {}, { name: 'system:node:n1', groups: ['system:nodes'] });
    const { status } = await until(name, (request) => (request.status?.certificate ?? '') !== '');
    assert.equal(status?.conditions?.[0]?.message, 'Auto approving self kubelet client certificate after SubjectAccessReview.');
  });

  const failing: [signerName: string, RequestedCertificate, usages: string[], message: string][] = [
    [apiServerClient, node, ['server auth'], 'invalid usage for client certificate: server auth'],
    [apiServerClient, node, ['digital signature'], 'missing required usage for client certificate: client auth'],
    [kubeletClient, { commonName: 'system:node:n1' }, clientUsages, 'subject organization is not system:nodes'],
    [kubeletClient, { ...node, commonName: 'n1' }, clientUsages, 'subject common name does not begin with system:node:'],
    [
      kubeletClient,
      { ...node, names: { ipAddresses: [Buffer.alloc(4, 1)] } },
      clientUsages,
      'IP subjectAltNames are not allowed',
    ],
    [kubeletClient, node, ['client auth'], 'usages did not match [client auth digital signature key encipherment]'],
    [kubeletServing, node, ['digital signature', 'server auth'], 'DNS or IP subjectAltName is required'],
    [
      kubeletServing,
      { ...node, names: { dnsNames: ['n1'], uris: ['urn:x'] } },
      ['digital signature', 'server auth'],
      'URI subjectAltNames are not allowed',
    ],
    [
      kubeletServing,
      { ...node, names: { dnsNames: ['n1'] } },
      clientUsages,
      'usages did not match [digital signature key encipherment server auth]',
    ],
  ];
  for (const [signerName, asked, usages, message] of failing)
    it(`fail at ${signerName.slice('kubernetes.io/'.length)}: ${message}`, async () => {
      const name = await make(signerName, asked, { usages });
      await approve(name);
      const { status } = await until(name, (request) => request.status?.conditions?.length === 2);
      const failure = status?.conditions?.[1];
      assert.deepEqual(
        [failure?.type, failure?.status, failure?.reason, failure?.message],
        ['Failed', 'True', 'SignerValidationFailure', message],
      );
      assert.equal(status?.certificate, undefined);
    });

  it('to signers of others, and denied ones, are let be; serving certificates are signed', async () => {
    const names = { dnsNames: ['n1'], ipAddresses: [Buffer.from([10, 0, 0, 1])] };
    const serving = await make(kubeletServing, { ...node, names }, { usages: ['digital signature', 'server auth'] });
    const others = await make('example.com/s', node);
    const waiting = await make(apiServerClient, node);
    for (const name of [serving, others]) await approve(name);
    assert.equal(new X509Certificate(await issued(serving)).subjectAltName, 'DNS:n1, IP Address:10.0.0.1');
    await world.rest();
    for (const name of [others, waiting]) assert.equal((await requests().get({ name })).status?.certificate, undefined);
  });

  it('are approved, denied and shown by kubectl', async () => {
    const kubectl = (args: string): Promise<string> => tool.run(args);
    const [one, two, three] = [
      await make(apiServerClient, node, { expirationSeconds: 3600 }),
      await make('example.com/s', node),
      await make('example.com/s', node),
    ];
    assert.match(
      await kubectl(`get csr ${one}`),
      new RegExp(
        `NAME +AGE +SIGNERNAME +REQUESTOR +REQUESTEDDURATION +CONDITION\n${one} +\\S+ +${apiServerClient} +kubernetes-admin +60m +Pending\n`,
      ),
    );
    const approved = await kubectl(`certificate approve ${one} ${two}`);
    assert.equal(approved, [one, two].map((name) => `certificatesigningrequest.certificates.k8s.io/${name} approved\n`).join(''));
    await issued(one);
    assert.match(await kubectl(`get csr ${one} ${two}`), /Approved,Issued\n.* Approved\n/);
    assert.equal(await kubectl(`certificate deny ${three}`), `certificatesigningrequest.certificates.k8s.io/${three} denied\n`);
    assert.match(await kubectl(`certificate approve ${three}`), /error: certificate signing request "\S+" is already Denied/);
    assert.match(await kubectl(`certificate approve --force ${one}`), /approved\n$/);
    assert.match(
      await kubectl(`describe csr ${three}`),
      /Name: +\S+\n[\s\S]*Requesting User: +kubernetes-admin\nSigner: +example\.com\/s\n[\s\S]*Status: +Denied\nSubject:\n\s+Common Name: +system:node:n1\n[\s\S]*Organization: +system:nodes\n/,
    );
    assert.match(
      await kubectl('get csr --field-selector spec.signerName=example.com/s -o name'),
      new RegExp(`/${two}\n[\\s\\S]*/${three}\n`),
    );
    assert.match(
      await kubectl('certificate approve nobody'),
      /certificatesigningrequests\.certificates\.k8s\.io "nobody" not found/,
    );
  });

  it('are deleted when they are of no use any more', async () => {
    const denied = await make('example.com/s', node);
    await tool.run(`certificate deny ${denied}`);
    const gone = (name: string) => async () => !(await requests().list()).items.some(({ metadata }) => metadata.name === name);
    await world.rest();
    assert.equal(await gone(denied)(), false);
    await world.clock.advance(hourMs + 1_000);
    await world.until('deleted', gone(denied));
  });
});
