import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Namespace } from '#api/types.generated.ts';
import { metadata, row } from '../../columns.testing.ts';
import { namespaceColumns } from './columns.ts';

it('columns of a namespace', () => {
  const object: Namespace = { apiVersion: 'v1', kind: 'Namespace', metadata, spec: {}, status: { phase: 'Active' } };
  assert.deepEqual(row(namespaceColumns, object), { Name: 'x', Status: 'Active', Age: '5m' });
});
