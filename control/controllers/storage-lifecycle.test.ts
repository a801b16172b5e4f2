/**
 * The life of each kind of storage and of devices, as upstream's conformance tests lead it (`test/e2e/storage`, `test/e2e/dra`), with the
 * controllers that let the objects go.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type KubeObject, sameJson } from '#api/meta.ts';
import { isAlreadyExists, isNotFound } from '#api/status.ts';
import type { ResourceClient } from '#client/client.ts';
import type { World } from './cluster.testing.ts';
import { startWorld } from './cluster.testing.ts';

let world: World;
before(async () => {
  world = await startWorld();
});
after(() => world.stop());

interface Life {
  resource: string;
  apiVersion: string;
  kind: string;
  namespaced?: true;
  /** What it is made of, besides `metadata`. */
  fields: object;
  /** A merge patch of `/status`, and what the status then has. */
  status?: { patch: object; has: (status: unknown) => boolean };
}

const storage = 'storage.k8s.io/v1';
const devices = 'resource.k8s.io/v1';
const csi = { driver: 'e2e.example.com', volumeHandle: 'handle' };
const accessModes = ['ReadWriteOnce'];
const request = { name: 'req-0', exactly: { deviceClassName: 'dra.example.com' } };
const has = (expected: object) => (status: unknown) =>
  Object.entries(expected).every(([key, value]) => sameJson((status as Record<string, unknown>)[key], value));
const condition = { type: 'StatusPatched', status: 'True', reason: 'Patched', message: 'set by the test' };

const lives: readonly Life[] = [
  {
    resource: 'persistentvolumes',
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    fields: { spec: { accessModes, capacity: { storage: '2Gi' }, storageClassName: 'none', csi } },
    status: {
      patch: { message: 'StatusPatched', reason: 'Test' },
      has: has({ message: 'StatusPatched', reason: 'Test', phase: 'Pending' }),
    },
  },
  {
    resource: 'persistentvolumeclaims',
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    namespaced: true,
    fields: { spec: { accessModes, resources: { requests: { storage: '1Gi' } }, storageClassName: 'none' } },
    status: { patch: { conditions: [condition] }, has: has({ phase: 'Pending', conditions: [condition] }) },
  },
  { resource: 'storageclasses.storage.k8s.io', apiVersion: storage, kind: 'StorageClass', fields: { provisioner: 'e2e-fake' } },
  {
    resource: 'volumeattachments.storage.k8s.io',
    apiVersion: storage,
    kind: 'VolumeAttachment',
    fields: { spec: { attacher: 'e2e.example.com', nodeName: 'n1', source: { persistentVolumeName: 'v' } } },
    status: { patch: { attached: true }, has: has({ attached: true }) },
  },
  {
    resource: 'csidrivers.storage.k8s.io',
    apiVersion: storage,
    kind: 'CSIDriver',
    fields: { spec: { volumeLifecycleModes: ['Persistent', 'Ephemeral'], fsGroupPolicy: 'ReadWriteOnceWithFSType' } },
  },
  {
    resource: 'csinodes.storage.k8s.io',
    apiVersion: storage,
    kind: 'CSINode',
    fields: { spec: { drivers: [{ name: 'e2e.example.com', nodeID: 'n1', topologyKeys: ['zone'], allocatable: { count: 1 } }] } },
  },
  {
    resource: 'csistoragecapacities.storage.k8s.io',
    apiVersion: storage,
    kind: 'CSIStorageCapacity',
    namespaced: true,
    fields: { storageClassName: 'none', capacity: '1Gi' },
  },
  {
    resource: 'volumeattributesclasses.storage.k8s.io',
    apiVersion: storage,
    kind: 'VolumeAttributesClass',
    fields: { driverName: 'e2e-fake', parameters: { iops: '1' } },
  },
  {
    resource: 'deviceclasses.resource.k8s.io',
    apiVersion: devices,
    kind: 'DeviceClass',
    fields: { spec: { selectors: [{ cel: { expression: 'false' } }] } },
  },
  {
    resource: 'resourceclaims.resource.k8s.io',
    apiVersion: devices,
    kind: 'ResourceClaim',
    namespaced: true,
    fields: { spec: { devices: { requests: [request] } } },
    status: { patch: { allocation: {} }, has: (status) => 'allocation' in (status as object) },
  },
  {
    resource: 'resourceclaimtemplates.resource.k8s.io',
    apiVersion: devices,
    kind: 'ResourceClaimTemplate',
    namespaced: true,
    fields: { spec: { spec: { devices: { requests: [request] } } } },
  },
  {
    resource: 'resourceslices.resource.k8s.io',
    apiVersion: devices,
    kind: 'ResourceSlice',
    fields: {
      spec: { driver: 'dra.example.com', pool: { name: 'cluster', generation: 1, resourceSliceCount: 1 }, nodeName: 'none' },
    },
  },
];

