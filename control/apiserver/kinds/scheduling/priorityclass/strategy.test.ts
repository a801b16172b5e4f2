import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PriorityClass } from '#api/types.generated.ts';
import { create, rejects, systemMeta, update } from '../../strategy.testing.ts';
import { priorityClassKind } from './strategy.ts';

const { strategy } = priorityClassKind;
const priorityClass = (name: string, more: Partial<PriorityClass> = {}): PriorityClass => ({
  apiVersion: 'scheduling.k8s.io/v1',
  kind: 'PriorityClass',
  metadata: systemMeta(name),
  value: 100,
  ...more,
});

describe('priority classes', () => {
  it('preempt by default', async () => {
    const { object, errors } = await create(strategy, priorityClass('gold'));
    assert.deepEqual([object.preemptionPolicy, object.metadata.generation, errors], ['PreemptLowerPriority', 1, []]);
  });

  const reserved =
    "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error:";
  const refused: [what: string, PriorityClass, error: string][] = [
    ['a system name of their own', priorityClass('system-gold'), `${reserved} system-gold is not a known system priority class`],
    [
      'another value for a system class',
      priorityClass('system-node-critical'),
      `${reserved} value of system-node-critical PriorityClass must be 2000001000`,
    ],
    [
      'a system class as the default',
      priorityClass('system-cluster-critical', { value: 2_000_000_000, globalDefault: true }),
      `${reserved} globalDefault of system-cluster-critical PriorityClass must be false`,
    ],
    [
      'more than a billion',
      priorityClass('gold', { value: 1_000_000_001 }),
      'value: Forbidden: maximum allowed value of a user defined priority is 1000000000',
    ],
    [
      'an unknown policy',
      priorityClass('gold', { preemptionPolicy: 'Sometimes' }),
      'preemptionPolicy: Unsupported value: "Sometimes": supported values: "PreemptLowerPriority", "Never"',
    ],
    ['an empty policy', priorityClass('gold', { preemptionPolicy: '' }), 'preemptionPolicy: Required value'],
  ];
  for (const [what, object, error] of refused)
    it(`cannot have ${what}`, async () => {
      await rejects(strategy, object, error);
    });

  it('are accepted with the values of the system', async () => {
    await rejects(strategy, priorityClass('system-node-critical', { value: 2_000_001_000 }));
  });

  it('keep value and policy, and may become the default', async () => {
    const old = (await create(strategy, priorityClass('gold'))).object;
    const { errors } = await update(strategy, old, (object) => {
      object.value = 5;
      object.preemptionPolicy = 'Never';
    });
    assert.deepEqual(errors, [
      'value: Forbidden: may not be changed in an update.',
      'preemptionPolicy: Invalid value: "Never": field is immutable',
    ]);
    const changed = await update(strategy, old, (object) => {
      object.globalDefault = true;
      object.description = 'first';
    });
    assert.deepEqual([changed.errors, changed.object.metadata.generation], [[], 1]);
  });
});
