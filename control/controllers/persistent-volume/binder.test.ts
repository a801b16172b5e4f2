import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { isNotFound } from '#api/status.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '#api/types.generated.ts';
import type { World } from '../cluster.testing.ts';
import { startWorld } from '../cluster.testing.ts';

const namespace = 'default';
const gi = (size: number): string => `${size}Gi`;

describe('volumes and claims, in a cluster', () => {
  let world: World;
  before(async () => {
    world = await startWorld();
    await world.addNode('n1');
  });
  after(() => world.stop());
  const volumes = () => world.client.resource('persistentvolumes');
  const claims = () => world.client.resource('persistentvolumeclaims');
  const pods = () => world.client.resource('pods');

  const makeVolume = (name: string, size: number, storageClassName: string, rest: object = {}): Promise<PersistentVolume> =>
    volumes().create({
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name },
      spec: {
        accessModes: ['ReadWriteOnce'],
        capacity: { storage: gi(size) },
        hostPath: { path: `/tmp/${name}` },
        storageClassName,
        ...rest,
      },
    });
  const makeClaim = (name: string, size: number, rest: object): Promise<PersistentVolumeClaim> =>
    claims().create({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name, namespace },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: gi(size) } }, ...rest },
    });
  const makeClass = (name: string, rest: object, annotations: Record<string, string> = {}) =>
    world.client.resource('storageclasses.storage.k8s.io').create({
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name, annotations },
      provisioner: 'example.com/disk',
      ...rest,
    });
  const usingPod = (name: string, claimName: string, nodeSelector: Record<string, string> = {}) =>
    pods().create({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace },
      spec: {
        nodeSelector,
        containers: [{ name: 'c', image: 'i' }],
        volumes: [{ name: 'v', persistentVolumeClaim: { claimName } }],
      },
    });
  const claimIs = (name: string, phase: string): Promise<PersistentVolumeClaim> =>
    world.until(`claim ${name} is ${phase}`, async () => {
      const claim = await claims().get({ namespace, name });
      return claim.status?.phase === phase && claim;
    });
  const volumeIs = (name: string, phase: string): Promise<PersistentVolume> =>
    world.until(`volume ${name} is ${phase}`, async () => {
      const volume = await volumes().get({ name });
      return volume.status?.phase === phase && volume;
    });
  const isGone = (name: string): Promise<true> =>
    world.until(`volume ${name} is gone`, async () => {
      try {
        await volumes().get({ name });
        return false;
      } catch (error) {
        return isNotFound(error);
      }
    }) as Promise<true>;
  const told = (name: string, reason: string): Promise<string> =>
    world.until(`${reason} about ${name}`, async () => {
      const { items } = await world.client.resource('events').list({ namespace });
      return items.find((event) => event.involvedObject.name === name && event.reason === reason)?.message;
    });

  it('binds a claim to the smallest volume, and shows it on both', async () => {
    await makeVolume('large', 5, 'a');
    await makeVolume('small', 2, 'a');
    await volumeIs('large', 'Available');
    await makeClaim('first', 1, { storageClassName: 'a' });
    const { spec, status, metadata } = await claimIs('first', 'Bound');
    assert.deepEqual([spec.volumeName, status?.capacity, status?.accessModes], ['small', { storage: '2Gi' }, ['ReadWriteOnce']]);
    assert.deepEqual(metadata.annotations, {
      'pv.kubernetes.io/bind-completed': 'yes',
      'pv.kubernetes.io/bound-by-controller': 'yes',
    });
    const volume = await volumeIs('small', 'Bound');
    const { kind, name, uid } = volume.spec.claimRef ?? {};
    assert.deepEqual([kind, name, uid], ['PersistentVolumeClaim', 'first', metadata.uid]);
    assert.deepEqual(volume.metadata.annotations, { 'pv.kubernetes.io/bound-by-controller': 'yes' });
    assert.equal((await volumeIs('large', 'Available')).spec.claimRef, undefined);
  });

  it('a volume that comes later is taken at once', async () => {
    await makeClaim('early', 1, { storageClassName: '' });
    assert.equal(
      await told('early', 'FailedBinding'),
      'no persistent volumes available for this claim and no storage class is set',
    );
    await makeVolume('later', 1, '');
    await world.rest();
    assert.equal((await claims().get({ namespace, name: 'early' })).spec.volumeName, 'later');
  });

  it('many claims at once get a volume each, and no volume two', async () => {
    const count = 40;
    await Promise.all(Array.from({ length: count }, (_, at) => makeVolume(`many-${at}`, 1 + (at % 3), 'many')));
    await world.rest();
    await Promise.all(Array.from({ length: count }, (_, at) => makeClaim(`many-${at}`, 1, { storageClassName: 'many' })));
    const bound = await world.until('all are bound', async () => {
      const items = (await claims().list({ namespace })).items.filter(({ spec }) => spec.storageClassName === 'many');
      return items.every(({ status }) => status?.phase === 'Bound') && items;
    });
    assert.equal(new Set(bound.map(({ spec }) => spec.volumeName)).size, count);
    const owned = (await volumes().list()).items.filter(({ spec }) => spec.storageClassName === 'many');
    for (const { metadata, spec } of owned)
      assert.equal(bound.find((one) => one.metadata.uid === spec.claimRef?.uid)?.spec.volumeName, metadata.name);
  });

  it('a claim that names a volume, and a volume that names a claim', async () => {
    await makeVolume('wanted', 3, 'b');
    await makeVolume('wanted-not', 1, 'b');
    await makeClaim('wants', 1, { storageClassName: 'b', volumeName: 'wanted' });
    assert.equal((await claimIs('wants', 'Bound')).spec.volumeName, 'wanted');
    await makeVolume('reserved', 3, 'c', { claimRef: { namespace, name: 'expected' } });
    await makeVolume('reserved-not', 1, 'c');
    await makeClaim('expected', 1, { storageClassName: 'c' });
    assert.equal((await claimIs('expected', 'Bound')).spec.volumeName, 'reserved');
    assert.equal((await volumeIs('reserved', 'Bound')).metadata.annotations, undefined);
  });

  it('a claim waits for its first pod, then names its provisioner when a node is selected, and gets the volume that is made for it', async () => {
    await makeClass('late', { volumeBindingMode: 'WaitForFirstConsumer' });
    await makeClaim('consumed', 1, { storageClassName: 'late' });
    assert.equal(await told('consumed', 'WaitForFirstConsumer'), 'waiting for first consumer to be created before binding');
    await usingPod('consumer', 'consumed', { never: 'there' });
    await world.pass(16);
    assert.equal(await told('consumed', 'WaitForPodScheduled'), 'waiting for pod consumer to be scheduled');
    const before = await claimIs('consumed', 'Pending');
    const annotations = { 'volume.kubernetes.io/selected-node': 'n1' };
    await claims().patch(before.metadata, { type: 'merge', body: { metadata: { annotations } } });
    assert.match(await told('consumed', 'ExternalProvisioning'), /by the external provisioner 'example\.com\/disk'/);
    const named = await claims().get({ namespace, name: 'consumed' });
    assert.equal(named.metadata.annotations?.['volume.kubernetes.io/storage-provisioner'], 'example.com/disk');
    assert.equal(named.metadata.annotations?.['volume.beta.kubernetes.io/storage-provisioner'], 'example.com/disk');
    const { uid } = named.metadata;
    await volumes().create({
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: `pvc-${uid}`, annotations: { 'pv.kubernetes.io/provisioned-by': 'example.com/disk' } },
      spec: {
        accessModes: ['ReadWriteOnce'],
        capacity: { storage: '1Gi' },
        hostPath: { path: '/x' },
        storageClassName: 'late',
        persistentVolumeReclaimPolicy: 'Delete',
        claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name: 'consumed', uid },
      },
    });
    assert.equal((await claimIs('consumed', 'Bound')).spec.volumeName, `pvc-${uid}`);
    // Its provisioner deletes it; the controller only tells that it is released.
    await pods().delete({ namespace, name: 'consumer' }, { gracePeriodSeconds: 0 });
    await claims().delete({ namespace, name: 'consumed' });
    await volumeIs(`pvc-${uid}`, 'Released');
    await world.pass(20);
    assert.equal((await volumes().get({ name: `pvc-${uid}` })).status?.phase, 'Released');
  });

  it('reclaim policies: kept, deleted, and what cannot be', async () => {
    await makeVolume('kept', 1, 'd');
    await makeVolume('deleted', 1, 'e', { persistentVolumeReclaimPolicy: 'Delete' });
    await makeVolume('stuck', 1, 'f', { persistentVolumeReclaimPolicy: 'Delete', hostPath: { path: '/srv/stuck' } });
    for (const name of ['d', 'e', 'f']) await makeClaim(`of-${name}`, 1, { storageClassName: name });
    for (const name of ['d', 'e', 'f']) {
      await claimIs(`of-${name}`, 'Bound');
      await claims().delete({ namespace, name: `of-${name}` });
    }
    await isGone('deleted');
    await volumeIs('kept', 'Released');
    const why = 'host_path deleter only supports /tmp/.+ but received provided /srv/stuck';
    assert.equal((await volumeIs('stuck', 'Failed')).status?.message, why);
    assert.equal(await told('stuck', 'VolumeFailedDelete'), why);
    // A new claim of the old name does not get what the old one left.
    await makeClaim('of-d', 1, { storageClassName: 'd' });
    await world.pass(20);
    assert.equal((await claims().get({ namespace, name: 'of-d' })).status?.phase, 'Pending');
  });

  it('recycles a volume with a pod', async () => {
    await makeVolume('scrubbed', 1, 'g', { persistentVolumeReclaimPolicy: 'Recycle' });
    await makeClaim('of-g', 1, { storageClassName: 'g' });
    await claimIs('of-g', 'Bound');
    world.play = ({ metadata }) => (metadata.name === 'recycler-for-scrubbed' ? { exitCode: 0 } : 'ready');
    await claims().delete({ namespace, name: 'of-g' });
    const { spec, metadata } = await volumeIs('scrubbed', 'Available');
    assert.deepEqual([spec.claimRef, metadata.annotations], [undefined, undefined]);
    assert.equal(await told('scrubbed', 'VolumeRecycled'), 'Volume recycled');
    await world.until('the pod is gone', async () =>
      (await pods().list({ namespace })).items.every(({ metadata: { name } }) => !name.startsWith('recycler-')),
    );
  });

  it('a volume is kept while its claim is, and a claim without volume is lost', async () => {
    await makeVolume('pulled', 1, 'h');
    await makeClaim('of-h', 1, { storageClassName: 'h' });
    await claimIs('of-h', 'Bound');
    await volumes().delete({ name: 'pulled' });
    await world.pass(5);
    const { metadata } = await volumeIs('pulled', 'Bound');
    await volumes().patch(metadata, { type: 'merge', body: { metadata: { finalizers: null } } });
    const lost = await claimIs('of-h', 'Lost');
    assert.deepEqual([lost.status?.capacity, lost.status?.accessModes], [undefined, undefined]);
    assert.equal(await told('of-h', 'ClaimLost'), 'Bound claim has lost its PersistentVolume. Data on the volume is lost!');
  });

  it('a claim made before there was a default class gets it later', async () => {
    await makeClaim('classless', 1, {});
    await told('classless', 'FailedBinding');
    await makeClass('by-default', {}, { 'storageclass.kubernetes.io/is-default-class': 'true' });
    const claim = await world.until('the class is set', async () => {
      const one = await claims().get({ namespace, name: 'classless' });
      return one.spec.storageClassName !== undefined && one;
    });
    assert.equal(claim.spec.storageClassName, 'by-default');
    await told('classless', 'ExternalProvisioning');
  });

  it('sizes beyond 2^62 bytes, and beyond all, are sizes like others', async () => {
    await makeClaim('vast', 2 ** 32, { storageClassName: 'vast' });
    await volumes().create({
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: 'vast' },
      spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '9E' }, hostPath: { path: '/x' }, storageClassName: 'vast' },
    });
    assert.deepEqual((await claimIs('vast', 'Bound')).status?.capacity, { storage: '9E' });
  });
});
