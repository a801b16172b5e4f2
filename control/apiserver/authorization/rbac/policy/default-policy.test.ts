/** The whole default policy: the form of every line of its tables, and what users with its roles may do. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KubeObject } from '#api/meta.ts';
import type { AuthorizationAttributes, Decision } from '../../authorization.ts';
import { rbacAuthorizer } from '../rbac-authorizer.ts';
import { RoleIndex } from '../role-index.ts';
import { defaultPolicy } from './default-policy.ts';

const policy = defaultPolicy();
const rules = [...policy.clusterRoles, ...policy.roles].flatMap(({ metadata, rules: own = [] }) =>
  own.map((rule) => ({ role: String(metadata.name), rule })),
);

describe('the default roles', () => {
  it('have rules that name what they are about, sorted and each once', () => {
    for (const { role, rule } of rules) {
      const { verbs, nonResourceURLs, apiGroups = [], resources = [] } = rule;
      const isPath = nonResourceURLs !== undefined;
      const lists = isPath ? [verbs, nonResourceURLs] : [verbs, apiGroups, resources];
      for (const list of [...lists, ...(rule.resourceNames === undefined ? [] : [rule.resourceNames])]) {
        assert.ok(list.length > 0, `${role}: ${JSON.stringify(rule)}`);
        assert.deepEqual(list, [...new Set(list)].sort(), `${role}: ${JSON.stringify(rule)}`);
        assert.ok(
          list.every((one) => !/[\s,]/.test(one)),
          `${role}: ${JSON.stringify(rule)}`,
        );
      }
      if (isPath)
        assert.ok(
          nonResourceURLs.every((path) => path === '*' || path.startsWith('/')),
          role,
        );
      else
        assert.ok(
          apiGroups.every((name) => name !== 'core' && !name.startsWith('/')),
          `${role}: a path without a group`,
        );
    }
  });

  it('are marked as defaults that are kept up to date', () => {
    const all = [...policy.clusterRoles, ...policy.clusterRoleBindings, ...policy.roles, ...policy.roleBindings];
    for (const { metadata } of all) {
      assert.equal(metadata.labels?.['kubernetes.io/bootstrapping'], 'rbac-defaults');
      assert.equal(metadata.annotations?.['rbac.authorization.kubernetes.io/autoupdate'], 'true');
    }
    const names = all.map((object) => `${object.kind} ${object.metadata.namespace}/${object.metadata.name}`);
    assert.equal(new Set(names).size, names.length);
  });

  it('are there for every binding', () => {
    const known = new Set([
      ...policy.clusterRoles.map(({ metadata }) => `ClusterRole ${metadata.name}`),
      ...policy.roles.map(({ metadata }) => `Role ${metadata.namespace}/${metadata.name}`),
    ]);
    for (const { roleRef } of policy.clusterRoleBindings) assert.ok(known.has(`ClusterRole ${roleRef.name}`), roleRef.name);
    for (const { metadata, roleRef } of policy.roleBindings)
      assert.ok(known.has(`Role ${metadata.namespace}/${roleRef.name}`), roleRef.name);
  });
});

describe('by the default policy', () => {
  const index = new RoleIndex();
  const stored = (object: object): KubeObject => object as KubeObject;
  for (const role of policy.clusterRoles) index.apply('clusterroles', undefined, stored(role));
  for (const role of policy.roles) index.apply('roles', undefined, stored(role));
  for (const binding of policy.clusterRoleBindings) index.apply('clusterrolebindings', undefined, stored(binding));
  for (const binding of policy.roleBindings) index.apply('rolebindings', undefined, stored(binding));

  function may(who: string, verb: string, what: string, namespace = '', name = ''): boolean {
    const [user = '', ...groups] = who.split(' ');
    const [whole = '', subresource = ''] = what.split('/');
    const [resource = '', ...group] = whole.split('.');
    const isResource = !what.startsWith('/');
    const attributes: AuthorizationAttributes = {
      user: { name: user, groups, extra: {} },
      verb,
      isResource,
      group: isResource ? group.join('.') : '',
      version: 'v1',
      resource: isResource ? resource : '',
      subresource: isResource ? subresource : '',
      namespace,
      name,
      path: isResource ? '' : what,
    };
    return (rbacAuthorizer(index).authorize(attributes) as Decision).allowed;
  }
  const anyone = 'jane system:authenticated';
  const nobody = 'system:anonymous system:unauthenticated';
  const scheduler = 'system:kube-scheduler system:authenticated';
  const manager = 'system:kube-controller-manager system:authenticated';
  const deployments = 'system:serviceaccount:kube-system:deployment-controller system:serviceaccounts';
  const cases: [who: string, verb: string, what: string, namespace: string, name: string, allowed: boolean][] = [
    [nobody, 'get', '/healthz', '', '', true],
    [nobody, 'get', '/version', '', '', true],
    [nobody, 'get', '/api', '', '', false],
    [nobody, 'get', '/healthz/etcd', '', '', false],
    [anyone, 'get', '/apis/apps/v1', '', '', true],
    [anyone, 'get', '/openapi/v3', '', '', true],
    [anyone, 'get', '/metrics', '', '', false],
    ['prometheus system:monitoring', 'get', '/metrics', '', '', true],
    [anyone, 'create', 'selfsubjectaccessreviews.authorization.k8s.io', '', '', true],
    [anyone, 'create', 'selfsubjectreviews.authentication.k8s.io', '', '', true],
    [anyone, 'create', 'subjectaccessreviews.authorization.k8s.io', '', '', false],
    [anyone, 'list', 'pods', 'default', '', false],
    [scheduler, 'create', 'pods/binding', 'default', 'web', true],
    [scheduler, 'update', 'pods', 'default', 'web', false],
    [scheduler, 'get', 'secrets', 'default', 's', false],
    [scheduler, 'update', 'leases.coordination.k8s.io', 'kube-system', 'kube-scheduler', true],
    [manager, 'list', 'anything.example.com', '', '', true],
    [manager, 'delete', 'pods', 'default', 'web', false],
    [deployments, 'create', 'replicasets.apps', 'default', '', true],
    [deployments, 'create', 'pods', 'default', '', false],
    [deployments, 'get', '/openid/v1/jwks', '', '', true],
    ['system:serviceaccount:kube-system:generic-garbage-collector', 'delete', 'widgets.example.com', 'default', 'x', true],
    ['system:kube-proxy', 'watch', 'endpointslices.discovery.k8s.io', '', '', true],
    ['system:kube-proxy', 'list', 'pods', '', '', false],
    ['system:node:n1 system:nodes', 'list', 'services', '', '', false],
    ['root system:masters', 'delete', 'nodes', '', 'n1', true],
  ];
  for (const [who, verb, what, namespace, name, allowed] of cases)
    it(`${who.split(' ')[0]} ${allowed ? 'may' : 'may not'} ${verb} ${what} ${name}`, () =>
      assert.equal(may(who, verb, what, namespace, name), allowed));
});