const labelsOf = ({ metadata }: KubeObject): object => metadata.labels ?? {};

describe('the life of an object', () => {
  for (const { resource, apiVersion, kind, namespaced, fields, status } of lives)
    it(`of ${resource}`, async () => {
      const [plural = '', ...rest] = resource.split('.');
      const row = world.server.resources.find(rest.join('.'), apiVersion.split('/').at(-1) ?? '', plural);
      assert.ok(row !== undefined && row.returnsDeleted === (plural === 'csistoragecapacities' ? 'no' : 'yes'));
      const objects: ResourceClient<KubeObject> = world.client.of(row);
      const place = namespaced === undefined ? {} : { namespace: 'default' };
      const make = (name: string): KubeObject =>
        ({ apiVersion, kind, metadata: { name, ...place, labels: { test: 'life' } }, ...fields }) as unknown as KubeObject;
      const one = { name: 'one', ...place };
      const listed = async (labelSelector: string): Promise<number> => (await objects.list({ labelSelector })).items.length;

      const created = await objects.create(make('one'));
      assert.ok(created.metadata.resourceVersion !== '' && created.metadata.uid !== '');
      await assert.rejects(objects.create(make('one')), isAlreadyExists);
      assert.equal((await objects.get(one)).metadata.uid, created.metadata.uid);
      assert.equal(await listed('test=life'), 1);

      for (const type of ['strategic', 'merge'] as const) {
        const patched = await objects.patch(one, { type, body: { metadata: { labels: { [type]: 'patched' } } } });
        assert.deepEqual(labelsOf(patched), { ...labelsOf(patched), [type]: 'patched' });
        assert.ok(Number(patched.metadata.resourceVersion) > Number(created.metadata.resourceVersion));
      }
      const current = await objects.get(one);
      const updated = await objects.update({ ...current, metadata: { ...current.metadata, labels: { test: 'updated' } } });
      assert.deepEqual(labelsOf(updated), { test: 'updated' });
      assert.equal(await listed('test=updated'), 1);

      if (status !== undefined) {
        const body = { status: status.patch } as never;
        const patched = await objects.patch(one, { type: 'merge', body }, { subresource: 'status' });
        assert.ok(status.has((patched as { status?: unknown }).status), JSON.stringify(patched));
        const replaced = await objects.updateStatus(patched);
        assert.ok(status.has((replaced as { status?: unknown }).status));
      }

      await objects.delete(one);
      const isGone = async (): Promise<boolean> => {
        try {
          await objects.get(one);
          return false;
        } catch (error) {
          if (isNotFound(error)) return true;
          throw error;
        }
      };
      await world.until('it goes', isGone);
      await objects.create(make('two'));
      await objects.create(make('three'));
      await objects.deleteCollection({ ...place, labelSelector: 'test=life' });
      await world.until('all go', async () => (await listed('test=life')) === 0);
    });
});

it('a pod may have two inline CSI volumes', async () => {
  const pods = world.client.resource('pods');
  const key = { name: 'inline', namespace: 'default' };
  const volumes = [
    { name: 'one', csi: { driver: 'e2e.example.com' } },
    { name: 'two', csi: { driver: 'e2e.example.com', fsType: 'ext4', readOnly: true } },
  ];
  const spec = { volumes, containers: [{ name: 'c', image: 'busybox', volumeMounts: [{ name: 'one', mountPath: '/one' }] }] };
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: key, spec };
  await pods.create(pod);
  await assert.rejects(pods.create(pod), isAlreadyExists);
  const patched = await pods.patch(key, { type: 'merge', body: { metadata: { annotations: { patched: 'true' } } } });
  assert.equal(patched.metadata.annotations?.['patched'], 'true');
  await pods.delete(key);
});
