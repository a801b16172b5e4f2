/**
 * The parts of upstream's conformance tests of service accounts and reviews that need no node: the life cycle of an account, access reviews
 * that agree with real requests, and TokenReviews.
 *
 * Source: kubernetes `test/e2e/auth/{service_accounts,subjectreviews,selfsubjectreviews}.go`.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import type { New } from '#api/meta.ts';
import type { ServiceAccount } from '#api/types.generated.ts';
import { systemClock } from '#client/clock.ts';
import { startTestServer, type TestServer } from '../api-server.testing.ts';
import { bootstrapRoles } from '../authorization/rbac/bootstrap-roles.ts';
import { defaultPolicy } from '../authorization/rbac/policy/default-policy.ts';
import { silentLog } from '../serving/server-log.ts';

const namespace = 'default';
const accountsPath = `/api/v1/namespaces/${namespace}/serviceaccounts`;

describe('service accounts', () => {
  let api: TestServer;
  before(async () => {
    api = await startTestServer({ modes: ['Node', 'RBAC'], namespaces: [namespace, 'kube-system', 'kube-public'] });
    await bootstrapRoles(api.client, defaultPolicy(), systemClock, silentLog, new AbortController().signal);
  });
  after(async () => await api.stop());
  const accounts = () => api.client.resource('serviceaccounts');
  const account = (name: string, more: Partial<ServiceAccount> = {}, labels = {}): New<ServiceAccount> =>
    ({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace, labels }, ...more }) as New<ServiceAccount>;

  it('are made, watched, patched, listed by label and deleted as a collection', { timeout: 60_000 }, async () => {
    const labels = { 'test-serviceaccount-static': 'true' };
    const labelSelector = 'test-serviceaccount-static=true';
    const created = await accounts().create(account('lives', {}, labels));
    assert.equal((await accounts().get({ namespace, name: 'lives' })).metadata.uid, created.metadata.uid);
    const stop = new AbortController();
    const events = accounts().watch({ namespace, labelSelector }, stop.signal)[Symbol.asyncIterator]();
    const next = async (): Promise<string> => {
      const { value, done } = await events.next();
      return done === true ? 'the end' : `${value.type} ${value.object.metadata.name}`;
    };
    assert.equal(await next(), 'ADDED lives');
    const body = { automountServiceAccountToken: false };
    const patched = await accounts().patch({ namespace, name: 'lives' }, { type: 'strategic', body });
    assert.ok(Number(patched.metadata.resourceVersion) > Number(created.metadata.resourceVersion));
    assert.equal(await next(), 'MODIFIED lives');
    const { items } = await accounts().list({ labelSelector });
    assert.deepEqual(
      items.map(({ metadata, automountServiceAccountToken }) => [metadata.name, automountServiceAccountToken]),
      [['lives', false]],
    );
    assert.equal((await api.request('DELETE', accountsPath)).status, 200);
    assert.equal(await next(), 'DELETED lives');
    stop.abort();
  });

  it('are updated', async () => {
    const created = await accounts().create(account('changes', { automountServiceAccountToken: false }));
    assert.equal(created.automountServiceAccountToken, false);
    assert.equal(
      (await accounts().update({ ...created, automountServiceAccountToken: true })).automountServiceAccountToken,
      true,
    );
  });

  const mounts: [ofAccount: boolean | undefined, ofPod: boolean | undefined, isMounted: boolean][] = [
    [undefined, undefined, true],
    [undefined, true, true],
    [undefined, false, false],
    [true, undefined, true],
    [true, true, true],
    [true, false, false],
    [false, undefined, false],
    [false, true, true],
    [false, false, false],
  ];
  for (const [ofAccount, ofPod, isMounted] of mounts)
    it(`and pods say whether the token is mounted: ${ofAccount} and ${ofPod}: ${isMounted}`, async () => {
      const name = `mount-${ofAccount}-${ofPod}`;
      await accounts().create(account(name, ofAccount === undefined ? {} : { automountServiceAccountToken: ofAccount }));
      const pod = await api.client.resource('pods').create({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace },
        spec: {
          serviceAccountName: name,
          containers: [{ name: 'c', image: 'i' }],
          ...(ofPod === undefined ? {} : { automountServiceAccountToken: ofPod }),
        },
      });
      const path = '/var/run/secrets/kubernetes.io/serviceaccount';
      const mounted = (pod.spec?.containers[0]?.volumeMounts ?? []).filter(({ mountPath }) => mountPath === path);
      assert.equal(mounted.length, isMounted ? 1 : 0);
      assert.equal((pod.spec?.volumes ?? []).length, isMounted ? 1 : 0);
      if (!isMounted) return;
      // A token of its own, the cluster's CA, and the namespace: what a client in the pod reads.
      const [volume] = pod.spec?.volumes ?? [];
      assert.equal(volume?.name, mounted[0]?.name);
      assert.equal(mounted[0]?.readOnly, true);
      const paths = (volume?.projected?.sources ?? []).map(
        ({ serviceAccountToken, configMap, downwardAPI }) =>
          serviceAccountToken?.path ?? configMap?.items?.[0]?.path ?? downwardAPI?.items?.[0]?.path,
      );
      assert.deepEqual(paths, ['token', 'ca.crt', 'namespace']);
    });

  it('get a token that a TokenReview knows', async () => {
    const { metadata } = await accounts().create(account('asks'));
    const asked = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest' };
    const issued = await api.request('POST', `${accountsPath}/asks/token`, asked);
    assert.equal(issued.status, 201);
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token: issued.json.status.token } };
    const { json } = await api.request('POST', '/apis/authentication.k8s.io/v1/tokenreviews', review);
    const { authenticated, user, ...others } = json.status as unknown as {
      authenticated: boolean;
      user: Record<string, unknown>;
    };
    assert.equal(authenticated, true);
    assert.deepEqual([user['username'], user['uid']], [`system:serviceaccount:${namespace}:asks`, metadata.uid]);
    assert.deepEqual(others, { audiences: ['https://kubernetes.default.svc.cluster.local'] });
  });

  it('get a token that others verify by what discovery tells them, as service accounts may ask it', async () => {
    await accounts().create(account('verifies'));
    const asked = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences: ['oidc-discovery-test'] } };
    const { json } = await api.request('POST', `${accountsPath}/verifies/token`, asked);
    const groups = ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'];
    const read = api.as({ name: `system:serviceaccount:${namespace}:verifies`, groups, extra: {} });
    const found = await read('GET', '/.well-known/openid-configuration');
    assert.equal(found.status, 200);
    const { issuer, jwks_uri: keysAt } = JSON.parse(found.text) as { issuer: string; jwks_uri: string };
    assert.match(keysAt, /^https:\/\/.*\/openid\/v1\/jwks$/);
    const keys = await read('GET', '/openid/v1/jwks');
    assert.deepEqual([keys.status, keys.headers['content-type']], [200, 'application/jwk-set+json']);
    const { payload } = await jwtVerify(json.status.token, createLocalJWKSet(JSON.parse(keys.text) as JSONWebKeySet), {
      issuer,
      audience: 'oidc-discovery-test',
    });
    assert.equal(payload.sub, `system:serviceaccount:${namespace}:verifies`);
  });

  for (const isAllowed of [false, true])
    it(`are told by reviews what ${isAllowed ? 'they may do' : 'they may not do'}, and it is so`, async () => {
      const name = isAllowed ? 'reader' : 'stranger';
      const { metadata } = await accounts().create(account(name));
      if (isAllowed) {
        const rbac = { apiGroup: 'rbac.authorization.k8s.io' };
        await api.request('POST', `/apis/${rbac.apiGroup}/v1/namespaces/${namespace}/rolebindings`, {
          apiVersion: `${rbac.apiGroup}/v1`,
          kind: 'RoleBinding',
          metadata: { name, namespace },
          subjects: [{ kind: 'ServiceAccount', name, namespace }],
          roleRef: { ...rbac, kind: 'ClusterRole', name: 'system:aggregate-to-view' },
        });
      }
      const user = `system:serviceaccount:${namespace}:${name}`;
      const groups = ['system:authenticated', 'system:serviceaccounts', `system:serviceaccounts:${namespace}`];
      const resourceAttributes = { verb: 'list', resource: 'configmaps', namespace, version: 'v1' };
      const spec = { resourceAttributes, user, groups, uid: metadata.uid };
      const review = async (kind: string, path: string, more: object = {}): Promise<unknown> => {
        const body = { apiVersion: 'authorization.k8s.io/v1', kind, metadata: more, spec };
        return (await api.request('POST', `/apis/authorization.k8s.io/v1/${path}`, body)).json.status.allowed;
      };
      assert.equal(await review('SubjectAccessReview', 'subjectaccessreviews'), isAllowed);
      const local = `namespaces/${namespace}/localsubjectaccessreviews`;
      assert.equal(await review('LocalSubjectAccessReview', local, { namespace }), isAllowed);
      const headers = { 'impersonate-user': user, 'impersonate-uid': metadata.uid, 'impersonate-group': groups.join(',') };
      const listed = await api.request('GET', `/api/v1/namespaces/${namespace}/configmaps`, undefined, headers);
      assert.equal(listed.status, isAllowed ? 200 : 403);
    });

  it('and whoever is impersonated see themselves in a SelfSubjectReview', async () => {
    const headers = {
      'impersonate-user': 'jane-doe',
      'impersonate-uid': 'uniq-id',
      'impersonate-group': 'system:authenticated,developers',
      'impersonate-extra-known-languages': 'python,javascript',
    };
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
    const { status, json } = await api.request('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', body, headers);
    assert.equal(status, 201);
    assert.deepEqual(json.status.userInfo, {
      username: 'jane-doe',
      uid: 'uniq-id',
      groups: ['system:authenticated', 'developers'],
      extra: { 'known-languages': ['python', 'javascript'] },
    });
    assert.match(String(json.metadata.creationTimestamp), /^\d{4}-/);
  });
});
