import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { World } from './cluster.testing.ts';
import { startWorld } from './cluster.testing.ts';

const namespace = 'default';
const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, storageClassName: 'none' };

describe('ephemeral volumes', () => {
  let world: World;
  before(async () => {
    world = await startWorld();
    world.play = () => 'pending';
    await world.addNode('n1');
  });
  after(() => world.stop());
  const claims = () => world.client.resource('persistentvolumeclaims');
  const make = (name: string) =>
    world.client.resource('pods').create({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace },
      spec: {
        containers: [{ name: 'c', image: 'i' }],
        volumes: [
          { name: 'plain', emptyDir: {} },
          {
            name: 'scratch',
            ephemeral: { volumeClaimTemplate: { metadata: { labels: { of: name }, annotations: { a: 'b' } }, spec } },
          },
        ],
      },
    });
  const claimNamed = (name: string, isOther: (uid: string) => boolean = () => true) =>
    world.until(`claim ${name}`, async () =>
      (await claims().list({ namespace })).items.find(({ metadata }) => metadata.name === name && isOther(metadata.uid)),
    );

  it('get a claim of their own, which goes with the pod', async () => {
    const pod = await make('web');
    const claim = await claimNamed('web-scratch');
    assert.deepEqual(claim.metadata.labels, { of: 'web' });
    assert.equal(claim.metadata.annotations?.['a'], 'b');
    assert.deepEqual(claim.metadata.ownerReferences, [
      { apiVersion: 'v1', kind: 'Pod', name: 'web', uid: pod.metadata.uid, controller: true, blockOwnerDeletion: true },
    ]);
    assert.deepEqual([claim.spec.accessModes, claim.spec.storageClassName], [['ReadWriteOnce'], 'none']);
    await world.client.resource('pods').delete({ namespace, name: 'web' });
    await world.until('the claim goes', async () => (await claims().list({ namespace })).items.length === 0);
  });

  it('get it again when somebody deletes it', async () => {
    await make('again');
    const { metadata } = await claimNamed('again-scratch');
    await claims().patch(metadata, { type: 'merge', body: { metadata: { finalizers: null } } });
    await claims().delete(metadata);
    await claimNamed('again-scratch', (uid) => uid !== metadata.uid);
  });

  it("never take somebody else's claim", async () => {
    await claims().create({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'thief-scratch', namespace },
      spec,
    });
    await make('thief');
    const message = await world.until('it is told', async () => {
      const { items } = await world.client.resource('events').list({ namespace });
      return items.find(({ involvedObject, reason }) => involvedObject.name === 'thief' && reason === 'FailedBinding')?.message;
    });
    assert.equal(
      message,
      'ephemeral volume scratch: PVC default/thief-scratch was not created for pod default/thief (pod is not owner)',
    );
    assert.equal((await claimNamed('thief-scratch')).metadata.ownerReferences, undefined);
  });
});
