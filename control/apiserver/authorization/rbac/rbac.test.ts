/** RBAC on a real API server: which requests are allowed, and the messages of those that are refused. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { PolicyRule, Subject } from '#api/types.generated.ts';
import { startTestServer, type TestServer } from '../../api-server.testing.ts';

const rbac = '/apis/rbac.authorization.k8s.io/v1';
const apiVersion = 'rbac.authorization.k8s.io/v1';
const user = (name: string, ...groups: string[]) => ({ name, groups: [...groups, 'system:authenticated'], extra: {} });
const rule = (verbs: string, apiGroups: string, resources: string): PolicyRule => ({
  verbs: verbs.split(','),
  apiGroups: apiGroups.split(','),
  resources: resources.split(','),
});

let api: TestServer;
before(async () => {
  api = await startTestServer({ modes: ['RBAC'], namespaces: ['default', 'other'] });
});
after(() => api.stop());

async function make(path: string, kind: string, content: object): Promise<void> {
  const { status, text } = await api.request('POST', `${rbac}/${path}`, { apiVersion, kind, ...content });
  assert.equal(status, 201, text);
}
const roleRef = (kind: string, name: string) => ({ apiGroup: 'rbac.authorization.k8s.io', kind, name });
const role = (name: string, ...rules: PolicyRule[]) => make('namespaces/default/roles', 'Role', { metadata: { name }, rules });
const clusterRole = (name: string, ...rules: PolicyRule[]) => make('clusterroles', 'ClusterRole', { metadata: { name }, rules });
const bind = (name: string, ref: object, ...subjects: Subject[]) =>
  make('namespaces/default/rolebindings', 'RoleBinding', { metadata: { name }, roleRef: ref, subjects });
const bindEverywhere = (name: string, ref: object, ...subjects: Subject[]) =>
  make('clusterrolebindings', 'ClusterRoleBinding', { metadata: { name }, roleRef: ref, subjects });
const aUser = (name: string): Subject => ({ kind: 'User', name });

describe('a request', () => {
  const configMaps = '/api/v1/namespaces/default/configmaps';

  it("is refused in upstream's words, wherever nothing allows it", async () => {
    const asJoe = api.as(user('joe'));
    const cases: [method: string, path: string, message: string][] = [
      [
        'GET',
        `${configMaps}/x`,
        'configmaps "x" is forbidden: User "joe" cannot get resource "configmaps" in API group "" in the namespace "default"',
      ],
      [
        'GET',
        configMaps,
        'configmaps is forbidden: User "joe" cannot list resource "configmaps" in API group "" in the namespace "default"',
      ],
      [
        'GET',
        `${configMaps}?watch=1`,
        'configmaps is forbidden: User "joe" cannot watch resource "configmaps" in API group "" in the namespace "default"',
      ],
      [
        'GET',
        `${configMaps}?fieldSelector=metadata.name%3Dx`,
        'configmaps "x" is forbidden: User "joe" cannot list resource "configmaps" in API group "" in the namespace "default"',
      ],
      [
        'DELETE',
        configMaps,
        'configmaps is forbidden: User "joe" cannot deletecollection resource "configmaps" in API group "" in the namespace "default"',
      ],
      [
        'GET',
        '/api/v1/nodes',
        'nodes is forbidden: User "joe" cannot list resource "nodes" in API group "" at the cluster scope',
      ],
      [
        'GET',
        '/api/v1/namespaces/default',
        'namespaces "default" is forbidden: User "joe" cannot get resource "namespaces" in API group "" in the namespace "default"',
      ],
      [
        'GET',
        '/apis/apps/v1/namespaces/default/deployments/web/scale',
        'deployments.apps "web" is forbidden: User "joe" cannot get resource "deployments/scale" in API group "apps" in the namespace "default"',
      ],
      ['GET', '/no/such?x=1', 'forbidden: User "joe" cannot get path "/no/such"'],
      ['POST', '/metrics', 'forbidden: User "joe" cannot post path "/metrics"'],
      ['GET', '/x<b>&', 'forbidden: User "joe" cannot get path "/x&lt;b&gt;&amp;"'],
    ];
    for (const [method, path, message] of cases) {
      const { status, json } = await asJoe(method, path);
      assert.deepEqual([status, json.reason, json.message], [403, 'Forbidden', message]);
    }
  });

  it('is allowed as soon as a binding gives its rule, and no longer than that', async () => {
    const asJane = api.as(user('jane'));
    await role('maps', rule('get,list', '', 'configmaps'), { ...rule('get', '', 'secrets'), resourceNames: ['own'] });
    assert.equal((await asJane('GET', configMaps)).status, 403);
    await bind('jane', roleRef('Role', 'maps'), aUser('jane'));
    assert.equal((await asJane('GET', configMaps)).status, 200);
    assert.equal((await asJane('GET', '/api/v1/namespaces/other/configmaps')).status, 403);
    assert.equal((await asJane('GET', '/api/v1/configmaps')).status, 403);
    assert.equal((await asJane('GET', '/api/v1/namespaces/default/secrets/own')).status, 404);
    assert.equal((await asJane('GET', '/api/v1/namespaces/default/secrets/other')).status, 403);
    await api.request('DELETE', `${rbac}/namespaces/default/rolebindings/jane`);
    assert.equal((await asJane('GET', configMaps)).status, 403);
  });

  it('is refused with the reason where a binding leads to no role', async () => {
    await bindEverywhere('lost', roleRef('ClusterRole', 'gone'), aUser('lost'));
    const { json } = await api.as(user('lost'))('GET', '/api/v1/nodes');
    assert.equal(
      json.message,
      'nodes is forbidden: User "lost" cannot list resource "nodes" in API group "" at the cluster scope: RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found',
    );
  });

  it('of system:masters is allowed whatever there is', async () => {
    assert.equal((await api.as(user('root', 'system:masters'))('GET', '/api/v1/nodes')).status, 200);
  });
});

describe('roles and bindings', () => {
  it('keep their roleRef, and are what upstream lets them be', async () => {
    await bind('fixed', roleRef('ClusterRole', 'a'), aUser('x'));
    const path = `${rbac}/namespaces/default/rolebindings/fixed`;
    const { json } = await api.request('GET', path);
    const changed = await api.request('PUT', path, { ...json, roleRef: roleRef('ClusterRole', 'b') });
    assert.equal(
      changed.json.message,
      'RoleBinding.rbac.authorization.k8s.io "fixed" is invalid: roleRef: Invalid value: {"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"b"}: cannot change roleRef',
    );
    const created = await api.request('PUT', `${rbac}/clusterroles/made-by-put`, {
      apiVersion,
      kind: 'ClusterRole',
      metadata: { name: 'made-by-put' },
      rules: null,
    });
    assert.equal(created.status, 201);
  });

  const grant = (name: string, path: string, kind: string, content: object) =>
    api.as(user(name, 'devs'))('POST', `${rbac}/${path}`, { apiVersion, kind, metadata: { name: `by-${name}` }, ...content });

  it('are written only by who has their rules, or may escalate', async () => {
    const rbacRule = rule('create,update,patch', 'rbac.authorization.k8s.io', 'roles,clusterroles');
    await clusterRole('granter', rbacRule, rule('get', '', 'pods'));
    await bindEverywhere('granter', roleRef('ClusterRole', 'granter'), aUser('granter'), aUser('escalator'));
    await clusterRole('escalator', rule('escalate', 'rbac.authorization.k8s.io', 'roles'));
    await bindEverywhere('escalator', roleRef('ClusterRole', 'escalator'), aUser('escalator'));
    const rules = { rules: [rule('get,list', '', 'pods,secrets')] };
    const refused = await grant('granter', 'namespaces/default/roles', 'Role', rules);
    assert.equal(refused.status, 403);
    assert.equal(
      refused.json.message,
      'roles.rbac.authorization.k8s.io "by-granter" is forbidden: user "granter" (groups=["devs" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n' +
        '{APIGroups:[""], Resources:["pods"], Verbs:["list"]}\n{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}',
    );
    assert.equal((await grant('granter', 'namespaces/default/roles', 'Role', { rules: [rule('get', '', 'pods')] })).status, 201);
    assert.equal((await grant('escalator', 'namespaces/default/roles', 'Role', rules)).status, 201);
    assert.equal((await grant('escalator', 'clusterroles', 'ClusterRole', rules)).status, 403);

    const path = `${rbac}/namespaces/default/roles/by-granter`;
    const patch = (body: object) =>
      api.as(user('granter'))('PATCH', path, JSON.stringify(body), { 'content-type': 'application/merge-patch+json' });
    assert.equal((await patch(rules)).status, 403);
    // Only the finalizers of a role with more rights than theirs may be changed (garbage collection).
    await api.request('PATCH', path, JSON.stringify(rules), { 'content-type': 'application/merge-patch+json' });
    assert.equal((await patch({ metadata: { finalizers: ['a.b/c'] } })).status, 200);
    assert.equal((await patch({ metadata: { finalizers: null } })).status, 200);
    assert.equal((await patch({ metadata: { labels: { a: 'b' } } })).status, 403);
  });

  it('with an aggregationRule are written only by who may do everything', async () => {
    const aggregationRule = { clusterRoleSelectors: [{ matchLabels: { a: 'b' } }] };
    const refused = await grant('granter', 'clusterroles', 'ClusterRole', { aggregationRule });
    assert.equal(
      refused.json.message,
      'clusterroles.rbac.authorization.k8s.io "by-granter" is forbidden: must have cluster-admin privileges to use the aggregationRule',
    );
    await clusterRole('all', rule('*', '*', '*'), { verbs: ['*'], nonResourceURLs: ['*'] });
    await bindEverywhere('all', roleRef('ClusterRole', 'all'), aUser('boss'));
    assert.equal((await grant('boss', 'clusterroles', 'ClusterRole', { aggregationRule })).status, 201);
  });

  it('bind only what the writer has, or may bind', async () => {
    const rbacRule = rule('create,update', 'rbac.authorization.k8s.io', 'rolebindings,clusterrolebindings');
    await clusterRole('binder', rbacRule, rule('get', '', 'pods'));
    await bindEverywhere('binder', roleRef('ClusterRole', 'binder'), aUser('binder'), aUser('free'));
    await clusterRole('pod-reader', rule('get', '', 'pods'));
    await clusterRole('pod-writer', rule('get,create', '', 'pods'));
    await clusterRole('free', { ...rule('bind', 'rbac.authorization.k8s.io', 'clusterroles'), resourceNames: ['pod-writer'] });
    await bindEverywhere('free', roleRef('ClusterRole', 'free'), aUser('free'));
    const to = (name: string) => ({ roleRef: roleRef('ClusterRole', name), subjects: [aUser('x')] });
    assert.equal((await grant('binder', 'namespaces/default/rolebindings', 'RoleBinding', to('pod-reader'))).status, 201);
    const refused = await grant('binder', 'clusterrolebindings', 'ClusterRoleBinding', to('pod-writer'));
    assert.equal(
      refused.json.message,
      'clusterrolebindings.rbac.authorization.k8s.io "by-binder" is forbidden: user "binder" (groups=["devs" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["pods"], Verbs:["create"]}',
    );
    assert.equal((await grant('free', 'clusterrolebindings', 'ClusterRoleBinding', to('pod-writer'))).status, 201);
    const absent = await grant('binder', 'clusterrolebindings', 'ClusterRoleBinding', to('no-such'));
    assert.deepEqual([absent.status, absent.json.message], [404, 'clusterroles.rbac.authorization.k8s.io "no-such" not found']);
  });
});

describe('access reviews', () => {
  const review = (kind: string, spec: object, asWhom = user('jim')) =>
    api.as(asWhom)('POST', `/apis/authorization.k8s.io/v1/${kind.toLowerCase()}s`, {
      apiVersion: 'authorization.k8s.io/v1',
      kind,
      spec,
    });

  it('are answered by the same authorizer', async () => {
    await clusterRole('asker', rule('create', 'authorization.k8s.io', '*'), { verbs: ['get'], nonResourceURLs: ['/healthz'] });
    await bindEverywhere('asker', roleRef('ClusterRole', 'asker'), aUser('jim'), aUser('lost'));
    const pods = { resource: 'pods', verb: 'get', namespace: 'default' };
    const own = await review('SelfSubjectAccessReview', { resourceAttributes: pods });
    assert.deepEqual(own.json.status, { allowed: false });
    const others = await review('SubjectAccessReview', { resourceAttributes: pods, user: 'granter' });
    const reason = 'RBAC: allowed by ClusterRoleBinding "granter" of ClusterRole "granter" to User "granter"';
    assert.deepEqual(others.json.status, { allowed: true, reason });
    const path = await review('SelfSubjectAccessReview', { nonResourceAttributes: { path: '/healthz', verb: 'get' } });
    assert.equal(path.json.status.allowed, true);
    const masters = await review('SubjectAccessReview', { resourceAttributes: pods, groups: ['system:masters'] });
    assert.deepEqual(masters.json.status, { allowed: true });
    const rules = await review('SelfSubjectRulesReview', { namespace: 'default' }, user('lost'));
    assert.deepEqual(rules.json.status, {
      resourceRules: [{ verbs: ['create'], apiGroups: ['authorization.k8s.io'], resources: ['*'] }],
      nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/healthz'] }],
      incomplete: false,
      evaluationError: 'clusterrole.rbac.authorization.k8s.io "gone" not found',
    });
  });

  it('are refused where they ask nothing, or two things', async () => {
    const cases: [kind: string, spec: object, causes: string[]][] = [
      [
        'SelfSubjectAccessReview',
        {},
        [
          'spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified',
        ],
      ],
      [
        'SubjectAccessReview',
        { resourceAttributes: { verb: 'get' }, nonResourceAttributes: { path: '/x', verb: 'get' } },
        [
          'spec.nonResourceAttributes: Invalid value: {"path":"/x","verb":"get"}: cannot be specified in combination with resourceAttributes',
          'spec.user: Invalid value: "": at least one of user or group must be specified',
        ],
      ],
      [
        'SelfSubjectAccessReview',
        {
          resourceAttributes: {
            verb: 'list',
            fieldSelector: {},
            labelSelector: { rawSelector: 'a', requirements: [{ key: 'a', operator: 'Exists' }] },
          },
        },
        [
          'spec.resourceAttributes.fieldSelector.requirements: Required value: when spec.resourceAttributes.fieldSelector is specified, requirements or rawSelector is required',
          'spec.resourceAttributes.labelSelector.rawSelector: Invalid value: "a": may not specified at the same time as requirements',
        ],
      ],
    ];
    for (const [kind, spec, causes] of cases) {
      const { status, json } = await review(kind, spec);
      assert.equal(status, 422);
      assert.deepEqual(
        json.details.causes.map(({ field, message }) => `${field}: ${message}`),
        causes,
      );
    }
  });

  it('of a namespace say which one they mean', async () => {
    const local = (spec: object, metadata?: object) =>
      api.as(user('jim'))('POST', '/apis/authorization.k8s.io/v1/namespaces/default/localsubjectaccessreviews', {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'LocalSubjectAccessReview',
        ...(metadata === undefined ? {} : { metadata }),
        spec,
      });
    const pods = { resource: 'pods', verb: 'get' };
    const good = await local({ user: 'granter', resourceAttributes: { ...pods, namespace: 'default' } });
    assert.equal(good.json.status.allowed, true, good.text);
    const other = await local({ user: 'granter', resourceAttributes: { ...pods, namespace: 'other' } });
    assert.equal(
      other.json.message,
      'LocalSubjectAccessReview.authorization.k8s.io "" is invalid: spec.resourceAttributes.namespace: Invalid value: "other": must match metadata.namespace',
    );
    const named = await local({ user: 'granter', resourceAttributes: { ...pods, namespace: 'default' } }, { name: 'x' });
    assert.match(named.json.message, /metadata: Invalid value: .*: must be empty except for namespace/);
  });
});
