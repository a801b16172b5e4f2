import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { EndpointSlice } from '#api/types.generated.ts';
import { metadata, row } from '../../columns.testing.ts';
import { endpointSliceColumns } from './columns.ts';

it('columns of an endpoint slice', () => {
  const slice: EndpointSlice = { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata, addressType: 'IPv4' };
  assert.deepEqual(row(endpointSliceColumns, slice), {
    Name: 'x',
    AddressType: 'IPv4',
    Ports: '<unset>',
    Endpoints: '<unset>',
    Age: '5m',
  });
  const full = {
    ...slice,
    ports: [{ name: 'any' }, { port: 80 }],
    endpoints: [{ addresses: ['1.1.1.1', '1.1.1.2'] }, { addresses: ['1.1.1.3', '1.1.1.4'] }],
  };
  assert.deepEqual(row(endpointSliceColumns, full), {
    Name: 'x',
    AddressType: 'IPv4',
    Ports: 'any,80',
    Endpoints: '1.1.1.1,1.1.1.2,1.1.1.3 + 1 more...',
    Age: '5m',
  });
});
