import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compareVersions, orderedGroups, orderedVersions } from './group-priorities.ts';

const rows = (...names: string[]) =>
  names.map((name) => ({ group: name.slice(0, name.indexOf('/')), version: name.slice(name.indexOf('/') + 1) }));

describe('the order of groups and versions', () => {
  it('is upstream’s, with groups that it does not list last, by name', () => {
    const groups = orderedGroups(
      rows(
        'zoo.example.com/v1',
        'discovery.k8s.io/v1',
        'batch/v1',
        'a.example.com/v1',
        'rbac.authorization.k8s.io/v1',
        'apiextensions.k8s.io/v1',
        'admissionregistration.k8s.io/v1',
        'events.k8s.io/v1',
        'constructor/v1',
        'resource.k8s.io/v1',
        'apps/v1',
        '/v1',
      ),
    );
    assert.deepEqual(groups, [
      '',
      'apps',
      'events.k8s.io',
      'batch',
      'rbac.authorization.k8s.io',
      'admissionregistration.k8s.io',
      'apiextensions.k8s.io',
      'discovery.k8s.io',
      'resource.k8s.io',
      'a.example.com',
      'constructor',
      'zoo.example.com',
    ]);
  });

  it('prefers autoscaling/v2, in any order of the rows', () => {
    assert.deepEqual(orderedVersions(rows('autoscaling/v1', 'autoscaling/v2'), 'autoscaling'), ['v2', 'v1']);
    assert.deepEqual(orderedVersions(rows('autoscaling/v2', 'autoscaling/v1'), 'autoscaling'), ['v2', 'v1']);
    assert.deepEqual(orderedVersions(rows('batch/v1'), 'apps'), []);
  });

  it('uses the priority of a row, which an APIService sets', () => {
    const first = { group: 'metrics.example.com', version: 'v1', priority: { group: 20_000, version: 1 } };
    const second = { group: 'metrics.example.com', version: 'v1beta1', priority: { group: 100, version: 50 } };
    assert.deepEqual(orderedGroups([...rows('/v1'), second, first]), ['metrics.example.com', '']);
    assert.deepEqual(orderedVersions([first, second], 'metrics.example.com'), ['v1beta1', 'v1']);
  });

  it('sorts versions by stability, then by number, then other names', () => {
    const sorted = ['v1', 'v2', 'v10', 'v1beta2', 'v11alpha1', 'v12alpha1', 'v3beta1', 'foo1', 'foo10', 'v1gamma1'];
    const expected = ['v10', 'v2', 'v1', 'v3beta1', 'v1beta2', 'v12alpha1', 'v11alpha1', 'foo1', 'foo10', 'v1gamma1'];
    assert.deepEqual(
      sorted.sort((a, b) => compareVersions(b, a)),
      expected,
    );
    assert.deepEqual(
      expected.toReversed().sort((a, b) => compareVersions(b, a)),
      expected,
    );
    assert.equal(compareVersions('v1', 'v1'), 0);
  });
});
