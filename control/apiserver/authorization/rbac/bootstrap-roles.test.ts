import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '#client/clock.ts';
import { startTestServer, type TestServer } from '../../api-server.testing.ts';
import { silentLog } from '../../serving/server-log.ts';
import { bootstrapRoles } from './bootstrap-roles.ts';
import { defaultPolicy } from './policy/default-policy.ts';

const rbac = '/apis/rbac.authorization.k8s.io/v1';

describe('the default roles of a cluster', () => {
  let api: TestServer;
  const never = new AbortController().signal;
  const bootstrap = () => bootstrapRoles(api.client, defaultPolicy(), systemClock, silentLog, never);
  const revision = async (): Promise<number> =>
    Number((await api.request('GET', `${rbac}/clusterroles`)).json.metadata.resourceVersion);
  before(async () => {
    api = await startTestServer({ modes: ['RBAC'], namespaces: ['default', 'kube-system', 'kube-public'] });
    await bootstrap();
  });
  after(() => api.stop());

  it('are made at the first start, and not written again at the next', async () => {
    const policy = defaultPolicy();
    for (const [plural, expected] of [
      ['clusterroles', policy.clusterRoles],
      ['clusterrolebindings', policy.clusterRoleBindings],
      ['roles', policy.roles],
      ['rolebindings', policy.roleBindings],
    ] as const)
      assert.equal((await api.request('GET', `${rbac}/${plural}`)).json.items.length, expected.length);
    const before = await revision();
    await bootstrap();
    assert.equal(await revision(), before);
  });

  it('come back as they were, and what was added stays', async () => {
    await api.request('DELETE', `${rbac}/clusterroles/view`);
    await api.request('DELETE', `${rbac}/namespaces/kube-public/rolebindings/system:controller:bootstrap-signer`);
    const path = `${rbac}/clusterrolebindings/system:kube-dns`;
    const subjects = [{ kind: 'ServiceAccount', name: 'coredns', namespace: 'kube-system' }];
    await api.request('PATCH', path, JSON.stringify({ subjects }), { 'content-type': 'application/merge-patch+json' });
    await api.request('DELETE', `${rbac}/clusterrolebindings/system:discovery`);
    const other = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: 'system:discovery' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    };
    assert.equal((await api.request('POST', `${rbac}/clusterrolebindings`, other)).status, 201);
    await bootstrap();
    assert.equal((await api.request('GET', `${rbac}/clusterroles/view`)).status, 200);
    const signer = `${rbac}/namespaces/kube-public/rolebindings/system:controller:bootstrap-signer`;
    assert.equal((await api.request('GET', signer)).status, 200);
    const names = JSON.parse((await api.request('GET', path)).text).subjects.map(({ name }: { name: string }) => name);
    assert.deepEqual(names, ['coredns', 'kube-dns']);
    const discovery = JSON.parse((await api.request('GET', `${rbac}/clusterrolebindings/system:discovery`)).text);
    assert.equal(discovery.roleRef.name, 'system:discovery');
  });

  it('let anyone who is authenticated discover, and nobody else', async () => {
    const jane = { name: 'jane', groups: ['system:authenticated'], extra: {} };
    assert.equal((await api.as(jane)('GET', '/apis')).status, 200);
    assert.equal((await api.as(jane)('GET', '/api/v1/nodes')).status, 403);
    const nobody = { name: 'system:anonymous', groups: ['system:unauthenticated'], extra: {} };
    assert.equal((await api.as(nobody)('GET', '/apis')).status, 403);
    assert.equal((await api.as(nobody)('GET', '/readyz')).status, 200);
  });
});
