import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Endpoint, Node, Service } from '#api/types.generated.ts';
import { startWorld } from './cluster.testing.ts';
import { wantsZoneHints, zoneHints, zoneRatios } from './zone-hints.ts';

const node = (zone: string, cpu: string, ready = 'True', labels: Record<string, string> = {}): Node =>
  ({
    metadata: { name: `${zone}-${cpu}`, labels: { ...(zone === '' ? {} : { 'topology.kubernetes.io/zone': zone }), ...labels } },
    spec: {},
    status: { allocatable: { cpu }, conditions: [{ type: 'Ready', status: ready }] },
  }) as unknown as Node;
const endpoints = (text: string): Endpoint[] =>
  text.split('').map((zone, index) => ({
    addresses: [`10.0.0.${index}`],
    conditions: { ready: zone !== '-' },
    ...(zone === '?' || zone === '-' ? {} : { zone }),
  }));
const even = new Map([
  ['a', 1 / 3],
  ['b', 1 / 3],
  ['c', 1 / 3],
]);

describe('hints by zone', () => {
  for (const [text, ratios, wanted] of [
    // Each zone has its share.
    ['abc', even, 'abc'],
    ['aabbcc', even, 'aabbcc'],
    // One that has none gets some of who has most.
    ['aaabbb', even, 'cabcab'.split('').sort().join('')],
    ['abc-', even, 'abc'],
    [
      'aaaa',
      new Map([
        ['a', 0.5],
        ['b', 0.5],
      ]),
      'aabb',
    ],
    ['ab', even, 'Insufficient number of endpoints (2 endpoints, 3 zones)'],
    ['ab?', even, 'One or more endpoints do not have a zone specified'],
    ['abc', undefined, 'Insufficient Node information: allocatable CPU or zone not specified on one or more nodes'],
    [
      'aab',
      new Map([
        ['a', 0.8],
        ['b', 0.1],
        ['c', 0.1],
      ]),
      'Unable to allocate minimum required endpoints to each zone without exceeding overload threshold (3 endpoints, 3 zones)',
    ],
  ] as const) {
    it(`${text} with ${ratios === undefined ? 'nothing known' : [...ratios].map(([zone, ratio]) => `${zone}:${ratio.toFixed(1)}`)}`, () => {
      const found = zoneHints(endpoints(text), ratios);
      if (found.kind === 'none') assert.equal(found.why, wanted);
      else assert.equal([...found.zones.values()].sort().join(''), wanted === 'abc' ? wanted : wanted.split('').sort().join(''));
      // Who has enough of its own keeps them.
      if (found.kind === 'hints' && text === 'aabbcc') assert.deepEqual([...found.zones.values()].join(''), text);
    });
  }

  it('knows the shares of zones by their CPUs', () => {
    assert.deepEqual(
      [...(zoneRatios([node('a', '3'), node('b', '1')]) ?? [])],
      [
        ['a', 0.75],
        ['b', 0.25],
      ],
    );
    assert.equal(zoneRatios([node('a', '3')]), undefined);
    assert.equal(zoneRatios([node('a', '3'), node('b', '1'), node('', '1')]), undefined);
    assert.equal(zoneRatios([node('a', '3'), node('b', '1', 'False')]), undefined);
    const control = node('c', '1', 'True', { 'node-role.kubernetes.io/control-plane': '' });
    assert.equal(zoneRatios([node('a', '1'), node('b', '1'), control])?.size, 2);
  });

  it('is asked for by an annotation, in upstream spelling', () => {
    const service = (annotations: Record<string, string>): Service =>
      ({ metadata: { name: 's', annotations } }) as unknown as Service;
    assert.equal(wantsZoneHints(service({ 'service.kubernetes.io/topology-mode': 'Auto' })), true);
    assert.equal(wantsZoneHints(service({ 'service.kubernetes.io/topology-aware-hints': 'auto' })), true);
    assert.equal(wantsZoneHints(service({ 'service.kubernetes.io/topology-mode': 'Disabled' })), false);
    assert.equal(wantsZoneHints(service({})), false);
  });

  it('come and go with nodes and annotation', async () => {
    const world = await startWorld();
    try {
      for (const [name, zone] of [
        ['n1', 'a'],
        ['n2', 'b'],
      ] as const) {
        await world.addNode(name, { 'topology.kubernetes.io/zone': zone });
        await world.client
          .resource('nodes')
          .patch({ name }, { type: 'merge', body: { status: { allocatable: { cpu: '4' } } } }, { subresource: 'status' });
      }
      await world.client.resource('replicasets.apps').create({
        apiVersion: 'apps/v1',
        kind: 'ReplicaSet',
        metadata: { name: 'web', namespace: 'default' },
        spec: {
          replicas: 4,
          selector: { matchLabels: { app: 'web' } },
          template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
        },
      });
      await world.client.resource('services').create({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'web', namespace: 'default', annotations: { 'service.kubernetes.io/topology-mode': 'Auto' } },
        spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
      });
      const hinted = async (): Promise<string[]> =>
        (await world.client.resource('endpointslices.discovery.k8s.io').list({ namespace: 'default' })).items
          .flatMap(({ endpoints: all }) => all ?? [])
          .flatMap(({ hints, zone }) => (hints?.forZones?.[0]?.name === undefined ? [] : [`${zone}>${hints.forZones[0].name}`]))
          .sort();
      await world.until('hints', async () => (await hinted()).length === 4);
      assert.deepEqual(await hinted(), ['a>a', 'a>a', 'b>b', 'b>b']);
      const reasons = async (): Promise<string[]> =>
        (await world.client.resource('events').list({ namespace: 'default' })).items
          .filter(({ involvedObject }) => involvedObject.kind === 'Service')
          .map(({ reason = '' }) => reason);
      assert.ok((await reasons()).includes('TopologyAwareHintsEnabled'));
      // The other zone has no ready node any more: nothing can be shared.
      await world.client.resource('nodes').delete({ name: 'n2' });
      world.connected.delete('n2');
      await world.until('no hints', async () => (await hinted()).length === 0);
      await world.until('a reason', async () => (await reasons()).includes('TopologyAwareHintsDisabled'));
    } finally {
      await world.stop();
    }
  });
});
