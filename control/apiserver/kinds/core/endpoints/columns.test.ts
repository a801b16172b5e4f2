import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Endpoints } from '#api/types.generated.ts';
import { metadata, row } from '../../columns.testing.ts';
import { endpointsColumns } from './columns.ts';

it('columns of endpoints', () => {
  const endpoints = (subsets: Endpoints['subsets']): Endpoints => ({ apiVersion: 'v1', kind: 'Endpoints', metadata, subsets });
  const addresses = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'].map((ip) => ({ ip }));
  assert.equal(row(endpointsColumns, endpoints(undefined))['Endpoints'], '<none>');
  assert.equal(
    row(endpointsColumns, endpoints([{ addresses, ports: [{ port: 80 }] }]))['Endpoints'],
    '10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 1 more...',
  );
  assert.equal(row(endpointsColumns, endpoints([{ notReadyAddresses: addresses, ports: [{ port: 80 }] }]))['Endpoints'], '');
  assert.equal(
    row(endpointsColumns, endpoints([{ addresses: [{ ip: 'fd00::1' }], ports: [{ port: 80 }] }]))['Endpoints'],
    '[fd00::1]:80',
  );
});
