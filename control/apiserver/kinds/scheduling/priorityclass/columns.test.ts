import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { PriorityClass } from '#api/types.generated.ts';
import { metadata, row } from '../../columns.testing.ts';
import { priorityClassColumns } from './columns.ts';

it('columns of a priority class', () => {
  const object: PriorityClass = {
    apiVersion: 'scheduling.k8s.io/v1',
    kind: 'PriorityClass',
    metadata,
    value: 7,
    preemptionPolicy: 'Never',
  };
  assert.deepEqual(row(priorityClassColumns, object), {
    Name: 'x',
    Value: 7,
    'Global-Default': false,
    Age: '5m',
    PreemptionPolicy: 'Never',
  });
});
