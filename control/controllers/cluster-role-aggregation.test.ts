import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ClusterRole, PolicyRule } from '#api/types.generated.ts';
import type { World } from './cluster.testing.ts';
import { startWorld } from './cluster.testing.ts';
import { aggregatedRules } from './cluster-role-aggregation.ts';

const rule = (verb: string, resource: string): PolicyRule => ({ verbs: [verb], apiGroups: [''], resources: [resource] });
const role = (name: string, labels: Record<string, string>, rules: PolicyRule[], collects?: string[]) => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name, labels, uid: '', resourceVersion: '', creationTimestamp: '2026-01-01T00:00:00Z' },
  rules,
  ...(collects === undefined
    ? {}
    : { aggregationRule: { clusterRoleSelectors: collects.map((key) => ({ matchLabels: { [key]: 'yes' } })) } }),
});

describe('the rules of an aggregated role', () => {
  it('are those of the roles chosen, by selector and name, each once, and none of its own', () => {
    const all: ClusterRole = role('all', { a: 'yes' }, [rule('own', 'x')], ['b', 'a']);
    const others = [
      role('z', { a: 'yes' }, [rule('get', 'z'), rule('get', 'shared')]),
      role('y', { a: 'yes' }, [rule('get', 'y')]),
      role('x', { b: 'yes' }, [rule('get', 'shared'), { ...rule('get', 'shared'), resourceNames: [] }]),
      role('other', { c: 'yes' }, [rule('get', 'other')]),
    ];
    const chosen = aggregatedRules(all, [all, ...others]).map(({ resources }) => resources?.join());
    assert.deepEqual(chosen, ['shared', 'y', 'z']);
  });
});

describe('an aggregated role in a cluster', () => {
  let world: World;
  before(async () => {
    world = await startWorld();
  });
  after(() => world.stop());
  const roles = () => world.client.resource('clusterroles.rbac.authorization.k8s.io');
  const until = (what: string, expected: PolicyRule[]) =>
    world.until(what, async () => JSON.stringify((await roles().get({ name: 'all' })).rules) === JSON.stringify(expected));

  it('follows the roles that it collects, and theirs', async () => {
    await roles().create(role('all', {}, [rule('made', 'up')], ['all']));
    await until('emptied', []);
    await roles().create(role('part', { all: 'yes' }, [], ['part']));
    const leaf = await roles().create(role('leaf', { part: 'yes' }, [rule('get', 'pods')]));
    await until('collected through another', [rule('get', 'pods')]);
    await roles().update({ ...leaf, rules: [rule('list', 'pods')] });
    await until('changed', [rule('list', 'pods')]);
    await roles().delete({ name: 'leaf' });
    await until('gone', []);
    const { metadata } = await roles().get({ name: 'all' });
    assert.ok(metadata.managedFields?.some(({ manager }) => manager === 'clusterrole-aggregation-controller'));
  });
});
