import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Namespace } from '#api/types.generated.ts';
import { create, rejects, systemMeta, update } from '../../strategy.testing.ts';
import { namespaceKind } from './strategy.ts';

describe('namespaces', () => {
  const namespace = (name: string): Namespace => ({ apiVersion: 'v1', kind: 'Namespace', metadata: systemMeta(name), spec: {} });

  it('get their finalizer, phase and name label', async () => {
    const { object, errors } = await create(namespaceKind.strategy, namespace('lab'));
    assert.deepEqual(errors, []);
    assert.deepEqual(object, {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { ...systemMeta('lab'), labels: { 'kubernetes.io/metadata.name': 'lab' } },
      spec: { finalizers: ['kubernetes'] },
      status: { phase: 'Active' },
    });
  });

  it('have names without dots', async () => {
    await rejects(namespaceKind.strategy, namespace('a.b'), 'metadata.name: Invalid value: "a.b": must not contain dots');
  });

  it('keep finalizers and status on update, and are Active until deleted', async () => {
    const { object: old } = await create(namespaceKind.strategy, namespace('lab'));
    const main = await update(namespaceKind.strategy, old, (object) => {
      object.spec.finalizers = [];
      object.status = { phase: 'Terminating' };
    });
    assert.deepEqual([main.errors, main.object.spec, main.object.status], [[], old.spec, old.status]);
    const status = await update(
      namespaceKind.strategy,
      old,
      (object) => void (object.status = { phase: 'Terminating' }),
      'status',
    );
    assert.deepEqual(status.errors, [
      'status.Phase: Invalid value: "Terminating": may only be \'Active\' if `deletionTimestamp` is empty',
    ]);
  });
});
