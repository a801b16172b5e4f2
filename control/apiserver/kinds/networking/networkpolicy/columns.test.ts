import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { NetworkPolicy } from '#api/types.generated.ts';
import { metadata, row } from '../../columns.testing.ts';
import { networkPolicyColumns } from './columns.ts';

it('columns of a network policy', () => {
  const policy = (podSelector: NetworkPolicy['spec']['podSelector']): NetworkPolicy => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata,
    spec: { podSelector },
  });
  const expected = { Name: 'x', 'Pod-Selector': 'app=web', Age: '5m' };
  assert.deepEqual(row(networkPolicyColumns, policy({ matchLabels: { app: 'web' } })), expected);
  assert.deepEqual(row(networkPolicyColumns, policy({})), { ...expected, 'Pod-Selector': '<none>' });
});
