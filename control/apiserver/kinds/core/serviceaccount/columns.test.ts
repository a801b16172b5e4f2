import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { ServiceAccount } from '#api/types.generated.ts';
import { metadata, row } from '../../columns.testing.ts';
import { serviceAccountColumns } from './columns.ts';

it('columns of a service account', () => {
  const object: ServiceAccount = { apiVersion: 'v1', kind: 'ServiceAccount', metadata };
  assert.deepEqual(row(serviceAccountColumns, object), { Name: 'x', Age: '5m' });
});
