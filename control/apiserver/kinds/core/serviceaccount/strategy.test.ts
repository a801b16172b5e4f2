import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ServiceAccount } from '#api/types.generated.ts';
import { create, systemMeta } from '../../strategy.testing.ts';
import { serviceAccountKind } from './strategy.ts';

describe('service accounts', () => {
  it('name secrets and say nothing else of them', async () => {
    const account: ServiceAccount = {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: systemMeta('a', 'ns'),
      secrets: [{ name: 's', namespace: 'other' }],
    };
    const { object, errors } = await create(serviceAccountKind.strategy, account);
    assert.deepEqual([errors, object.secrets], [[], [{ name: 's' }]]);
  });
});
