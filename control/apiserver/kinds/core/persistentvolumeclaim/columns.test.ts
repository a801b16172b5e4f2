import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { PersistentVolumeClaim } from '#api/types.generated.ts';
import { metadata, row } from '../../columns.testing.ts';
import { persistentVolumeClaimColumns } from './columns.ts';

const claim = (more: Partial<PersistentVolumeClaim>): PersistentVolumeClaim => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata,
  spec: {},
  ...more,
});

it('columns of a claim without a volume', () => {
  const object = claim({ status: { phase: 'Pending', capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'] } });
  assert.deepEqual(row(persistentVolumeClaimColumns, object), {
    Name: 'x',
    Status: 'Pending',
    Volume: '',
    Capacity: '',
    'Access Modes': '',
    StorageClass: '',
    VolumeAttributesClass: '<unset>',
    Age: '5m',
    VolumeMode: '<unset>',
  });
});

it('columns of a claim with a volume, which is being deleted', () => {
  const accessModes = ['ReadWriteOncePod', 'ReadWriteMany', 'ReadOnlyMany', 'ReadWriteOnce', 'ReadWriteOnce'];
  const object = claim({
    metadata: {
      ...metadata,
      deletionTimestamp: '2026-01-01T00:00:00Z',
      annotations: { 'volume.beta.kubernetes.io/storage-class': 'old' },
    },
    spec: { volumeName: 'v', storageClassName: 'fast', volumeMode: 'Block', volumeAttributesClassName: 'gold' },
    status: { phase: 'Bound', capacity: { storage: '1024Mi' }, accessModes },
  });
  assert.deepEqual(row(persistentVolumeClaimColumns, object), {
    Name: 'x',
    Status: 'Terminating',
    Volume: 'v',
    Capacity: '1Gi',
    'Access Modes': 'RWO,ROX,RWX,RWOP',
    StorageClass: 'old',
    VolumeAttributesClass: 'gold',
    Age: '5m',
    VolumeMode: 'Block',
  });
});
