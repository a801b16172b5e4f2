/** StatefulSets against the real API server. Source of what is asserted: upstream `test/e2e/apps/statefulset.go`. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { JsonObject } from '#api/json.ts';
import type { Pod, StatefulSet, StatefulSetSpec } from '#api/types.generated.ts';
import type { World } from './cluster.testing.ts';
import { startWorld } from './cluster.testing.ts';

const namespace = 'default';

describe('StatefulSets', () => {
  let world: World;
  before(async () => {
    world = await startWorld();
    await world.addNode('n1');
    await world.addNode('n2');
  });
  after(() => world.stop());

  const sets = () => world.client.resource('statefulsets.apps');
  const template = (name: string, image = 'c:1') => ({
    metadata: { labels: { name } },
    spec: { containers: [{ name: 'c', image }] },
  });
  const create = (name: string, spec: Partial<StatefulSetSpec> = {}): Promise<StatefulSet> =>
    sets().create({
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { name, namespace },
      spec: { replicas: 3, serviceName: 'svc', selector: { matchLabels: { name } }, template: template(name), ...spec },
    });
  const get = (name: string) => sets().get({ namespace, name });
  const patch = (name: string, spec: object) =>
    sets().patch({ namespace, name }, { type: 'merge', body: { spec: spec as JsonObject } });
  const scale = (name: string, replicas: number) =>
    sets().patch({ namespace, name }, { type: 'merge', body: { spec: { replicas } } }, { subresource: 'scale' });
  const podsOf = async (name: string): Promise<Pod[]> =>
    (await world.client.resource('pods').list({ namespace, labelSelector: `name=${name}` })).items;
  const shown = async (name: string): Promise<string> =>
    (await podsOf(name))
      .map(({ metadata, spec }) => `${metadata.name} ${spec.containers[0]?.image}`)
      .sort()
      .join(', ');
  const revisionsOf = async (name: string) =>
    (await world.client.resource('controllerrevisions.apps').list({ namespace, labelSelector: `name=${name}` })).items;
  const ready = (name: string, replicas: number) =>
    world.until(`${replicas} of ${name}`, async () => {
      const { status, metadata } = await get(name);
      const counts = [status?.replicas, status?.readyReplicas ?? 0, status?.availableReplicas ?? 0];
      return status?.observedGeneration === metadata.generation && counts.every((count) => count === replicas);
    });
  const settled = (name: string, replicas: number) =>
    world.until(`${name} settled`, async () => {
      const { status } = await get(name);
      return (
        status?.updatedReplicas === replicas &&
        status.currentRevision === status.updateRevision &&
        status.readyReplicas === replicas
      );
    });
  const remove = async (name: string) => {
    await sets().delete({ namespace, name });
    await world.until(`${name} gone`, async () => (await podsOf(name)).length === 0);
  };

  it('give pods stable names, host names and labels, and report every count', async () => {
    const { metadata } = await create('web');
    await ready('web', 3);
    const pods = (await podsOf('web')).sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
    const { updateRevision, currentRevision, ...status } = (await get('web')).status ?? {};
    assert.deepEqual(
      pods.map(({ metadata: { name, labels, generateName }, spec }) => [
        name,
        labels,
        generateName,
        spec.hostname,
        spec.subdomain,
      ]),
      [0, 1, 2].map((ordinal) => [
        `web-${ordinal}`,
        {
          name: 'web',
          'apps.kubernetes.io/pod-index': String(ordinal),
          'controller-revision-hash': updateRevision,
          'statefulset.kubernetes.io/pod-name': `web-${ordinal}`,
        },
        'web-',
        `web-${ordinal}`,
        'svc',
      ]),
    );
    assert.equal(pods[0]?.metadata.ownerReferences?.[0]?.uid, metadata.uid);
    assert.equal(currentRevision, updateRevision);
    assert.deepEqual(status, {
      availableReplicas: 3,
      collisionCount: 0,
      currentReplicas: 3,
      observedGeneration: 1,
      readyReplicas: 3,
      replicas: 3,
      updatedReplicas: 3,
    });
    const events = (await world.client.resource('events').list({ namespace })).items.map(
      ({ reason, message }) => `${reason} ${message}`,
    );
    assert.ok(events.includes('SuccessfulCreate Create Pod web-0 in StatefulSet web successful'), events.join('\n'));
    await remove('web');
  });

  it('scale up and down in order, and wait for a pod that is not ready', async () => {
    world.play = ({ metadata }) => (metadata.name === 'order-1' ? 'running' : 'ready');
    await create('order');
    await world.pass(5);
    assert.equal(await shown('order'), 'order-0 c:1, order-1 c:1');
    world.play = () => 'ready';
    await ready('order', 3);
    world.play = () => 'running';
    await world.pass(2);
    await scale('order', 0);
    await world.pass(4);
    // No pod is deleted that is not ready, before those with lower ordinals are.
    assert.equal((await podsOf('order')).length, 3);
    world.play = () => 'ready';
    const gone: string[] = [];
    await world.until('none', async () => {
      const names = (await podsOf('order')).map(({ metadata }) => metadata.name);
      for (const name of ['order-2', 'order-1', 'order-0']) if (!names.includes(name) && !gone.includes(name)) gone.push(name);
      return names.length === 0;
    });
    assert.deepEqual(gone, ['order-2', 'order-1', 'order-0']);
    await remove('order');
  });

  it('with Parallel, do not wait', async () => {
    world.play = () => 'running';
    await create('burst', { podManagementPolicy: 'Parallel' });
    await world.pass(2);
    assert.equal(await shown('burst'), 'burst-0 c:1, burst-1 c:1, burst-2 c:1');
    await scale('burst', 1);
    await world.until('one', async () => (await shown('burst')) === 'burst-0 c:1');
    world.play = () => 'ready';
    await remove('burst');
  });

  it('begin at another ordinal', async () => {
    await create('begins', { ordinals: { start: 2 }, replicas: 2 });
    await ready('begins', 2);
    assert.equal(await shown('begins'), 'begins-2 c:1, begins-3 c:1');
    await patch('begins', { ordinals: { start: 3 } });
    await world.until('moved', async () => (await shown('begins')) === 'begins-3 c:1, begins-4 c:1');
    await remove('begins');
  });

  it('update from the highest ordinal down, one at a time, and roll back', async () => {
    await create('rolls');
    await ready('rolls', 3);
    const first = (await get('rolls')).status?.currentRevision;
    const states: string[] = [];
    const update = async (image: string) => {
      await patch('rolls', { template: template('rolls', image) });
      await world.until(image, async () => {
        const state = await shown('rolls');
        if (states.at(-1) !== state) states.push(state);
        return state === [0, 1, 2].map((ordinal) => `rolls-${ordinal} ${image}`).join(', ');
      });
      await settled('rolls', 3);
    };
    await update('c:2');
    const newest = states.findIndex((state) => state.includes('rolls-1 c:2'));
    assert.ok(
      states.slice(0, newest).every((state) => state.includes('rolls-0 c:1')),
      states.join('\n'),
    );
    assert.ok(states[newest]?.includes('rolls-2 c:2'), states.join('\n'));
    assert.notEqual((await get('rolls')).status?.updateRevision, first);
    await update('c:1');
    assert.equal((await get('rolls')).status?.currentRevision, first);
    assert.deepEqual((await revisionsOf('rolls')).map(({ revision }) => revision).sort(), [2, 3]);
    await remove('rolls');
  });

  it('update only above the partition, and keep the rest at the former revision', async () => {
    await create('canary');
    await ready('canary', 3);
    await patch('canary', {
      template: template('canary', 'c:2'),
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 2 } },
    });
    await world.until('canary', async () => (await shown('canary')) === 'canary-0 c:1, canary-1 c:1, canary-2 c:2');
    await ready('canary', 3);
    const { status } = await get('canary');
    assert.deepEqual([status?.currentReplicas, status?.updatedReplicas], [2, 1]);
    // A pod that is lost comes back in the revision of its side.
    for (const { metadata } of await podsOf('canary')) await world.client.resource('pods').delete(metadata);
    await world.until('back', async () => (await shown('canary')) === 'canary-0 c:1, canary-1 c:1, canary-2 c:2');
    await patch('canary', { updateStrategy: { rollingUpdate: { partition: 0 } } });
    await settled('canary', 3);
    assert.equal(await shown('canary'), 'canary-0 c:2, canary-1 c:2, canary-2 c:2');
    await remove('canary');
  });

  it('with OnDelete, replace a pod only when it is deleted', async () => {
    await create('manual', { updateStrategy: { type: 'OnDelete' } });
    await ready('manual', 3);
    await patch('manual', { template: template('manual', 'c:2') });
    await world.pass(4);
    assert.equal(await shown('manual'), 'manual-0 c:1, manual-1 c:1, manual-2 c:1');
    await world.client.resource('pods').delete({ namespace, name: 'manual-1' });
    await world.until('replaced', async () => (await shown('manual')) === 'manual-0 c:1, manual-1 c:2, manual-2 c:1');
    await remove('manual');
  });

  it('create a pod that failed or was evicted anew, under its name', async () => {
    await create('evicted', { replicas: 1 });
    await ready('evicted', 1);
    const [before] = await podsOf('evicted');
    assert.ok(before !== undefined);
    const failed = { status: { phase: 'Failed', conditions: [{ type: 'Ready', status: 'False' }] } };
    await world.client.resource('pods').patch(before.metadata, { type: 'strategic', body: failed }, { subresource: 'status' });
    await world.until('anew', async () => {
      const [now] = await podsOf('evicted');
      return now !== undefined && now.metadata.uid !== before.metadata.uid && now.status?.phase === 'Running';
    });
    assert.equal((await podsOf('evicted'))[0]?.metadata.name, 'evicted-0');
    await remove('evicted');
  });

  it('adopt pods of their names, release those that match no more, and give labels back', async () => {
    await create('owns', { replicas: 1 });
    await ready('owns', 1);
    const [pod] = await podsOf('owns');
    assert.ok(pod !== undefined);
    const pods = world.client.resource('pods');
    await pods.patch(pod.metadata, { type: 'merge', body: { metadata: { labels: { name: 'other' } } } });
    await world.until('released', async () => (await pods.get(pod.metadata)).metadata.ownerReferences === undefined);
    await pods.patch(pod.metadata, { type: 'merge', body: { metadata: { labels: { name: 'owns' } } } });
    await world.until('adopted', async () => (await pods.get(pod.metadata)).metadata.ownerReferences?.length === 1);
    const label = 'statefulset.kubernetes.io/pod-name';
    await pods.patch(pod.metadata, { type: 'merge', body: { metadata: { labels: { [label]: 'wrong' } } } });
    await world.until('repaired', async () => (await pods.get(pod.metadata)).metadata.labels?.[label] === 'owns-0');
    await remove('owns');
  });

  const claim = {
    metadata: { name: 'data' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  } as never;
  const claims = () => world.client.resource('persistentvolumeclaims');
  const claimsOf = async (name: string) =>
    (await claims().list({ namespace, labelSelector: `name=${name}` })).items
      .map(({ metadata }) => `${metadata.name} ${(metadata.ownerReferences ?? []).map((owner) => owner.name).join()}`)
      .sort();

  it('give each pod its claims, and keep them', async () => {
    await create('keeps', { replicas: 2, volumeClaimTemplates: [claim] });
    await ready('keeps', 2);
    const [pod] = await podsOf('keeps');
    assert.deepEqual(pod?.spec.volumes?.[0], {
      name: 'data',
      persistentVolumeClaim: { claimName: `data-${pod?.metadata.name}` },
    });
    assert.deepEqual(await claimsOf('keeps'), ['data-keeps-0 ', 'data-keeps-1 ']);
    const events = (await world.client.resource('events').list({ namespace })).items.map(
      ({ reason, message }) => `${reason} ${message}`,
    );
    assert.ok(events.includes('SuccessfulCreate Create Claim data-keeps-0 Pod keeps-0 in StatefulSet keeps success'));
    await remove('keeps');
    await world.pass(2);
    assert.deepEqual(await claimsOf('keeps'), ['data-keeps-0 ', 'data-keeps-1 ']);
  });

  it('delete claims of pods that are scaled down, and all with the set, where the policy says so', async () => {
    const persistentVolumeClaimRetentionPolicy = { whenDeleted: 'Delete', whenScaled: 'Delete' };
    await create('drops', { replicas: 2, volumeClaimTemplates: [claim], persistentVolumeClaimRetentionPolicy });
    await ready('drops', 2);
    await world.until('owned', async () => (await claimsOf('drops')).join(', ') === 'data-drops-0 drops, data-drops-1 drops');
    await scale('drops', 1);
    await world.until('one claim', async () => (await claimsOf('drops')).join(', ') === 'data-drops-0 drops');
    await remove('drops');
    await world.until('no claim', async () => (await claimsOf('drops')).length === 0);
  });

  it('tell why a claim cannot be made, and make no pod without it', async () => {
    const name = 'refused';
    // The labels of a claim are looked at only when it is made.
    const malformed = { ...(claim as object), metadata: { name: 'data', labels: { 'no key': 'x' } } } as never;
    await create(name, { replicas: 1, volumeClaimTemplates: [malformed] });
    await world.pass(2);
    assert.equal(await shown(name), '');
    const events = (await world.client.resource('events').list({ namespace })).items.map(
      ({ reason, message }) => `${reason} ${message}`,
    );
    const failed = `FailedCreate Create Pod ${name}-0 in StatefulSet ${name} failed error: failed to create PVC `;
    assert.ok(
      events.some((text) => text.startsWith(failed)),
      events.join('\n'),
    );
    await remove(name);
  });
});
