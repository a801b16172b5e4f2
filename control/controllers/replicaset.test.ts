import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { labelMatcherOfMap } from '#api/selector.ts';
import type { Pod, ReplicaSet } from '#api/types.generated.ts';
import { FakeApi } from '#client/api.testing.ts';
import { InformerCache } from '#client/informer-cache.ts';
import { createClient } from '#client/rest-client.ts';
import { createExpectations } from './expectations.ts';
import { planClaim } from './ownership.ts';
import { inDeletionOrder } from './pod-deletion-order.ts';
import { planReplicaSet, replicaSetStatus } from './replicaset.ts';

const nowMs = Date.UTC(2026, 0, 2);
const at = (secondsAgo: number): string => new Date(nowMs - secondsAgo * 1000).toISOString();

interface PodSketch {
  node?: string;
  phase?: string;
  readySince?: number;
  age?: number;
  restarts?: number;
  cost?: string;
  owner?: string;
  labels?: Record<string, string>;
  deleting?: boolean;
}

function pod(
  name: string,
  {
    node = 'n1',
    phase = 'Running',
    readySince = 100,
    age = 200,
    restarts = 0,
    cost,
    owner,
    labels = { app: 'web' },
    deleting = false,
  }: PodSketch = {},
): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'ns',
      uid: `uid-${name}`,
      resourceVersion: '1',
      creationTimestamp: at(age),
      labels,
      ...(cost === undefined ? {} : { annotations: { 'controller.kubernetes.io/pod-deletion-cost': cost } }),
      ...(owner === undefined
        ? {}
        : { ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: owner, uid: owner, controller: true }] }),
      ...(deleting ? { deletionTimestamp: at(0) } : {}),
    },
    spec: { containers: [], nodeName: node },
    status: {
      phase,
      conditions: readySince < 0 ? [] : [{ type: 'Ready', status: 'True', lastTransitionTime: at(readySince) }],
      containerStatuses: [{ name: 'c', image: 'i', imageID: '', ready: readySince >= 0, restartCount: restarts }],
    },
  };
}

function set(replicas: number, more: Partial<ReplicaSet['spec']> = {}): ReplicaSet {
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name: 'web', namespace: 'ns', uid: 'web', resourceVersion: '1', creationTimestamp: at(500), generation: 2 },
    spec: { replicas, selector: { matchLabels: { app: 'web' } }, template: { metadata: { labels: { app: 'web' } } }, ...more },
  };
}

describe('ReplicaSet plan', () => {
  const three = ['a', 'b', 'c'].map((name) => pod(name));
  const cases: [string, ReplicaSet, Pod[], boolean, { create: number; remove: number }][] = [
    ['creates what is missing', set(5), three, true, { create: 2, remove: 0 }],
    ['deletes what is too much', set(1), three, true, { create: 0, remove: 2 }],
    ['leaves what is right', set(3), three, true, { create: 0, remove: 0 }],
    ['does nothing on a cache that is behind', set(5), three, false, { create: 0, remove: 0 }],
    ['creates at most 500 at once', set(2000), [], true, { create: 500, remove: 0 }],
    [
      'creates nothing while it is being deleted',
      { ...set(5), metadata: { ...set(5).metadata, deletionTimestamp: at(1) } },
      three,
      true,
      { create: 0, remove: 0 },
    ],
  ];
  for (const [name, of, pods, isCurrent, expected] of cases) {
    it(name, () => {
      const plan = planReplicaSet(of, pods, isCurrent, pods, nowMs);
      assert.deepEqual({ create: plan.create, remove: plan.remove.length }, expected);
    });
  }
});

describe('deletion order', () => {
  const cases: [string, Pod, Pod][] = [
    ['not scheduled before scheduled', pod('x', { node: '' }), pod('y')],
    ['pending before running', pod('x', { phase: 'Pending' }), pod('y')],
    ['not ready before ready', pod('x', { readySince: -1 }), pod('y')],
    ['a lower deletion cost before a higher', pod('x', { cost: '-5' }), pod('y', { cost: '5' })],
    ['ready for a short time before long', pod('x', { readySince: 10 }), pod('y', { readySince: 1000 })],
    ['more restarts before fewer', pod('x', { restarts: 4 }), pod('y', { restarts: 1 })],
    ['the younger before the older', pod('x', { age: 110 }), pod('y', { age: 5000 })],
    ['in spite of a malformed cost', pod('x', { cost: 'cheap', restarts: 4 }), pod('y', { cost: '+1' })],
  ];
  for (const [name, first, second] of cases) {
    it(name, () => {
      for (const pods of [
        [first, second],
        [second, first],
      ])
        assert.deepEqual(inDeletionOrder(pods, [], nowMs)[0]?.metadata.name, 'x');
    });
  }

  it('prefers pods on the node with most pods of the application', () => {
    const pods = [pod('a', { node: 'n1' }), pod('b', { node: 'n2' }), pod('c', { node: 'n2' })];
    assert.equal(inDeletionOrder(pods, pods, nowMs)[0]?.spec.nodeName, 'n2');
  });
});

