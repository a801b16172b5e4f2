import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask, objectOf } from '../admission.testing.ts';
import { persistentVolumeClaimResize } from './persistent-volume-claim-resize.ts';

const storedClass = (name: string, more: object) =>
  [
    `storageclasses.storage.k8s.io//${name}`,
    objectOf('StorageClass', name, undefined, { apiVersion: 'storage.k8s.io/v1', provisioner: 'd', ...more }),
  ] as const;
const stored = Object.fromEntries([storedClass('grows', { allowVolumeExpansion: true }), storedClass('stays', {})]);
const claim = (storage: string, storageClassName: string | undefined, phase = 'Bound') =>
  objectOf('PersistentVolumeClaim', 'c', 'ns', {
    spec: { storageClassName, resources: { requests: { storage } } },
    status: { phase },
  });
const forbidden = 'persistentvolumeclaims "c" is forbidden:';
const unsupported = `403 ${forbidden} only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize`;

describe('PersistentVolumeClaimResize', () => {
  const cases: [what: string, storage: string, name: string | undefined, phase: string, refusal?: string][] = [
    ['grows where its class allows it', '2Gi', 'grows', 'Bound'],
    ['shrinks as far as this goes', '1Mi', 'stays', 'Pending'],
    ['stays as it is, in other words', '1024Mi', 'stays', 'Pending'],
    [
      'does not grow before it is bound',
      '2Gi',
      'grows',
      'Pending',
      `403 ${forbidden} Only bound persistent volume claims can be expanded`,
    ],
    ['does not grow where its class says nothing', '2Gi', 'stays', 'Bound', unsupported],
    ['does not grow without a class', '2Gi', undefined, 'Bound', unsupported],
    ['does not grow in a class that is gone', '2Gi', 'gone', 'Bound', unsupported],
  ];
  for (const [what, storage, name, phase, refusal] of cases)
    it(`a claim ${what}`, async () => {
      const [object, old] = [claim(storage, name, phase), claim('1Gi', name, phase)];
      assert.deepEqual(await ask(persistentVolumeClaimResize(), 'update', { object, old, stored }), refusal ?? object);
    });

  it('is not asked about the status', async () => {
    const [object, old] = [claim('2Gi', 'stays'), claim('1Gi', 'stays')];
    assert.deepEqual(await ask(persistentVolumeClaimResize(), 'update', { object, old, stored, subresource: 'status' }), object);
  });
});
