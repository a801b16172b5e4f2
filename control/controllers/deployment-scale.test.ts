import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { IntOrString } from '#api/json.ts';
import type { Deployment, ReplicaSet } from '#api/types.generated.ts';
import { currentSetAnnotations, expiredSets, isSameTemplate, newSet, templateHash } from './deployment-revisions.ts';
import { currentSetSize, fenceposts, rollingStep, scaleStep } from './deployment-scale.ts';

const meta = (name: string) => ({
  name,
  namespace: 'ns',
  uid: `uid-${name}`,
  resourceVersion: '1',
  creationTimestamp: '2026-01-01T00:00:00Z',
  generation: 1,
});

function deployment(replicas: number, maxSurge: IntOrString, maxUnavailable: IntOrString): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: meta('web'),
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  };
}

function set(name: string, replicas: number, available = replicas, annotations: Record<string, string> = {}): ReplicaSet {
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { ...meta(name), annotations },
    spec: { replicas, selector: {} },
    status: { replicas, availableReplicas: available, observedGeneration: 1 },
  };
}

describe('fenceposts', () => {
  const cases: [IntOrString, IntOrString, number, [number, number]][] = [
    ['25%', '25%', 4, [1, 1]],
    ['25%', '25%', 3, [1, 0]],
    ['25%', '25%', 10, [3, 2]],
    [0, 0, 5, [0, 1]],
    ['0%', '10%', 5, [0, 1]],
    [2, 9, 3, [2, 3]],
  ];
  for (const [surge, unavailable, replicas, [maxSurge, maxUnavailable]] of cases) {
    it(`surge ${surge}, unavailable ${unavailable} of ${replicas} are ${maxSurge} and ${maxUnavailable}`, () => {
      assert.deepEqual(fenceposts(deployment(replicas, surge, unavailable)), { maxSurge, maxUnavailable });
    });
  }
});

describe('a step of a rolling update', () => {
  const cases: [string, Deployment, ReplicaSet, ReplicaSet[], Record<string, number>][] = [
    ['grows the new set by the surge', deployment(10, 3, 2), set('new', 0), [set('old', 10)], { new: 3 }],
    ['shrinks the old one by what may be unavailable', deployment(10, 3, 2), set('new', 3, 0), [set('old', 10)], { old: 8 }],
    ['waits while the new pods are not available', deployment(10, 3, 2), set('new', 5, 0), [set('old', 8)], {}],
    ['goes on as they become available', deployment(10, 3, 2), set('new', 5, 2), [set('old', 8)], { old: 6 }],
    [
      'takes unhealthy old pods first, whatever set they are in',
      deployment(10, 0, 2),
      set('new', 0),
      [set('a', 8, 8), set('b', 2, 0)],
      { b: 0 },
    ],
    [
      'does not count on pods that a smaller set still reports',
      deployment(4, 1, 1),
      set('new', 2, 1),
      [set('old', 3, 4)],
      { old: 2 },
    ],
    ['shrinks a new set that is too large', deployment(2, 1, 1), set('new', 5), [], { new: 2 }],
    ['does nothing once done', deployment(3, 1, 1), set('new', 3), [set('old', 0)], {}],
  ];
  for (const [name, of, current, old, expected] of cases) {
    it(name, () => assert.deepEqual(named(rollingStep(of, current, old)), expected));
  }

  it('gives all pods to the first set of a Deployment', () => {
    assert.equal(currentSetSize(deployment(3, 1, 1), 0, 0), 3);
  });
});

describe('scaling', () => {
  const before = { 'deployment.kubernetes.io/max-replicas': '13', 'deployment.kubernetes.io/desired-replicas': '10' };
  const cases: [string, Deployment, ReplicaSet | undefined, ReplicaSet[], Record<string, number>][] = [
    ['sets the only active set', deployment(7, 1, 1), set('new', 3), [set('old', 0)], { new: 7 }],
    ['sets the newest where none is active', deployment(2, 1, 1), undefined, [set('old', 0)], { old: 2 }],
    [
      'spreads in proportion, the leftover to the largest',
      deployment(15, 3, 2),
      set('new', 5, 0, before),
      [set('old', 8, 8, before)],
      { old: 11, new: 7 },
    ],
    ['shrinks in proportion', deployment(5, 3, 2), set('new', 5, 0, before), [set('old', 8, 8, before)], { old: 5, new: 3 }],
    ['scales all to nothing', deployment(0, 3, 2), set('new', 5, 5, before), [set('old', 8, 8, before)], { old: 0, new: 0 }],
    [
      'empties the old sets beside a saturated new one',
      deployment(3, 1, 1),
      set('new', 3, 3, { 'deployment.kubernetes.io/desired-replicas': '3' }),
      [set('old', 2)],
      { old: 0 },
    ],
  ];
  for (const [name, of, current, old, expected] of cases) {
    it(name, () => assert.deepEqual(named(scaleStep(of, current, old)), expected));
  }
});

