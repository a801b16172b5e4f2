import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Endpoints } from '#api/types.generated.ts';
import { create, rejects, systemMeta } from '../../strategy.testing.ts';
import { endpointsKind } from './strategy.ts';

describe('endpoints', () => {
  const endpoints = (subsets: Endpoints['subsets']): Endpoints => ({
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: systemMeta('e', 'ns'),
    subsets,
  });

  it('default to TCP', async () => {
    const { object } = await create(
      endpointsKind.strategy,
      endpoints([{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }] }]),
    );
    assert.deepEqual(object.subsets?.[0]?.ports, [{ port: 80, protocol: 'TCP' }]);
  });

  it('refuse addresses that no service can reach', async () => {
    await rejects(
      endpointsKind.strategy,
      endpoints([{ addresses: [{ ip: '127.0.0.1' }, { ip: '169.254.1.1' }], ports: [{ port: 80 }, { port: 81 }] }, {}]),
      'subsets[0].addresses[0].ip: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
      'subsets[0].addresses[1].ip: Invalid value: "169.254.1.1": may not be in the link-local range (169.254.0.0/16, fe80::/10)',
      'subsets[0].ports[0].name: Required value',
      'subsets[0].ports[1].name: Required value',
      'subsets[1]: Required value: must specify `addresses` or `notReadyAddresses`',
    );
  });
});
