import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ClusterRole, ClusterRoleBinding, Role, RoleBinding, Subject } from '#api/types.generated.ts';
import { systemMeta } from '../../kinds/strategy.testing.ts';
import type { Decision } from '../authorization.ts';
import { rbacAuthorizer } from './rbac-authorizer.ts';
import { RoleIndex } from './role-index.ts';

const apiVersion = 'rbac.authorization.k8s.io/v1';
const get = [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }];
const role = (name: string, namespace: string): Role => ({
  apiVersion,
  kind: 'Role',
  metadata: systemMeta(name, namespace),
  rules: get,
});
const clusterRole = (name: string): ClusterRole => ({ apiVersion, kind: 'ClusterRole', metadata: systemMeta(name), rules: get });
const roleBinding = (name: string, namespace: string, to: `${string}/${string}`, ...subjects: Subject[]): RoleBinding => ({
  apiVersion,
  kind: 'RoleBinding',
  metadata: systemMeta(name, namespace),
  roleRef: refOf(to),
  subjects,
});
const clusterRoleBinding = (name: string, to: `${string}/${string}`, ...subjects: Subject[]): ClusterRoleBinding => ({
  apiVersion,
  kind: 'ClusterRoleBinding',
  metadata: systemMeta(name),
  roleRef: refOf(to),
  subjects,
});
const refOf = (to: string) => {
  const [kind = '', name = ''] = to.split('/');
  return { apiGroup: 'rbac.authorization.k8s.io', kind, name };
};
const user = (name: string): Subject => ({ kind: 'User', name });
const group = (name: string): Subject => ({ kind: 'Group', name });
const account = (name: string, namespace?: string): Subject => ({ kind: 'ServiceAccount', name, namespace });

function decide(index: RoleIndex, name: string, groups: string[], namespace: string): Decision {
  const attributes = {
    user: { name, groups, extra: {} },
    verb: 'get',
    isResource: true,
    group: '',
    version: 'v1',
    resource: 'pods',
    subresource: '',
    namespace,
    name: 'web',
    path: '',
  };
  return rbacAuthorizer(index).authorize(attributes) as Decision;
}

