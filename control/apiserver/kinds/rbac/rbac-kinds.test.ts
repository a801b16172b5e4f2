/** The kinds of rbac.authorization.k8s.io: what they may hold, and what kubectl shows of them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from '#api/types.generated.ts';
import { createAuthorization } from '../../authorization/modes.ts';
import { metadata, row } from '../columns.testing.ts';
import { create, rejects, systemMeta, update } from '../strategy.testing.ts';
import { bindingColumns } from './bindings.ts';
import { clusterRoleKind } from './clusterrole/strategy.ts';
import { clusterRoleBindingKind } from './clusterrolebinding/strategy.ts';
import { roleKind } from './role/strategy.ts';
import { roleBindingKind } from './rolebinding/strategy.ts';

const deps = createAuthorization([]);
const apiVersion = 'rbac.authorization.k8s.io/v1';
const group = 'rbac.authorization.k8s.io';
const pods = { verbs: ['get'], apiGroups: [''], resources: ['pods'] };
const role = (rules: unknown[], name = 'r'): Role =>
  ({ apiVersion, kind: 'Role', metadata: systemMeta(name, 'ns'), rules }) as Role;
const clusterRole = (content: object, name = 'r'): ClusterRole =>
  ({ apiVersion, kind: 'ClusterRole', metadata: systemMeta(name), ...content }) as ClusterRole;
const roleBinding = (content: object): RoleBinding =>
  ({ apiVersion, kind: 'RoleBinding', metadata: systemMeta('b', 'ns'), ...content }) as RoleBinding;
const clusterRoleBinding = (content: object): ClusterRoleBinding =>
  ({ apiVersion, kind: 'ClusterRoleBinding', metadata: systemMeta('b'), ...content }) as ClusterRoleBinding;

describe('roles', () => {
  it('have rules about resources, with groups and verbs', () =>
    rejects(
      roleKind(deps).strategy,
      role([pods, { verbs: [] }, { verbs: ['get'], nonResourceURLs: ['/x'] }, { ...pods, nonResourceURLs: ['/x'] }]),
      'rules[1].verbs: Required value: verbs must contain at least one value',
      'rules[1].apiGroups: Required value: resource rules must supply at least one api group',
      'rules[1].resources: Required value: resource rules must supply at least one resource',
      'rules[2].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs',
      'rules[3].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs',
      'rules[3].nonResourceURLs: Invalid value: ["/x"]: rules cannot apply to both regular resources and non-resource URLs',
    ));

  it('of the cluster may have rules about paths, and collect those of other roles', async () => {
    const { strategy } = clusterRoleKind(deps);
    const good = clusterRole({
      rules: [{ verbs: ['get'], nonResourceURLs: ['/x'] }],
      aggregationRule: { clusterRoleSelectors: [{ matchLabels: { a: 'b' } }] },
    });
    assert.deepEqual((await create(strategy, good)).errors, []);
    await rejects(
      strategy,
      clusterRole({ aggregationRule: { clusterRoleSelectors: [] } }),
      'aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil',
    );
    await rejects(
      strategy,
      clusterRole({ aggregationRule: { clusterRoleSelectors: [{}, { matchExpressions: [{ key: 'a', operator: 'Is' }] }] } }),
      'aggregationRule.clusterRoleSelectors[1].matchExpressions[0].operator: Invalid value: "Is": not a valid selector operator',
      'aggregationRule.clusterRoleSelectors[1]: Invalid value: null: invalid label selector.',
    );
  });

  it('may have names that are a part of a path, colons included', async () => {
    assert.deepEqual((await create(roleKind(deps).strategy, role([pods], 'system:Own_name'))).errors, []);
    await rejects(roleKind(deps).strategy, role([pods], 'a/b'), `metadata.name: Invalid value: "a/b": may not contain '/'`);
  });
});

describe('bindings', () => {
  const roleRef = { kind: 'ClusterRole', name: 'r' };

  it('get the group of roles, users and groups by default', async () => {
    const subjects = [
      { kind: 'User', name: 'u' },
      { kind: 'Group', name: 'g' },
      { kind: 'ServiceAccount', name: 's' },
    ];
    const { object, errors } = await create(roleBindingKind(deps).strategy, roleBinding({ roleRef, subjects }));
    assert.deepEqual(errors, []);
    assert.deepEqual(object.roleRef, { apiGroup: group, ...roleRef });
    assert.deepEqual(
      object.subjects?.map(({ apiGroup }) => apiGroup),
      [group, group, undefined],
    );
  });

  it('name a role and subjects that there can be', async () => {
    await rejects(
      roleBindingKind(deps).strategy,
      roleBinding({
        roleRef: { apiGroup: 'x', kind: 'Pod', name: 'a/b' },
        subjects: [
          { kind: 'ServiceAccount', name: 'A', apiGroup: 'x' },
          { kind: 'User', name: '', apiGroup: 'x' },
          { kind: 'Robot', name: 'r' },
        ],
      }),
      'roleRef.apiGroup: Unsupported value: "x": supported values: "rbac.authorization.k8s.io"',
      'roleRef.kind: Unsupported value: "Pod": supported values: "Role", "ClusterRole"',
      `roleRef.name: Invalid value: "a/b": may not contain '/'`,
      `subjects[0].name: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
      'subjects[0].apiGroup: Unsupported value: "x": supported values: ""',
      'subjects[1].name: Required value',
      'subjects[1].apiGroup: Unsupported value: "x": supported values: "rbac.authorization.k8s.io"',
      'subjects[2].kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group"',
    );
    await rejects(
      clusterRoleBindingKind(deps).strategy,
      clusterRoleBinding({ roleRef: { kind: 'Role', name: '' }, subjects: [{ kind: 'ServiceAccount', name: 's' }] }),
      'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
      'roleRef.name: Required value',
      'subjects[0].namespace: Required value',
    );
  });

  it('keep their role', async () => {
    const { strategy } = clusterRoleBindingKind(deps);
    const { object } = await create(strategy, clusterRoleBinding({ roleRef }));
    const { errors } = await update(strategy, object, (binding) => {
      binding.roleRef = { kind: 'ClusterRole', name: 'other' };
    });
    assert.deepEqual(errors, [
      'roleRef: Invalid value: {"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"other"}: cannot change roleRef',
    ]);
    assert.deepEqual((await update(strategy, object, (same) => void (same.subjects = []))).errors, []);
  });

  it('show role and subjects', () => {
    const subjects = [
      { kind: 'User', name: 'u' },
      { kind: 'Group', name: 'g' },
      { kind: 'User', name: 'v' },
      { kind: 'ServiceAccount', name: 's', namespace: 'n' },
    ];
    const shown = row(bindingColumns, { ...roleBinding({ roleRef, subjects }), metadata });
    assert.deepEqual(shown, { Name: 'x', Role: 'ClusterRole/r', Age: '5m', Users: 'u, v', Groups: 'g', ServiceAccounts: 'n/s' });
  });
});
