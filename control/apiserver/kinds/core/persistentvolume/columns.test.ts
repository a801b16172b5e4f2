import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { PersistentVolume } from '#api/types.generated.ts';
import { metadata, row } from '../../columns.testing.ts';
import { persistentVolumeColumns } from './columns.ts';

it('columns of a volume', () => {
  const object: PersistentVolume = {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata,
    spec: {
      capacity: { storage: '5Gi' },
      accessModes: ['ReadOnlyMany', 'ReadWriteOnce'],
      persistentVolumeReclaimPolicy: 'Retain',
      claimRef: { namespace: 'ns', name: 'c' },
      storageClassName: 'fast',
      volumeMode: 'Block',
    },
    status: { phase: 'Failed', reason: 'Broken' },
  };
  assert.deepEqual(row(persistentVolumeColumns, object), {
    Name: 'x',
    Capacity: '5Gi',
    'Access Modes': 'RWO,ROX',
    'Reclaim Policy': 'Retain',
    Status: 'Failed',
    Claim: 'ns/c',
    StorageClass: 'fast',
    VolumeAttributesClass: '<unset>',
    Reason: 'Broken',
    Age: '5m',
    VolumeMode: 'Block',
  });
  const free = { ...object, metadata: { ...metadata, deletionTimestamp: metadata.creationTimestamp }, spec: {}, status: {} };
  const { Capacity, Status, Claim, VolumeMode } = row(persistentVolumeColumns, free);
  assert.deepEqual([Capacity, Status, Claim, VolumeMode], ['0', 'Terminating', '', '<unset>']);
});
