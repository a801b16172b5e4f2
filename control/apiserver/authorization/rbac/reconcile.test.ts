import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Subject } from '#api/types.generated.ts';
import { systemMeta } from '../../kinds/strategy.testing.ts';
import { reconcileBinding, reconcileRole } from './reconcile.ts';

const apiVersion = 'rbac.authorization.k8s.io/v1';
const autoupdate = 'rbac.authorization.kubernetes.io/autoupdate';
const rule = (verb: string, resource: string): PolicyRule => ({ verbs: [verb], apiGroups: [''], resources: [resource] });
const selector = (label: string) => ({ matchLabels: { [label]: 'true' } });
const role = (rules: PolicyRule[] | undefined, more: Partial<ClusterRole> = {}, meta: object = {}): ClusterRole => ({
  apiVersion,
  kind: 'ClusterRole',
  metadata: { ...systemMeta('r'), ...meta },
  ...(rules === undefined ? {} : { rules }),
  ...more,
});
const binding = (name: string, subjects: Subject[], meta: object = {}): ClusterRoleBinding => ({
  apiVersion,
  kind: 'ClusterRoleBinding',
  metadata: { ...systemMeta('b'), ...meta },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
  subjects,
});
const user = (name: string): Subject => ({ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name });
const marked = { annotations: { [autoupdate]: 'true', a: 'default' }, labels: { l: 'default' } };

describe('a default role that is there', () => {
  it('stays when it has all that it should, also in other words', () => {
    const wide = role([{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }], {}, marked);
    assert.deepEqual(reconcileRole(wide, role([rule('get', 'pods')], {}, marked)), { kind: 'none' });
  });

  it('gets what is missing, and keeps what was added', () => {
    const existing = role([rule('get', 'nodes')], {}, { labels: { own: 'yes', l: 'mine' } });
    const step = reconcileRole(existing, role([rule('get', 'pods'), rule('get', 'nodes')], {}, marked));
    assert.deepEqual(
      step.kind === 'update' && [step.object.rules, step.object.metadata.labels, step.object.metadata.annotations],
      [[rule('get', 'nodes'), rule('get', 'pods')], { own: 'yes', l: 'mine' }, marked.annotations],
    );
  });

  it('is left alone where its administrator says so', () => {
    const existing = role([], {}, { annotations: { [autoupdate]: 'false' } });
    assert.deepEqual(reconcileRole(existing, role([rule('get', 'pods')], {}, marked)), { kind: 'none' });
  });

  it('collects what it should, and nothing where it should not', () => {
    const collects = (...labels: string[]) => ({ aggregationRule: { clusterRoleSelectors: labels.map(selector) } });
    const more = reconcileRole(role([rule('get', 'x')], collects('own'), marked), role(undefined, collects('default'), marked));
    assert.deepEqual(more.kind === 'update' && more.object.aggregationRule, collects('own', 'default').aggregationRule);
    assert.deepEqual(more.kind === 'update' && more.object.rules, [rule('get', 'x')]);
    const less = reconcileRole(role([], collects('own'), marked), role([], {}, marked));
    assert.deepEqual(less.kind === 'update' && less.object.aggregationRule, undefined);
    assert.equal(less.kind, 'update');
  });
});

describe('a default binding that is there', () => {
  it('gets missing subjects, and keeps those that were added', () => {
    const step = reconcileBinding(binding('a', [user('own')], marked), binding('a', [user('default')], marked));
    assert.deepEqual(step.kind === 'update' && step.object.subjects, [user('own'), user('default')]);
    assert.deepEqual(reconcileBinding(binding('a', [user('x')], marked), binding('a', [user('x')], marked)), { kind: 'none' });
  });

  it('is made anew where it leads to another role, unless it is left alone', () => {
    assert.deepEqual(reconcileBinding(binding('other', []), binding('a', [])), { kind: 'recreate' });
    const kept = binding('other', [], { annotations: { [autoupdate]: 'false' } });
    assert.deepEqual(reconcileBinding(kept, binding('a', [])), { kind: 'none' });
  });
});
