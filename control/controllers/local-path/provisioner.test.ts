import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { isNotFound } from '#api/status.ts';
import { selectedNodeAnnotation } from '#api/storage/binding.ts';
import { localPathFolderAnnotation, localPathProvisioner, localPathRemovalsAnnotation } from '#api/storage/local-path.ts';
import type { PersistentVolumeClaim, PersistentVolumeClaimSpec } from '#api/types.generated.ts';
import type { World } from '../cluster.testing.ts';
import { startWorld } from '../cluster.testing.ts';

const namespace = 'default';

describe('node-local volumes, in a cluster', () => {
  let world: World;
  before(async () => {
    world = await startWorld();
    for (const name of ['n1', 'n2', 'old']) await world.addNode(name, { 'kubernetes.io/hostname': `host-of-${name}` });
    for (const name of ['n1', 'n2']) await annotate(name, { [localPathFolderAnnotation]: `/srv/${name}/local-path` });
    for (const [name, fields] of Object.entries({
      local: { volumeBindingMode: 'WaitForFirstConsumer' },
      kept: { volumeBindingMode: 'WaitForFirstConsumer', reclaimPolicy: 'Retain' },
      hasty: {},
    }))
      await world.client.resource('storageclasses.storage.k8s.io').create({
        apiVersion: 'storage.k8s.io/v1',
        kind: 'StorageClass',
        metadata: { name },
        provisioner: localPathProvisioner,
        allowVolumeExpansion: true,
        ...fields,
      });
  });
  after(() => world.stop());
  const claims = () => world.client.resource('persistentvolumeclaims');
  const volumes = () => world.client.resource('persistentvolumes');
  const nodes = () => world.client.resource('nodes');
  const annotate = (name: string, annotations: Record<string, string | null>) =>
    nodes().patch({ name }, { type: 'merge', body: { metadata: { annotations } } });
  const makeClaim = (
    name: string,
    node: string | undefined,
    spec: Partial<PersistentVolumeClaimSpec> = {},
  ): Promise<PersistentVolumeClaim> =>
    claims().create({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name, namespace, ...(node === undefined ? {} : { annotations: { [selectedNodeAnnotation]: node } }) },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, storageClassName: 'local', ...spec },
    });
  const bound = (name: string): Promise<PersistentVolumeClaim> =>
    world.until(`${name} is bound`, async () => {
      const claim = await claims().get({ namespace, name });
      return claim.status?.phase === 'Bound' && claim;
    });
  const removalsOn = async (name: string): Promise<Record<string, string>> =>
    JSON.parse((await nodes().get({ name })).metadata.annotations?.[localPathRemovalsAnnotation] ?? '{}');
  const isGone = async (name: string): Promise<boolean> => {
    try {
      await volumes().get({ name });
      return false;
    } catch (error) {
      return isNotFound(error);
    }
  };
  const told = (name: string, reason: string): Promise<string> =>
    world.until(`${reason} about ${name}`, async () => {
      const { items } = await world.client.resource('events').list({ namespace });
      return items.find((event) => event.involvedObject.name === name && event.reason === reason)?.message;
    });

  it('are folders of the node that the scheduler selected, and stay there', async () => {
    await makeClaim('data', undefined);
    await world.pass(2);
    assert.equal((await volumes().list()).items.length, 0);
    await claims().patch(
      { namespace, name: 'data' },
      { type: 'merge', body: { metadata: { annotations: { [selectedNodeAnnotation]: 'n1' } } } },
    );
    const { spec, metadata } = await bound('data');
    const name = `pvc-${metadata.uid}`;
    const volume = await volumes().get({ name });
    assert.equal(spec.volumeName, name);
    assert.deepEqual(volume.spec.local, { path: `/srv/n1/local-path/${name}` });
    assert.deepEqual(volume.spec.nodeAffinity?.required?.nodeSelectorTerms, [
      { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['host-of-n1'] }] },
    ]);
    assert.deepEqual(
      [volume.spec.persistentVolumeReclaimPolicy, volume.spec.storageClassName, volume.spec.capacity, volume.spec.accessModes],
      ['Delete', 'local', { storage: '1Gi' }, ['ReadWriteOnce']],
    );
    assert.equal(volume.metadata.annotations?.['pv.kubernetes.io/provisioned-by'], localPathProvisioner);
    assert.ok(volume.metadata.finalizers?.includes('external-provisioner.volume.kubernetes.io/finalizer'));
    assert.equal(await told('data', 'ProvisioningSucceeded'), `Successfully provisioned volume ${name}`);
  });

  it('grow where the class allows it: the size is written down', async () => {
    await claims().patch(
      { namespace, name: 'data' },
      { type: 'merge', body: { spec: { resources: { requests: { storage: '3Gi' } } } } },
    );
    const claim = await world.until('the claim shows it', async () => {
      const one = await claims().get({ namespace, name: 'data' });
      return one.status?.capacity?.['storage'] === '3Gi' && one;
    });
    assert.deepEqual((await volumes().get({ name: claim.spec.volumeName ?? '' })).spec.capacity, { storage: '3Gi' });
    assert.equal(await told('data', 'ExternalExpanding'), 'waiting for an external controller to expand this PVC');
    assert.equal(await told('data', 'VolumeResizeSuccessful'), 'Resize volume succeeded');
  });

  it('go when the claim goes, after the node has removed the folder, and only it', async () => {
    const { spec } = await bound('data');
    const name = spec.volumeName ?? '';
    await volumes().delete({ name });
    await world.pass(5);
    assert.deepEqual([await removalsOn('n1'), await isGone(name)], [{}, false]);
    await claims().delete({ namespace, name: 'data' });
    await world.until('the node is asked', async () => (await removalsOn('n1'))[name] === 'asked');
    assert.deepEqual(await removalsOn('n2'), {});
    // Another node has no say.
    await annotate('n2', { [localPathRemovalsAnnotation]: JSON.stringify({ [name]: 'done' }) });
    await world.pass(5);
    assert.equal(await isGone(name), false);
    await annotate('n1', { [localPathRemovalsAnnotation]: JSON.stringify({ [name]: 'failed: disk on fire' }) });
    assert.equal(await told(name, 'VolumeFailedDelete'), 'node n1: disk on fire');
    assert.equal(await isGone(name), false);
    await annotate('n1', { [localPathRemovalsAnnotation]: JSON.stringify({ [name]: 'done' }) });
    await world.until('the volume is gone', () => isGone(name));
    await world.until('nothing is left on the node', async () => Object.keys(await removalsOn('n1')).length === 0);
  });

  it('of a node that is gone go without it', async () => {
    await makeClaim('lost', 'n2');
    const name = (await bound('lost')).spec.volumeName ?? '';
    world.connected.delete('n2');
    await nodes().delete({ name: 'n2' });
    await claims().delete({ namespace, name: 'lost' });
    await world.until('the volume is gone', () => isGone(name));
  });

  it('are kept where the class says so', async () => {
    await makeClaim('precious', 'n1', { storageClassName: 'kept' });
    const name = (await bound('precious')).spec.volumeName ?? '';
    await claims().delete({ namespace, name: 'precious' });
    await world.until('it is released', async () => (await volumes().get({ name })).status?.phase === 'Released');
    await world.pass(5);
    assert.deepEqual([await isGone(name), await removalsOn('n1')], [false, {}]);
    await volumes().delete({ name });
    await world.until('the volume is gone', () => isGone(name));
    assert.deepEqual(await removalsOn('n1'), {});
  });

  const refused: [what: string, node: string | undefined, spec: Partial<PersistentVolumeClaimSpec>, why: string][] = [
    [
      'shared by nodes',
      'n1',
      { accessModes: ['ReadWriteMany'] },
      'access mode ReadWriteMany is not supported: the volume is on one node',
    ],
    ['as devices', 'n1', { volumeMode: 'Block' }, 'volumes are folders: volumeMode Block is not supported'],
    ['from a source', 'n1', { dataSource: { kind: 'PersistentVolumeClaim', name: 'x' } }, 'data sources are not supported'],
    ['by labels', 'n1', { selector: { matchLabels: { a: 'b' } } }, 'claim Selector is not supported'],
    [
      'before a pod is there',
      undefined,
      { storageClassName: 'hasty' },
      'node-local volumes need a class with volumeBindingMode WaitForFirstConsumer: the first pod decides about the node',
    ],
  ];
  for (const [what, node, spec, why] of refused)
    it(`are not made ${what}`, async () => {
      const name = `refused-${what.replaceAll(' ', '-')}`;
      await makeClaim(name, node, spec);
      const { storageClassName = 'local' } = spec;
      assert.equal(
        await told(name, 'ProvisioningFailed'),
        `failed to provision volume with StorageClass "${storageClassName}": ${why}`,
      );
    });

  it('are not made on a node that is not there or has no folder: the scheduler shall choose again', async () => {
    await makeClaim('nowhere', 'missing');
    await makeClaim('no-folder', 'old');
    assert.match(await told('nowhere', 'ProvisioningFailed'), /: node "missing" not found$/);
    assert.match(await told('no-folder', 'ProvisioningFailed'), /: node "old" has no folder for volumes \(annotation /);
    for (const name of ['nowhere', 'no-folder'])
      await world.until('the node is not selected any more', async () => {
        const { annotations } = (await claims().get({ namespace, name })).metadata;
        return annotations?.[selectedNodeAnnotation] === undefined;
      });
  });
});
