import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { controllerOf } from '#api/meta.ts';
import type { World } from './cluster.testing.ts';
import { startWorld } from './cluster.testing.ts';

let world: World;
before(async () => {
  world = await startWorld();
  await world.addNode('n1');
});
after(() => world.stop());

const containers = [{ name: 'c', image: 'i' }];
const pods = async (labelSelector: string) =>
  (await world.client.resource('pods').list({ namespace: 'default', labelSelector })).items;
const createSet = (name: string, replicas: number) =>
  world.client.resource('replicasets.apps').create({
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name, namespace: 'default' },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers } },
    },
  });

describe('ReplicaSet over the API server', () => {
  it('adopts a matching pod, and creates only the missing ones', async () => {
    await world.client.resource('pods').create({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'stray', namespace: 'default', labels: { app: 'adopt' } },
      spec: { containers },
    });
    const set = await createSet('adopt', 2);
    await world.until(
      'two owned pods',
      async () => (await pods('app=adopt')).filter((pod) => controllerOf(pod)?.uid === set.metadata.uid).length === 2,
    );
    const all = await pods('app=adopt');
    assert.equal(all.length, 2);
    assert.ok(all.some(({ metadata }) => metadata.name === 'stray'));
  });

  it('releases a pod whose labels no longer match, and replaces it', async () => {
    await createSet('release', 1);
    const [pod] = await world.until('one pod', async () => {
      const all = await pods('app=release');
      return all.length === 1 ? all : undefined;
    });
    const name = pod?.metadata.name ?? '';
    await world.client
      .resource('pods')
      .patch({ namespace: 'default', name }, { type: 'merge', body: { metadata: { labels: { app: 'debug' } } } });
    await world.until('replaced', async () => (await pods('app=release')).length === 1);
    const [released] = await pods('app=debug');
    assert.deepEqual([released?.metadata.name, released?.metadata.ownerReferences ?? []], [name, []]);
  });

  it('replaces a pod that is deleted or has failed, and never creates too many', async () => {
    await createSet('steady', 3);
    await world.until('three', async () => (await pods('app=steady')).length === 3);
    const [first, second] = await pods('app=steady');
    await world.client.resource('pods').delete({ namespace: 'default', name: first?.metadata.name ?? '' });
    await world.client
      .resource('pods')
      .patch(
        { namespace: 'default', name: second?.metadata.name ?? '' },
        { type: 'strategic', body: { status: { phase: 'Failed' } } },
        { subresource: 'status' },
      );
    world.play = () => 'ready';
    await world.until('three again', async () => {
      const alive = (await pods('app=steady')).filter(
        ({ metadata, status }) => metadata.deletionTimestamp === undefined && status?.phase !== 'Failed',
      );
      assert.ok(alive.length <= 3, `${alive.length} pods`);
      return alive.length === 3 && !alive.some(({ metadata }) => metadata.uid === first?.metadata.uid);
    });
    const set = await world.client.resource('replicasets.apps').get({ namespace: 'default', name: 'steady' });
    assert.equal(set.spec.replicas, 3);
  });

  it('scales down to zero, with an event per deleted pod', async () => {
    await createSet('shrink', 2);
    await world.until('two', async () => (await pods('app=shrink')).length === 2);
    const names = (await pods('app=shrink')).map(({ metadata }) => metadata.name);
    await world.client
      .resource('replicasets.apps')
      .patch({ namespace: 'default', name: 'shrink' }, { type: 'merge', body: { spec: { replicas: 0 } } });
    await world.until('none', async () => (await pods('app=shrink')).length === 0);
    const messages = (await world.client.resource('events').list({ namespace: 'default' })).items
      .filter(({ reason }) => reason === 'SuccessfulDelete')
      .map(({ message }) => message);
    for (const name of names) assert.ok(messages.includes(`Deleted pod: ${name}`));
    const status = await world.until('status tells', async () => {
      const { status: current } = await world.client.resource('replicasets.apps').get({ namespace: 'default', name: 'shrink' });
      return (current?.replicas ?? 0) === 0 ? current : undefined;
    });
    assert.equal(status.observedGeneration, 2);
  });
});

describe('owners that own each other', () => {
  const podsOf = (prefix: string) => async () =>
    (await world.client.resource('pods').list({ namespace: 'default' })).items.filter(({ metadata }) =>
      metadata.name.startsWith(prefix),
    );

  /** Creates pods of which each is owned by another one; `owners` has the index of each pod's owner. */
  async function circle(prefix: string, owners: readonly number[]): Promise<void> {
    const made = [];
    for (const index of owners.keys()) {
      made.push(
        await world.client.resource('pods').create({
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name: `${prefix}${index}`, namespace: 'default' },
          spec: { containers },
        }),
      );
    }
    for (const [index, owner] of owners.entries()) {
      const { name = '', uid } = made[owner]?.metadata ?? {};
      const ownerReferences = [
        { apiVersion: 'v1', kind: 'Pod', name, uid: uid ?? '', controller: true, blockOwnerDeletion: true },
      ];
      await world.client
        .resource('pods')
        .patch(
          { namespace: 'default', name: `${prefix}${index}` },
          { type: 'strategic', body: { metadata: { ownerReferences } } },
        );
    }
  }
  const deleteForeground = (name: string) =>
    world.client.resource('pods').delete({ namespace: 'default', name }, { propagationPolicy: 'Foreground' });

  const shapes: [what: string, prefix: string, owners: number[], deleted: number[]][] = [
    ['a pod of itself', 'self', [0], [0]],
    ['two of each other', 'two', [1, 0], [0]],
    ['three in a circle', 'three', [2, 0, 1], [0]],
    ['seven in a circle', 'seven', [6, 0, 1, 2, 3, 4, 5], [3]],
    ['two of each other, both deleted at once', 'both', [1, 0], [0, 1]],
    ['three in a circle, all deleted at once', 'all', [2, 0, 1], [0, 1, 2]],
    ['two circles with a bridge', 'bridge', [1, 0, 1, 2], [0]],
  ];
  for (const [what, prefix, owners, deleted] of shapes) {
    it(`are all deleted in the foreground: ${what}`, async () => {
      await circle(prefix, owners);
      await Promise.all(deleted.map((index) => deleteForeground(`${prefix}${index}`)));
      await world.until('all gone', async () => (await podsOf(prefix)()).length === 0);
    });
  }
});
