import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ReplicaSet } from '#api/types.generated.ts';
import { create, systemMeta } from '../../strategy.testing.ts';
import { defaultedTemplate, labels, template } from '../../template.testing.ts';
import { replicaSetKind } from './strategy.ts';

describe('replica sets', () => {
  const set: ReplicaSet = {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: systemMeta('web', 'ns'),
    spec: { selector: { matchLabels: labels }, template },
  };

  it('get what upstream fills in', async () => {
    const { object, errors } = await create(replicaSetKind.strategy, set);
    assert.deepEqual(errors, []);
    assert.deepEqual([object.spec.replicas, object.spec.template, object.status], [1, defaultedTemplate, { replicas: 0 }]);
  });

  it('offer their size to field selectors', async () => {
    const { object } = await create(replicaSetKind.strategy, set);
    assert.deepEqual(replicaSetKind.strategy.fields?.(object), { 'status.replicas': '0' });
  });
});