describe('the RBAC authorizer', () => {
  const index = new RoleIndex();
  index.apply('roles', undefined, role('reader', 'a'));
  index.apply('clusterroles', undefined, clusterRole('reader'));
  index.apply(
    'rolebindings',
    undefined,
    roleBinding('jane', 'a', 'Role/reader', user('jane'), account('bot'), account('far', 'b')),
  );
  index.apply('rolebindings', undefined, roleBinding('devs', 'a', 'ClusterRole/reader', group('devs')));
  index.apply('rolebindings', undefined, roleBinding('lost', 'a', 'Role/gone', user('lost')));
  index.apply(
    'clusterrolebindings',
    undefined,
    clusterRoleBinding('ops', 'ClusterRole/reader', group('ops'), account('nowhere')),
  );
  index.apply('clusterrolebindings', undefined, clusterRoleBinding('gone', 'ClusterRole/gone', user('lost'), group('ops')));

  const cases: [name: string, groups: string[], namespace: string, allowed: boolean, reason: string][] = [
    ['jane', [], 'a', true, 'RBAC: allowed by RoleBinding "jane/a" of Role "reader" to User "jane"'],
    ['jane', [], 'b', false, ''],
    ['jane', [], '', false, ''],
    ['joe', ['devs'], 'a', true, 'RBAC: allowed by RoleBinding "devs/a" of ClusterRole "reader" to Group "devs"'],
    ['joe', ['devs'], '', false, ''],
    ['joe', ['ops'], '', true, 'RBAC: allowed by ClusterRoleBinding "ops" of ClusterRole "reader" to Group "ops"'],
    ['joe', ['ops'], 'anywhere', true, 'RBAC: allowed by ClusterRoleBinding "ops" of ClusterRole "reader" to Group "ops"'],
    [
      'system:serviceaccount:a:bot',
      [],
      'a',
      true,
      'RBAC: allowed by RoleBinding "jane/a" of Role "reader" to ServiceAccount "bot/a"',
    ],
    ['system:serviceaccount:b:bot', [], 'a', false, ''],
    [
      'system:serviceaccount:b:far',
      [],
      'a',
      true,
      'RBAC: allowed by RoleBinding "jane/a" of Role "reader" to ServiceAccount "far/b"',
    ],
    ['system:serviceaccount::nowhere', [], '', false, ''],
    [
      'lost',
      [],
      'a',
      false,
      'RBAC: [clusterrole.rbac.authorization.k8s.io "gone" not found, role.rbac.authorization.k8s.io "gone" not found]',
    ],
    ['lost', [], '', false, 'RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found'],
    ['devs', ['jane'], 'a', false, ''],
  ];
  for (const [name, groups, namespace, allowed, reason] of cases)
    it(`${name} ${groups.join()} in "${namespace}": ${allowed}`, () => {
      // The order of several bindings is not specified.
      const decision = decide(index, name, groups, namespace);
      assert.deepEqual(decision, { allowed, reason });
    });

  it('follows what changes, and forgets what goes', () => {
    const changing = new RoleIndex();
    const before = roleBinding('b', 'a', 'ClusterRole/r', user('jane'), user('joe'));
    const after = roleBinding('b', 'a', 'ClusterRole/r', user('joe'), group('g'));
    const may = (name: string, groups: string[] = []): boolean => decide(changing, name, groups, 'a').allowed;
    changing.apply('clusterroles', undefined, clusterRole('r'));
    changing.apply('rolebindings', undefined, before);
    assert.deepEqual([may('jane'), may('joe'), may('x', ['g'])], [true, true, false]);
    changing.apply('rolebindings', before, after);
    assert.deepEqual([may('jane'), may('joe'), may('x', ['g'])], [false, true, true]);
    changing.apply('clusterroles', clusterRole('r'), { ...clusterRole('r'), rules: [] } as ClusterRole);
    assert.equal(may('joe'), false);
    changing.apply('clusterroles', clusterRole('r'), clusterRole('r'));
    changing.clear('clusterrolebindings');
    assert.equal(may('joe'), true);
    changing.apply('rolebindings', after, undefined);
    assert.deepEqual([may('joe'), may('x', ['g'])], [false, false]);
    changing.apply('rolebindings', undefined, after);
    changing.clear('clusterroles');
    assert.equal(decide(changing, 'joe', [], 'a').reason, 'RBAC: clusterrole.rbac.authorization.k8s.io "r" not found');
    changing.clear('rolebindings');
    assert.equal(decide(changing, 'joe', [], 'a').reason, '');
  });

  it('takes no role of another kind or place for the one that a binding names', () => {
    const odd = new RoleIndex();
    odd.apply('clusterroles', undefined, clusterRole('r'));
    odd.apply('roles', undefined, role('r', 'a'));
    odd.apply('clusterrolebindings', undefined, clusterRoleBinding('b', 'Role/r', user('jane')));
    odd.apply('rolebindings', undefined, roleBinding('b', 'a', 'Pod/r', user('joe')));
    assert.equal(decide(odd, 'jane', [], 'a').reason, 'RBAC: role.rbac.authorization.k8s.io "r" not found');
    assert.equal(decide(odd, 'joe', [], 'a').reason, 'RBAC: unsupported role reference kind: "Pod"');
  });

  it('shows the rules of somebody, apart from what cannot be resolved', () => {
    const shown = rbacAuthorizer(index).rules({ name: 'lost', groups: ['ops'], extra: {} }, 'a');
    assert.deepEqual(shown, {
      resourceRules: get,
      nonResourceRules: [],
      incomplete: false,
      evaluationError:
        '[clusterrole.rbac.authorization.k8s.io "gone" not found, role.rbac.authorization.k8s.io "gone" not found]',
    });
  });
});