describe('claims', () => {
  it('keep, adopt and release', () => {
    const pods = [
      pod('mine', { owner: 'web' }),
      pod('mine-no-more', { owner: 'web', labels: {} }),
      pod('stray'),
      pod('stray-going', { deleting: true }),
      pod('anothers', { owner: 'other' }),
      pod('unrelated', { labels: {} }),
    ];
    const claim = planClaim(set(1), labelMatcherOfMap({ app: 'web' }), pods);
    const names = (list: Pod[]) => list.map(({ metadata }) => metadata.name);
    assert.deepEqual([names(claim.keep), names(claim.adopt), names(claim.release)], [['mine'], ['stray'], ['mine-no-more']]);
  });

  it('adopt nothing for an owner that is being deleted', () => {
    const going = { ...set(1), metadata: { ...set(1).metadata, deletionTimestamp: at(1) } };
    assert.deepEqual(planClaim(going, labelMatcherOfMap({ app: 'web' }), [pod('stray')]).adopt, []);
  });
});

describe('ReplicaSet status', () => {
  it('counts a pod as available only after minReadySeconds', () => {
    const pods = [pod('long', { readySince: 30 }), pod('short', { readySince: 5 }), pod('not', { readySince: -1 })];
    const status = replicaSetStatus(set(3, { minReadySeconds: 10 }), pods, [pod('t')], undefined, nowMs);
    assert.deepEqual(status, {
      replicas: 3,
      fullyLabeledReplicas: 3,
      readyReplicas: 2,
      availableReplicas: 1,
      terminatingReplicas: 1,
      observedGeneration: 2,
    });
  });

  it('reports a failure, and removes it when it is over', () => {
    const failed = replicaSetStatus(set(3), [], [], { reason: 'FailedCreate', error: new Error('quota') }, nowMs);
    assert.deepEqual(
      failed.conditions?.map(({ type, status, reason, message }) => [type, status, reason, message]),
      [['ReplicaFailure', 'True', 'FailedCreate', 'quota']],
    );
    assert.equal(replicaSetStatus({ ...set(3), status: failed }, [], [], undefined, nowMs).conditions, undefined);
  });
});

describe('expectations', () => {
  const setUp = async () => {
    const { transport } = new FakeApi();
    const paths: string[] = [];
    const client = createClient((request) => (paths.push(`${request.method} ${request.path}`), transport(request)), {
      userAgent: 'test',
    });
    const cache = new InformerCache<Pod>();
    const expectations = createExpectations(client, { cache: () => cache as never }, 'pods');
    const created = await client
      .resource('pods')
      .create({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', namespace: 'ns' }, spec: { containers: [] } });
    return { client, cache, expectations, created, paths };
  };

  it('are met when the cache shows the change', async () => {
    const { cache, expectations, created } = await setUp();
    expectations.created('ns/web', created, nowMs);
    assert.equal(await expectations.met('ns/web', nowMs), false);
    cache.put(created);
    assert.equal(await expectations.met('ns/web', nowMs), true);
    expectations.deleted('ns/web', created, nowMs);
    assert.equal(await expectations.met('ns/web', nowMs), false);
    cache.remove(created);
    assert.equal(await expectations.met('ns/web', nowMs), true);
  });

  it('are met by a pod that was created and deleted between events, but not by one that the cache does not show yet', async () => {
    const { client, expectations, created, paths } = await setUp();
    expectations.created('ns/web', created, nowMs);
    assert.equal(await expectations.met('ns/web', nowMs + 60_000), false);
    // Not by `get`, which the role of upstream's ReplicaSet controller does not have for pods.
    assert.equal(paths.at(-1), 'GET /api/v1/namespaces/ns/pods?fieldSelector=metadata.name%3Da');
    await client.resource('pods').delete({ namespace: 'ns', name: 'a' });
    assert.equal(await expectations.met('ns/web', nowMs + 60_000), true);
  });
});
