import assert from 'node:assert/strict';
import { it } from 'node:test';
import { metadata, row } from '../columns.testing.ts';
import { csiDriverColumns } from './csidriver/columns.ts';
import { csiNodeColumns } from './csinode/columns.ts';
import { csiStorageCapacityColumns } from './csistoragecapacity/columns.ts';
import { storageClassColumns } from './storageclass/columns.ts';
import { volumeAttachmentColumns } from './volumeattachment/columns.ts';
import { volumeAttributesClassColumns } from './volumeattributesclass/columns.ts';

const typed = <Kind extends string>(kind: Kind) => ({ apiVersion: 'storage.k8s.io/v1', kind, metadata });

it('columns of a storage class', () => {
  assert.deepEqual(row(storageClassColumns, { ...typed('StorageClass'), provisioner: 'd' }), {
    Name: 'x',
    Provisioner: 'd',
    ReclaimPolicy: 'Delete',
    VolumeBindingMode: 'Immediate',
    AllowVolumeExpansion: false,
    Age: '5m',
  });
  const annotations = { 'storageclass.beta.kubernetes.io/is-default-class': 'true' };
  const byDefault = { ...typed('StorageClass'), metadata: { ...metadata, annotations }, provisioner: 'd' };
  assert.equal(row(storageClassColumns, byDefault)['Name'], 'x (default)');
});

it('columns of a volume attachment', () => {
  const spec = { attacher: 'd', nodeName: 'n', source: { persistentVolumeName: 'v' } };
  assert.deepEqual(row(volumeAttachmentColumns, { ...typed('VolumeAttachment'), spec, status: { attached: true } }), {
    Name: 'x',
    Attacher: 'd',
    PV: 'v',
    Node: 'n',
    Attached: true,
    Age: '5m',
  });
});

it('columns of a CSI driver', () => {
  assert.deepEqual(row(csiDriverColumns, { ...typed('CSIDriver'), spec: {} }), {
    Name: 'x',
    AttachRequired: true,
    PodInfoOnMount: false,
    StorageCapacity: false,
    TokenRequests: '<unset>',
    RequiresRepublish: false,
    Modes: '<none>',
    Age: '5m',
  });
  const spec = {
    attachRequired: false,
    tokenRequests: [{ audience: 'a' }, { audience: 'b' }],
    volumeLifecycleModes: ['Persistent', 'Ephemeral'],
  };
  const { AttachRequired, TokenRequests, Modes } = row(csiDriverColumns, { ...typed('CSIDriver'), spec });
  assert.deepEqual([AttachRequired, TokenRequests, Modes], [false, 'a,b', 'Persistent,Ephemeral']);
});

it('columns of a CSI node', () => {
  const spec = { drivers: [{ name: 'd', nodeID: 'n' }] };
  assert.deepEqual(row(csiNodeColumns, { ...typed('CSINode'), spec }), { Name: 'x', Drivers: 1, Age: '5m' });
});

it('columns of a storage capacity', () => {
  const object = { ...typed('CSIStorageCapacity'), storageClassName: 'fast' };
  assert.deepEqual(row(csiStorageCapacityColumns, object), { Name: 'x', StorageClassName: 'fast', Capacity: '<unset>' });
  assert.equal(row(csiStorageCapacityColumns, { ...object, capacity: '1024Mi' })['Capacity'], '1Gi');
});

it('columns of a class of volume attributes', () => {
  const object = { ...typed('VolumeAttributesClass'), driverName: 'd' };
  assert.deepEqual(row(volumeAttributesClassColumns, object), { Name: 'x', DriverName: 'd', Age: '5m' });
});
