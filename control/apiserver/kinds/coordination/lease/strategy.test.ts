import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Lease, LeaseSpec } from '#api/types.generated.ts';
import { systemMeta, texts } from '../../strategy.testing.ts';
import { leaseStrategy } from './strategy.ts';

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
    it(JSON.stringify(spec), () => assert.deepEqual(texts(leaseStrategy.validate(lease(spec))), errors));
});