const named = (sizes: Map<string, number>): Record<string, number> =>
  Object.fromEntries([...sizes].map(([uid, size]) => [uid.slice('uid-'.length), size]));

describe('revisions', () => {
  const template = (more: object = {}) => ({
    metadata: { labels: { app: 'web' } },
    spec: { containers: [{ name: 'c', image: 'i' }], ...more },
  });

  it('compare templates without the hash label and empty fields', () => {
    assert.equal(
      isSameTemplate(
        { ...template(), metadata: { labels: { app: 'web', 'pod-template-hash': 'x' } } },
        template({ volumes: [] }),
      ),
      true,
    );
    assert.equal(isSameTemplate(template(), template({ hostNetwork: true })), false);
    assert.equal(
      isSameTemplate(template({ volumes: [{ name: 'v', emptyDir: {} }] }), template({ volumes: [{ name: 'v' }] })),
      false,
    );
  });

  it('have a hash that does not depend on the order of fields, but on the collision count', () => {
    const turned = { spec: { containers: [{ image: 'i', name: 'c' }] }, metadata: { labels: { app: 'web' } } };
    assert.equal(templateHash(template(), undefined), templateHash(turned, undefined));
    assert.notEqual(templateHash(template(), undefined), templateHash(template(), 1));
  });

  it('keep the name of the set within the limit', () => {
    const long = { ...deployment(1, 1, 1), metadata: { ...meta('x'), name: 'a'.repeat(253) } };
    assert.equal(newSet(long).metadata.name?.length, 253);
  });

  it('number a set one above all others, and remember the numbers it had', () => {
    const revision = (set_: ReplicaSet, others: ReplicaSet[]) =>
      currentSetAnnotations(deployment(1, 1, 1), set_.metadata.annotations, others);
    const of = (value: string) => ({ 'deployment.kubernetes.io/revision': value });
    assert.deepEqual(revision(set('s', 1, 1, {}), []), of('1'));
    assert.deepEqual(revision(set('s', 1, 1, of('3')), [set('o', 0, 0, of('2'))]), of('3'));
    assert.deepEqual(
      revision(set('s', 1, 1, { ...of('1'), 'deployment.kubernetes.io/revision-history': '0' }), [set('o', 0, 0, of('4'))]),
      {
        ...of('5'),
        'deployment.kubernetes.io/revision-history': '0,1',
      },
    );
  });

  it('are int64, also beyond 2^53', () => {
    const of = (value: string) => ({ 'deployment.kubernetes.io/revision': value });
    const next = (present: string | undefined, ...others: string[]) =>
      currentSetAnnotations(
        deployment(1, 1, 1),
        present === undefined ? undefined : of(present),
        others.map((value, index) => set(`o${index}`, 0, 0, of(value))),
      )['deployment.kubernetes.io/revision'];
    assert.equal(next(undefined, '9007199254740992', '9007199254740993'), '9007199254740994');
    assert.equal(next('9007199254740993', '9007199254740993'), '9007199254740994');
    assert.equal(next('9007199254740994', '9007199254740993'), '9007199254740994');
    assert.equal(next('9223372036854775806', '9223372036854775806'), '9223372036854775807');
    assert.equal(next('nonsense', '5'), 'nonsense');
    assert.equal(next('1', 'nonsense', '9223372036854775808', '4'), '5');
    const old = ['9007199254740993', '9007199254740992', '9007199254740994'].map((n) => set(n, 0, 0, of(n)));
    const limited = { ...deployment(1, 1, 1), spec: { ...deployment(1, 1, 1).spec, revisionHistoryLimit: 1 } };
    assert.deepEqual(
      expiredSets(limited, old).map(({ metadata }) => metadata.name),
      ['9007199254740992', '9007199254740993'],
    );
  });

  it('are deleted beyond the limit, lowest first, never with pods', () => {
    const old = ['3', '1', '2'].map((n) => set(n, 0, 0, { 'deployment.kubernetes.io/revision': n }));
    const limited = { ...deployment(1, 1, 1), spec: { ...deployment(1, 1, 1).spec, revisionHistoryLimit: 1 } };
    assert.deepEqual(
      expiredSets(limited, old).map(({ metadata }) => metadata.name),
      ['1', '2'],
    );
    assert.deepEqual(
      expiredSets(limited, [set('busy', 1, 1, { 'deployment.kubernetes.io/revision': '1' }), ...old.slice(0, 1)]),
      [],
    );
  });
});
