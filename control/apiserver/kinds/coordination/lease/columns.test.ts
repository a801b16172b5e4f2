import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Lease } from '#api/types.generated.ts';
import { metadata, row } from '../../columns.testing.ts';
import { leaseColumns } from './columns.ts';

it('columns of a lease', () => {
  const object: Lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec: { holderIdentity: 'h' } };
  assert.deepEqual(row(leaseColumns, object), { Name: 'x', Holder: 'h', Age: '5m' });
});
