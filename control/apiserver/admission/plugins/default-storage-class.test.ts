import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PersistentVolumeClaim } from '#api/types.generated.ts';
import { ask, objectOf } from '../admission.testing.ts';
import { defaultStorageClass } from './default-storage-class.ts';

const annotation = 'storageclass.kubernetes.io/is-default-class';
const storedClass = (name: string, creationTimestamp: string, value: string) => {
  const object = objectOf('StorageClass', name, undefined, { apiVersion: 'storage.k8s.io/v1', provisioner: 'd' });
  Object.assign(object.metadata, { creationTimestamp, annotations: { [annotation]: value } });
  return [`storageclasses.storage.k8s.io//${name}`, object] as const;
};
const stored = Object.fromEntries([
  storedClass('old', '2025-01-01T00:00:00Z', 'true'),
  storedClass('new-b', '2026-01-01T00:00:00Z', 'true'),
  storedClass('new-a', '2026-01-01T00:00:00Z', 'true'),
  storedClass('newest', '2027-01-01T00:00:00Z', 'false'),
]);
const classAfter = async (spec: object, metadata: object = {}, classes: object = stored, kind = 'PersistentVolumeClaim') => {
  const object = objectOf(kind, 'c', 'ns', { spec });
  Object.assign(object.metadata, metadata);
  const after = await ask(defaultStorageClass(), 'create', { object, stored: classes as typeof stored });
  return (after as PersistentVolumeClaim).spec.storageClassName;
};

describe('DefaultStorageClass', () => {
  it('gives a claim the newest default class, of equally new ones the first by name', async () => {
    assert.equal(await classAfter({}), 'new-a');
  });
  it('leaves a claim alone that names a class, or wants none', async () => {
    assert.equal(await classAfter({ storageClassName: 'slow' }), 'slow');
    assert.equal(await classAfter({ storageClassName: '' }), '');
    assert.equal(await classAfter({}, { annotations: { 'volume.beta.kubernetes.io/storage-class': '' } }), undefined);
  });
  it('has nothing to give without a default class, and to other kinds', async () => {
    assert.equal(await classAfter({}, {}, {}), undefined);
    assert.equal(await classAfter({}, {}, stored, 'Pod'), undefined);
  });
});
