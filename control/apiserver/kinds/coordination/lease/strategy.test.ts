import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Lease, LeaseSpec } from '#api/types.generated.ts';
import { create, rejects, systemMeta, texts } from '../../strategy.testing.ts';
import { leaseKind } from './strategy.ts';

describe('leases', () => {
  const lease = (spec: Lease['spec']): Lease => ({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: systemMeta('l', 'ns'),
    spec,
  });

  it('refuse a duration of zero and transitions below it', async () => {
    await rejects(
      leaseKind.strategy,
      lease({ leaseDurationSeconds: 0, leaseTransitions: -1 }),
      'spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0',
      'spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0',
    );
  });

  it('drop coordinated election, which 1.36 leaves off', async () => {
    const { object } = await create(leaseKind.strategy, lease({ strategy: 'OldestEmulationVersion', preferredHolder: 'x' }));
    assert.deepEqual(object.spec, {});
  });
});

describe('a Lease of a coordinated election', () => {
  const lease = (spec: LeaseSpec): Lease => ({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { ...systemMeta('l', 'default'), resourceVersion: '7' },
    spec,
  });
  const cases: [spec: LeaseSpec, errors: string[]][] = [
    [{ strategy: 'OldestEmulationVersion', preferredHolder: 'a' }, []],
    [{ strategy: 'example.com/mine' }, []],
    [{ strategy: 'Mine' }, ['spec.strategy.strategy: Unsupported value: "Mine": supported values: "OldestEmulationVersion"']],
    [{ strategy: '' }, ['spec.strategy.strategy: Unsupported value: "": supported values: "OldestEmulationVersion"']],
    [{ preferredHolder: 'a' }, ['spec.preferredHolder: Forbidden: may only be specified if `strategy` is defined']],
  ];
  for (const [spec, errors] of cases)
    it(JSON.stringify(spec), () => assert.deepEqual(texts(leaseKind.strategy.validate(lease(spec))), errors));
});
