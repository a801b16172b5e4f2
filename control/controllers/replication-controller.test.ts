/** ReplicationControllers against the real API server. Source of what is asserted: upstream `test/e2e/apps/rc.go`. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Pod, ReplicationController, ReplicationControllerSpec } from '#api/types.generated.ts';
import type { World } from './cluster.testing.ts';
import { startWorld } from './cluster.testing.ts';

const namespace = 'default';

describe('ReplicationControllers', () => {
  let world: World;
  before(async () => {
    world = await startWorld();
    await world.addNode('n1');
  });
  after(() => world.stop());

  const controllers = () => world.client.resource('replicationcontrollers');
  const create = (name: string, spec: Partial<ReplicationControllerSpec> = {}): Promise<ReplicationController> =>
    controllers().create({
      apiVersion: 'v1',
      kind: 'ReplicationController',
      metadata: { name, namespace },
      spec: {
        replicas: 2,
        selector: { name },
        template: { metadata: { labels: { name } }, spec: { containers: [{ name: 'c', image: 'c:1' }] } },
        ...spec,
      },
    });
  const get = (name: string) => controllers().get({ namespace, name });
  const podsOf = async (name: string): Promise<Pod[]> =>
    (await world.client.resource('pods').list({ namespace, labelSelector: `name=${name}` })).items;
  const ready = (name: string, replicas: number) =>
    world.until(`${replicas} of ${name}`, async () => {
      const { status, metadata } = await get(name);
      return (
        status?.observedGeneration === metadata.generation &&
        status?.replicas === replicas &&
        (status.availableReplicas ?? 0) === replicas &&
        (status.readyReplicas ?? 0) === replicas &&
        (status.fullyLabeledReplicas ?? 0) === replicas
      );
    });

  it('make pods, scale through the subresource, and report every count', async () => {
    const { metadata } = await create('web');
    await ready('web', 2);
    const [pod] = await podsOf('web');
    assert.deepEqual(pod?.metadata.ownerReferences, [
      {
        apiVersion: 'v1',
        kind: 'ReplicationController',
        name: 'web',
        uid: metadata.uid,
        controller: true,
        blockOwnerDeletion: true,
      },
    ]);
    assert.match(pod?.metadata.name ?? '', /^web-[a-z0-9]{5}$/);
    await controllers().patch(
      { namespace, name: 'web' },
      { type: 'merge', body: { spec: { replicas: 1 } } },
      { subresource: 'scale' },
    );
    await ready('web', 1);
    assert.equal((await podsOf('web')).filter(({ metadata: of }) => of.deletionTimestamp === undefined).length, 1);
    assert.equal('terminatingReplicas' in ((await get('web')).status ?? {}), false);
  });

  it('adopt matching pods without an owner', async () => {
    const pod = await world.client.resource('pods').create({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'pod-adoption', namespace, labels: { name: 'adopt' } },
      spec: { containers: [{ name: 'c', image: 'c:1' }] },
    });
    const { metadata } = await create('adopt', { replicas: 1 });
    await ready('adopt', 1);
    const pods = await podsOf('adopt');
    assert.deepEqual(
      pods.map((one) => [one.metadata.uid, one.metadata.ownerReferences?.[0]?.uid]),
      [[pod.metadata.uid, metadata.uid]],
    );
  });

  it('release pods that match no more, and replace them', async () => {
    await create('release', { replicas: 1 });
    await ready('release', 1);
    const [pod] = await podsOf('release');
    assert.ok(pod !== undefined);
    await world.client.resource('pods').patch(pod.metadata, { type: 'merge', body: { metadata: { labels: { name: 'free' } } } });
    await world.until('released', async () => {
      const { ownerReferences = [] } = (await world.client.resource('pods').get(pod.metadata)).metadata;
      return ownerReferences.length === 0 && (await podsOf('release')).length === 1;
    });
  });

  it('follow a selector that changes', async () => {
    await create('moves', { replicas: 1 });
    await ready('moves', 1);
    const template = { metadata: { labels: { name: 'moved' } }, spec: { containers: [{ name: 'c', image: 'c:1' }] } };
    await controllers().patch(
      { namespace, name: 'moves' },
      { type: 'merge', body: { spec: { selector: { name: 'moved' }, template } } },
    );
    await ready('moves', 1);
    assert.equal((await podsOf('moved')).length, 1);
    assert.equal((await podsOf('moves'))[0]?.metadata.ownerReferences, undefined);
  });

  it('leave their pods behind when they are deleted without saying how', async () => {
    await create('leaves', { replicas: 1 });
    await ready('leaves', 1);
    await controllers().delete({ namespace, name: 'leaves' });
    await world.until('orphaned', async () => {
      const [pod] = await podsOf('leaves');
      return pod !== undefined && pod.metadata.ownerReferences === undefined;
    });
    await world.pass(3);
    assert.equal((await podsOf('leaves')).length, 1);
  });
});
