import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { RuntimeClass } from '#api/types.generated.ts';
import { metadata, row } from '../../columns.testing.ts';
import { runtimeClassColumns } from './columns.ts';

it('columns of a runtime class', () => {
  const object: RuntimeClass = { apiVersion: 'node.k8s.io/v1', kind: 'RuntimeClass', metadata, handler: 'runc' };
  assert.deepEqual(row(runtimeClassColumns, object), { Name: 'x', Handler: 'runc', Age: '5m' });
});
