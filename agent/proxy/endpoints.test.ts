import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Endpoint, EndpointSlice } from '#api/types.generated.ts';
import { chooseEndpoints, collectEndpoints, type TrafficPolicy } from './endpoints.ts';
import { endpoint, notReady, slice, terminating } from './objects.testing.ts';

const http = [{ name: 'http', port: 8080 }];
const collect = (slices: EndpointSlice[], family: 'IPv4' | 'IPv6', nodeName: string) =>
  collectEndpoints(slices, { family, nodeName, portKeys: new Set(['http/TCP']), onLeftOut: () => undefined });
const clusterOnly: TrafficPolicy = { usesClusterEndpoints: true, usesLocalEndpoints: false };
const localOnly: TrafficPolicy = { usesClusterEndpoints: false, usesLocalEndpoints: true };
const both: TrafficPolicy = { usesClusterEndpoints: true, usesLocalEndpoints: true };
const zones = (...names: string[]): Endpoint['hints'] => ({ forZones: names.map((name) => ({ name })) });
const nodes = (...names: string[]): Endpoint['hints'] => ({ forNodes: names.map((name) => ({ name })) });

interface Case {
  name: string;
  endpoints: Endpoint[];
  policy: TrafficPolicy;
  zone?: string;
  cluster: string[];
  local?: string[];
  any?: boolean;
}

const cases: Case[] = [
  {
    name: 'uses the ready ones',
    endpoints: [endpoint('10.0.0.1'), endpoint('10.0.0.2', 'a', notReady)],
    policy: clusterOnly,
    cluster: ['10.0.0.1'],
  },
  {
    name: 'prefers ready endpoints to serving terminating ones',
    endpoints: [endpoint('10.0.0.1'), endpoint('10.0.0.2', 'a', terminating)],
    policy: clusterOnly,
    cluster: ['10.0.0.1'],
  },
  {
    name: 'falls back to serving terminating endpoints (KEP-1669)',
    endpoints: [endpoint('10.0.0.1', 'a', notReady), endpoint('10.0.0.2', 'a', terminating)],
    policy: clusterOnly,
    cluster: ['10.0.0.2'],
  },
  {
    name: 'has none when none serves',
    endpoints: [endpoint('10.0.0.1', 'a', notReady)],
    policy: clusterOnly,
    cluster: [],
    any: false,
  },
  {
    name: 'keeps Local traffic to this node',
    endpoints: [endpoint('10.0.0.1', 'here'), endpoint('10.0.0.2', 'there'), endpoint('10.0.0.3')],
    policy: localOnly,
    cluster: [],
    local: ['10.0.0.1'],
  },
  {
    name: 'falls back to local terminating endpoints although ready ones exist elsewhere',
    endpoints: [endpoint('10.0.0.1', 'here', terminating), endpoint('10.0.0.2', 'there')],
    policy: both,
    cluster: ['10.0.0.2'],
    local: ['10.0.0.1'],
  },
  {
    name: 'knows of endpoints elsewhere even when none is local',
    endpoints: [endpoint('10.0.0.2', 'there')],
    policy: localOnly,
    cluster: [],
    local: [],
    any: true,
  },
  {
    name: 'stays in the zone when every endpoint has a hint',
    endpoints: [endpoint('10.0.0.1', 'x', undefined, zones('z1')), endpoint('10.0.0.2', 'y', undefined, zones('z2'))],
    policy: clusterOnly,
    zone: 'z1',
    cluster: ['10.0.0.1'],
  },
  {
    name: 'ignores zone hints when one endpoint has none',
    endpoints: [endpoint('10.0.0.1', 'x', undefined, zones('z1')), endpoint('10.0.0.2')],
    policy: clusterOnly,
    zone: 'z1',
    cluster: ['10.0.0.1', '10.0.0.2'],
  },
  {
    name: 'ignores zone hints when none is for this zone',
    endpoints: [endpoint('10.0.0.1', 'x', undefined, zones('z2'))],
    policy: clusterOnly,
    zone: 'z1',
    cluster: ['10.0.0.1'],
  },
  {
    name: 'prefers the same node when hints say so',
    endpoints: [endpoint('10.0.0.1', 'here', undefined, nodes('here')), endpoint('10.0.0.2', 'there', undefined, nodes('there'))],
    policy: clusterOnly,
    cluster: ['10.0.0.1'],
  },
  {
    name: 'does not let the hints of an unready endpoint count',
    endpoints: [endpoint('10.0.0.1', 'x', undefined, zones('z1')), endpoint('10.0.0.2', 'y', notReady)],
    policy: clusterOnly,
    zone: 'z1',
    cluster: ['10.0.0.1'],
  },
];

describe('chooseEndpoints', () => {
  for (const { name, endpoints, policy, zone, cluster, local = [], any = cluster.length + local.length > 0 } of cases) {
    it(name, () => {
      const all = collect([slice('default/web', http, endpoints)], 'IPv4', 'here').get('http/TCP') ?? [];
      const choice = chooseEndpoints(all, policy, { nodeName: 'here', zone });
      assert.deepEqual(
        choice.cluster.map(({ ip }) => ip),
        cluster,
      );
      assert.deepEqual(
        choice.local.map(({ ip }) => ip),
        local,
      );
      assert.deepEqual(
        choice.reachable.map(({ ip }) => ip),
        [...new Set([...cluster, ...local])].sort(),
      );
      assert.equal(choice.any, any);
    });
  }
});

describe('collectEndpoints', () => {
  it('merges and sorts slices, and of two endpoints with one address prefers the one that is not terminating', () => {
    const slices = [
      slice('default/web', http, [endpoint('10.0.0.9'), endpoint('10.0.0.1', 'here')], 'a'),
      slice('default/web', http, [endpoint('10.0.0.1', 'there', terminating)], 'b'),
    ];
    for (const order of [slices, slices.toReversed()]) {
      const found = collect(order, 'IPv4', 'here').get('http/TCP') ?? [];
      assert.deepEqual(
        found.map(({ address, local, ready }) => [address, local, ready]),
        [
          ['10.0.0.1:8080', true, true],
          ['10.0.0.9:8080', false, true],
        ],
      );
    }
  });

  it('leaves out addresses of the other family and malformed ones', () => {
    const slices = [slice('default/web', http, [endpoint('fd00::1')]), slice('default/web', http, [endpoint('10.0.0.300')])];
    assert.deepEqual(collect(slices, 'IPv4', 'here').get('http/TCP') ?? [], []);
    assert.deepEqual(
      collect(slices, 'IPv6', 'here')
        .get('http/TCP')
        ?.map(({ address }) => address),
      ['[fd00::1]:8080'],
    );
  });

  it('counts an endpoint without conditions as ready', () => {
    const slices = [slice('default/web', http, [{ addresses: ['10.0.0.1'] }])];
    assert.equal(collect(slices, 'IPv4', 'here').get('http/TCP')?.[0]?.ready, true);
  });
});
