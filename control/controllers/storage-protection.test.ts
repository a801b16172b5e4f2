import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { isNotFound } from '#api/status.ts';
import { attributesClassNames } from '#api/storage/claim-classes.ts';
import type { PersistentVolumeClaim, Pod, Volume } from '#api/types.generated.ts';
import type { World } from './cluster.testing.ts';
import { startWorld } from './cluster.testing.ts';
import { planFinalizer } from './protection-finalizer.ts';
import { usesClaim } from './pvc-protection.ts';

const meta = (name: string, more: object = {}) => ({
  name,
  namespace: 'default',
  uid: `uid-${name}`,
  resourceVersion: '',
  creationTimestamp: '2026-01-01T00:00:00Z',
  ...more,
});
const goes = { deletionTimestamp: '2026-01-01T00:00:00Z' };

describe('the finalizer of an object in use', () => {
  const cases: [what: string, metadata: object, expected: object][] = [
    ['comes to an old object', { finalizers: ['x'] }, { kind: 'add', finalizers: ['x', 'f'] }],
    ['stays', { finalizers: ['f'] }, { kind: 'none' }],
    ['may leave an object that is being deleted', { finalizers: ['x', 'f'], ...goes }, { kind: 'remove', finalizers: ['x'] }],
    ['does not come back', { finalizers: ['x'], ...goes }, { kind: 'none' }],
  ];
  for (const [what, metadata, expected] of cases) it(what, () => assert.deepEqual(planFinalizer(metadata, 'f'), expected));
});

describe('whether a pod uses a claim', () => {
  const owner = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'uid-p', controller: true };
  const own = { persistentVolumeClaim: { claimName: 'p-v' } };
  const ephemeral = { ephemeral: { volumeClaimTemplate: { spec: {} } } };
  const cases: [what: string, uses: boolean, volume: object, nodeName?: string, podMeta?: object, claimMeta?: object][] = [
    ['on a node it does', true, own, 'n'],
    ['without a node it does not', false, own],
    ['another claim it does not', false, { persistentVolumeClaim: { claimName: 'x' } }, 'n'],
    ['ended, it still does', true, own, 'n', { ...goes, deletionGracePeriodSeconds: 0 }],
    ['made for its ephemeral volume it does', true, ephemeral, 'n', {}, { ownerReferences: [owner] }],
    ['of the same name but not made for it, it does not', false, ephemeral, 'n'],
    [
      'shut down, its ephemeral one it does not',
      false,
      ephemeral,
      'n',
      { ...goes, deletionGracePeriodSeconds: 0 },
      { ownerReferences: [owner] },
    ],
  ];
  for (const [what, expected, volume, nodeName, podMeta, claimMeta] of cases)
    it(what, () => {
      const pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: meta('p', podMeta),
        spec: { containers: [], nodeName, volumes: [{ name: 'v', ...volume } as Volume] },
      } as Pod;
      const claim = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: meta('p-v', claimMeta), spec: {} };
      assert.equal(usesClaim(pod, claim as PersistentVolumeClaim), expected);
    });
});

describe('objects in use, in a cluster', () => {
  let world: World;
  before(async () => {
    world = await startWorld();
    await world.addNode('n1');
  });
  after(() => world.stop());
  const gone = (read: () => Promise<unknown>) => async () => {
    try {
      await read();
      return false;
    } catch (error) {
      if (isNotFound(error)) return true;
      throw error;
    }
  };
  const claims = () => world.client.resource('persistentvolumeclaims');
  const volumes = () => world.client.resource('persistentvolumes');
  const resources = { requests: { storage: '1Gi' } };
  const accessModes = ['ReadWriteOnce'];

  it('a claim waits for the pod that uses it', async () => {
    const key = { name: 'data', namespace: 'default' };
    await claims().create({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: key, spec: { accessModes, resources } });
    await world.client.resource('pods').create({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'p', namespace: 'default' },
      spec: {
        nodeName: 'n1',
        containers: [{ name: 'c', image: 'i' }],
        volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }],
      },
    });
    await claims().delete(key);
    await world.pass(5);
    const { metadata } = await claims().get(key);
    assert.deepEqual([metadata.finalizers, metadata.deletionTimestamp !== undefined], [['kubernetes.io/pvc-protection'], true]);
    await world.client.resource('pods').delete({ name: 'p', namespace: 'default' });
    await world.until(
      'the claim goes',
      gone(() => claims().get(key)),
    );
  });

  it('a volume waits until it is not bound any more', async () => {
    const created = await volumes().create({
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: 'v' },
      spec: { accessModes, capacity: { storage: '1Gi' }, hostPath: { path: '/x' } },
    });
    const key = { name: 'holder', namespace: 'default' };
    const spec = { accessModes, resources, volumeName: 'v', storageClassName: '' };
    await claims().create({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: key, spec });
    await world.until('it is bound', async () => (await volumes().get({ name: 'v' })).status?.phase === 'Bound');
    await volumes().delete({ name: 'v' });
    await world.pass(5);
    assert.deepEqual((await volumes().get({ name: 'v' })).metadata.finalizers, created.metadata.finalizers);
    await claims().delete(key);
    await world.until(
      'the volume goes',
      gone(() => volumes().get({ name: 'v' })),
    );
  });

  it('a class of volume attributes waits until nobody names it', async () => {
    const id = 'volumeattributesclasses.storage.k8s.io';
    const classes = () => world.client.resource(id);
    await classes().create({
      apiVersion: 'storage.k8s.io/v1',
      kind: 'VolumeAttributesClass',
      metadata: { name: 'gold' },
      driverName: 'd',
      parameters: { iops: '1' },
    });
    const key = { name: 'golden', namespace: 'default' };
    const spec = { accessModes, resources, volumeAttributesClassName: 'gold' };
    await claims().create({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: key, spec });
    await classes().delete({ name: 'gold' });
    await world.pass(5);
    assert.deepEqual((await classes().get({ name: 'gold' })).metadata.finalizers, ['kubernetes.io/vac-protection']);
    await claims().delete(key);
    await world.until(
      'the class goes',
      gone(() => classes().get({ name: 'gold' })),
    );
  });
});

it('a claim names the class that it asks for, has, and is on its way to', () => {
  const claim = {
    spec: { volumeAttributesClassName: 'a' },
    status: { currentVolumeAttributesClassName: 'b', modifyVolumeStatus: { targetVolumeAttributesClassName: 'c' } },
  };
  assert.deepEqual(attributesClassNames(claim as PersistentVolumeClaim), ['a', 'b', 'c']);
});
