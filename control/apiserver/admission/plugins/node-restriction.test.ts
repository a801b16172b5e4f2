/** What a node may read and write, on a real API server with Node authorization and RBAC. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { createCertificateRequest } from '#api/x509/create-request.ts';
import { startTestServer, type TestServer } from '../../api-server.testing.ts';
import { systemMeta, testContext } from '../../kinds/strategy.testing.ts';
import type { AdmissionAttributes } from '../plugin.ts';
import { nodeRestriction } from './node-restriction.ts';

const n1 = { name: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'], extra: {} };
const base = '/api/v1/namespaces/default';
const merge = { 'content-type': 'application/merge-patch+json' };

describe('a node, by NodeRestriction', () => {
  let api: TestServer;
  let nodeUid = '';
  const uids: Record<string, string> = {};
  const asNode: TestServer['request'] = (...request) => api.as(n1)(...request);
  const patch = (path: string, body: object) => asNode('PATCH', path, JSON.stringify(body), merge);

  before(async () => {
    api = await startTestServer({ modes: ['Node', 'RBAC'], namespaces: ['default', 'kube-node-lease'] });
    const make = async (path: string, kind: string, content: object) => {
      const { status, json, text } = await api.request('POST', path, { apiVersion: 'v1', kind, ...content });
      assert.equal(status, 201, text);
      return json.metadata.uid;
    };
    await make(`${base}/serviceaccounts`, 'ServiceAccount', { metadata: { name: 'default' } });
    for (const name of ['n1', 'n2']) {
      await make(`${base}/secrets`, 'Secret', { metadata: { name: `of-${name}` }, data: { k: 'dg==' } });
      const volumes = [{ name: 's', secret: { secretName: `of-${name}` } }];
      uids[name] = await make(`${base}/pods`, 'Pod', {
        metadata: { name: `on-${name}` },
        spec: { nodeName: name, containers: [{ name: 'c', image: 'x' }], volumes },
      });
    }
    nodeUid = await make('/api/v1/nodes', 'Node', { metadata: { name: 'n1' } });
  });
  after(() => api.stop());

  it('reads the secrets of its own pods, as soon as they are its own', async () => {
    assert.equal((await asNode('GET', `${base}/secrets/of-n1`)).status, 200);
    const { status, json } = await asNode('GET', `${base}/secrets/of-n2`);
    assert.deepEqual(
      [status, json.message],
      [
        403,
        `secrets "of-n2" is forbidden: User "system:node:n1" cannot get resource "secrets" in API group "" in the namespace "default": no relationship found between node 'n1' and this object`,
      ],
    );
    const list = await asNode('GET', '/api/v1/pods?fieldSelector=spec.nodeName%3Dn1');
    assert.deepEqual(
      list.json.items.map(({ metadata }) => metadata.name),
      ['on-n1'],
    );
    assert.equal((await asNode('GET', '/api/v1/pods')).status, 403);
    assert.equal((await asNode('GET', '/api/v1/nodes?fieldSelector=metadata.name%3Dn1')).status, 200);
  });

  const mirror = (change: object = {}, owner: object = {}) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'static-n1',
      annotations: { 'kubernetes.io/config.mirror': 'h' },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'n1', uid: nodeUid, controller: true, ...owner }],
    },
    spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'x' }], ...change },
  });
  const refusals: [what: string, send: () => ReturnType<TestServer['request']>, message: RegExp][] = [
    [
      'a pod that is no mirror',
      () => asNode('POST', `${base}/pods`, { ...mirror(), metadata: { name: 'p' } }),
      /pod does not have "kubernetes.io\/config.mirror" annotation, node "n1" can only create mirror pods$/,
    ],
    [
      'a mirror pod of another node',
      () => asNode('POST', `${base}/pods`, mirror({ nodeName: 'n2' })),
      /node "n1" can only create pods with spec.nodeName set to itself$/,
    ],
    [
      'a mirror pod of another owner',
      () => asNode('POST', `${base}/pods`, mirror({}, { name: 'n2' })),
      /with an owner reference set to itself$/,
    ],
    [
      'a mirror pod of an earlier node of its name',
      () => asNode('POST', `${base}/pods`, mirror({}, { uid: 'old' })),
      /node n1 UID mismatch: expected old got /,
    ],
    [
      'a mirror pod that blocks the node',
      () => asNode('POST', `${base}/pods`, mirror({}, { blockOwnerDeletion: true })),
      /node "n1" must not set blockOwnerDeletion/,
    ],
    [
      'a mirror pod with a claim',
      () => asNode('POST', `${base}/pods`, mirror({ volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'c' } }] })),
      /node "n1" can not create pods that reference persistentvolumeclaims$/,
    ],
    [
      'the deletion of a pod of another node',
      () => asNode('DELETE', `${base}/pods/on-n2`),
      /node "n1" can only delete pods with spec.nodeName set to itself$/,
    ],
    [
      'the status of a pod of another node',
      () => patch(`${base}/pods/on-n2/status`, { status: { phase: 'Failed' } }),
      /node "n1" can only update pod status for pods with spec.nodeName set to itself$/,
    ],
    [
      'labels through the status',
      () => patch(`${base}/pods/on-n1/status`, { metadata: { labels: { a: 'b' } } }),
      /node "n1" cannot update labels through pod status$/,
    ],
    [
      'the eviction of a pod of another node',
      () =>
        asNode('POST', `${base}/pods/on-n2/eviction`, { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'on-n2' } }),
      /node n1 can only evict pods with spec.nodeName set to itself$/,
    ],
    [
      'another Node',
      () => asNode('POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n2' } }),
      /node "n1" is not allowed to modify node "n2"$/,
    ],
    ['its own taints', () => patch('/api/v1/nodes/n1', { spec: { taints: [] } }), /node "n1" is not allowed to modify taints$/],
    [
      'its own owners',
      () => patch('/api/v1/nodes/n1', { metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'X', name: 'x', uid: 'x' }] } }),
      /node "n1" is not allowed to modify ownerReferences$/,
    ],
    [
      "labels that are not a node's",
      () =>
        patch('/api/v1/nodes/n1', {
          metadata: {
            labels: {
              'node-restriction.kubernetes.io/a': 'b',
              'x.k8s.io/b': 'c',
              own: 'd',
              'node-role.kubernetes.io/control-plane': '',
            },
          },
        }),
      /is not allowed to modify labels: node-restriction.kubernetes.io\/a, node-role.kubernetes.io\/control-plane, x.k8s.io\/b$/,
    ],
    [
      'a lease of another name',
      () =>
        asNode('POST', '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases', {
          apiVersion: 'coordination.k8s.io/v1',
          kind: 'Lease',
          metadata: { name: 'n2' },
        }),
      /can only access node lease with the same name as the requesting node$/,
    ],
  ];
  for (const [what, send, message] of refusals)
    it(`may not write ${what}`, async () => {
      const { status, json, text } = await send();
      assert.equal(status, 403, text);
      assert.match(json.message, message);
    });

  it('writes what is its own', async () => {
    assert.equal((await asNode('POST', `${base}/pods`, mirror())).status, 201);
    assert.equal((await patch(`${base}/pods/on-n1/status`, { status: { phase: 'Running' } })).status, 200);
    const labels = { 'kubernetes.io/os': 'linux', 'x.node.kubernetes.io/y': 'z', own: 'd', 'topology.kubernetes.io/zone': 'a' };
    assert.equal((await patch('/api/v1/nodes/n1', { metadata: { labels } })).status, 200);
    assert.equal((await patch('/api/v1/nodes/n1/status', { status: { phase: '' } })).status, 200);
    const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'n1' }, spec: {} };
    assert.equal((await asNode('POST', '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases', lease)).status, 201);
  });

  it('gets tokens of its own pods, for the audiences of their volumes', async () => {
    const token = (pod: string, uid: string | undefined, audiences: string[] = []) =>
      asNode('POST', `${base}/serviceaccounts/default/token`, {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: { audiences, boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: pod, uid } },
      });
    assert.equal((await token('on-n1', uids['n1'])).status, 201);
    const cases: [answer: Awaited<ReturnType<typeof token>>, message: RegExp][] = [
      [await token('on-n2', uids['n2']), /node requested token bound to a pod scheduled on a different node$/],
      [await token('on-n1', undefined), /node requested token with a pod binding without a uid$/],
      [await token('on-n1', uids['n2']), /the UID in the bound object reference \(.*\) does not match the UID in record/],
      [
        await token('on-n1', uids['n1'], ['vault']),
        /audience "vault" not found in pod spec volume, system:node:n1 is not authorized to request tokens for this audience$/,
      ],
      [await token('on-n1', uids['n1'], ['a', 'b']), /node may only request 0 or 1 audiences$/],
    ];
    for (const [{ status, json }, message] of cases) {
      assert.equal(status, 403);
      assert.match(json.message, message);
    }
  });
});

describe('certificates that a node asks for, by NodeRestriction', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const request = (commonName: string): string =>
    Buffer.from(createCertificateRequest({ commonName, organizations: ['system:nodes'] }, privateKey)).toString('base64');
  const admit = async (signerName: string, text: string): Promise<void> => {
    const spec = { signerName, request: text, usages: [] };
    const object = { apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', metadata: systemMeta('c'), spec };
    const resource = { group: 'certificates.k8s.io', version: 'v1', plural: 'certificatesigningrequests' };
    const attributes: AdmissionAttributes = {
      operation: 'create',
      resource,
      kind: object.kind,
      subresource: '',
      namespace: '',
      name: 'c',
      user: n1,
      dryRun: false,
      object,
      oldObject: undefined,
      options: undefined,
    };
    await nodeRestriction({}).mutate?.(attributes, testContext());
  };
  const kubelet = 'kubernetes.io/kube-apiserver-client-kubelet';

  it('are read in no time, whatever they are', async () => {
    const endless = Buffer.from('-----BEGIN '.repeat(100_000)).toString('base64');
    await assert.rejects(admit(kubelet, endless), /unable to parse csr: PEM block type must be CERTIFICATE REQUEST/);
  });

  it('are its own, where kubelets are let in by them', async () => {
    await admit(kubelet, request('system:node:n1'));
    await admit('example.com/mine', request('anybody'));
    await assert.rejects(admit(kubelet, request('system:node:n2')), /can only create a node CSR with CN=system:node:n1$/);
    await assert.rejects(admit(kubelet, Buffer.from('no PEM').toString('base64')), /unable to parse csr: /);
  });
});
