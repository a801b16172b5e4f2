import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask, objectOf } from '../admission.testing.ts';
import { storageObjectInUseProtection } from './storage-object-in-use-protection.ts';

const plugin = storageObjectInUseProtection();
const finalizersAfter = async (kind: string, more: object, told: object = {}) => {
  const object = objectOf(kind, 'x', kind === 'PersistentVolume' ? undefined : 'ns');
  Object.assign(object.metadata, more);
  const after = await ask(plugin, 'create', { object, told });
  return typeof after === 'object' ? after.metadata.finalizers : after;
};

describe('StorageObjectInUseProtection', () => {
  it('adds the finalizer of the kind, once', async () => {
    assert.deepEqual(await finalizersAfter('PersistentVolumeClaim', {}), ['kubernetes.io/pvc-protection']);
    assert.deepEqual(await finalizersAfter('PersistentVolume', { finalizers: ['a.b/c'] }), [
      'a.b/c',
      'kubernetes.io/pv-protection',
    ]);
    const there = ['kubernetes.io/pvc-protection', 'a.b/c'];
    assert.deepEqual(await finalizersAfter('PersistentVolumeClaim', { finalizers: there }), there);
  });

  it('leaves other kinds, subresources and updates alone', async () => {
    assert.equal(await finalizersAfter('ConfigMap', {}), undefined);
    assert.equal(await finalizersAfter('PersistentVolumeClaim', {}, { subresource: 'status' }), undefined);
    assert.equal(plugin.handles('update'), false);
  });
});
