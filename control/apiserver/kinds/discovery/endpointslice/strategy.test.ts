import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EndpointSlice } from '#api/types.generated.ts';
import { create, rejects, systemMeta, update } from '../../strategy.testing.ts';
import { endpointSliceKind } from './strategy.ts';

describe('endpoint slices', () => {
  const slice = (more: Partial<EndpointSlice>): EndpointSlice => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: systemMeta('e-1', 'ns'),
    addressType: 'IPv4',
    ...more,
  });

  it('default to unnamed TCP ports, and count generations', async () => {
    const { object, errors } = await create(
      endpointSliceKind.strategy,
      slice({ endpoints: [{ addresses: ['10.0.0.1'] }], ports: [{ port: 80 }] }),
    );
    assert.deepEqual([errors, object.ports, object.metadata.generation], [[], [{ name: '', port: 80, protocol: 'TCP' }], 1]);
    const same = await update(endpointSliceKind.strategy, object, ({ metadata }) => void (metadata.annotations = { a: 'b' }));
    assert.equal(same.object.metadata.generation, 1);
    const other = await update(endpointSliceKind.strategy, object, (changed) => void (changed.endpoints = []));
    assert.equal(other.object.metadata.generation, 2);
  });

  it('refuse other address types and other families', async () => {
    await rejects(
      endpointSliceKind.strategy,
      slice({ addressType: 'IPX' }),
      'addressType: Unsupported value: "IPX": supported values: "FQDN", "IPv4", "IPv6"',
    );
    await rejects(
      endpointSliceKind.strategy,
      slice({ endpoints: [{ addresses: ['2001:db8::1'] }, { addresses: [] }] }),
      'endpoints[0].addresses: Invalid value: "2001:db8::1": must be an IPv4 address',
      'endpoints[1].addresses: Required value: must contain at least 1 address',
    );
    const { errors } = await update(endpointSliceKind.strategy, slice({}), (object) => void (object.addressType = 'IPv6'));
    assert.deepEqual(errors, ['addressType: Invalid value: "IPv6": field is immutable']);
  });
});
