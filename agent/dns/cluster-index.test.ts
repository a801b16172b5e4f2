import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EndpointSlice, Service } from '#api/types.generated.ts';
import { answer, type Reply } from './answer.ts';
import { service, slice, testCluster } from './objects.testing.ts';

const http = [{ name: 'http', protocol: 'TCP', port: 80 }];
const zone = { clusterDomain: 'cluster.local', ttlSeconds: 30, serverIps: ['10.0.0.10'] };
const bad: [what: string, slice: EndpointSlice, reason: RegExp][] = [
  ['an address with a zone', slice('testns/pets', http, [{ addresses: ['fe80::1%eth0'] }], 'bad'), /fe80::1%eth0/],
  ['text for an address', slice('testns/pets', http, [{ addresses: ['nonsense'] }], 'bad'), /nonsense/],
  [
    'a host name of several labels',
    slice('testns/pets', http, [{ addresses: ['10.244.0.99'], hostname: 'a.b' }], 'bad'),
    /hostname/,
  ],
  [
    'a host name of 64 bytes',
    slice('testns/pets', http, [{ addresses: ['10.244.0.99'], hostname: 'a'.repeat(64) }], 'bad'),
    /hostname/,
  ],
  [
    'a port that no record holds',
    slice('testns/pets', [{ name: 'x', port: 65_536 }], [{ addresses: ['10.244.0.99'] }], 'bad'),
    /65536/,
  ],
  ['endpoints without addresses', slice('testns/pets', http, [{} as never], 'bad'), /^$/],
  [
    'no list of endpoints',
    { ...slice('testns/pets', http, [], 'bad'), endpoints: 7 } as unknown as EndpointSlice,
    /cannot be read/,
  ],
];

describe('the DNS index', () => {
  for (const [what, one, reason] of bad) {
    it(`still answers for other slices beside a slice with ${what}`, () => {
      const cluster = testCluster();
      const names = cluster.names();
      const ask = (name: string): string[] => {
        const found = answer({ name: `${name}.svc.cluster.local`, type: 'A' }, names, zone) as Reply;
        return found.answers.map((record) => String('data' in record ? record.data : ''));
      };
      const before = [ask('pets-0.pets.testns'), ask('web.testns'), ask('pets.testns')];
      cluster.endpointSlices.put(one);
      const after = [ask('pets-0.pets.testns'), ask('web.testns'), ask('pets.testns').filter((ip) => ip !== '10.244.0.99')];
      assert.deepEqual(after, before);
      assert.match(cluster.reports.join('\n'), reason);
      cluster.endpointSlices.remove(one);
      assert.deepEqual(ask('pets.testns'), before[2]);
      assert.deepEqual(cluster.leftOut.counts(), []);
    });
  }

  const services: [what: string, Service][] = [
    ['an ExternalName with a line break', service('testns/bad', { type: 'ExternalName', externalName: 'a\nb' })],
    ['an ExternalName of 300 bytes', service('testns/bad', { type: 'ExternalName', externalName: 'a.'.repeat(150) })],
    ['an ExternalName with an empty label', service('testns/bad', { type: 'ExternalName', externalName: 'a..b' })],
    ['cluster IPs that are none', service('testns/bad', { clusterIP: 'x', clusterIPs: ['x', 'fe80::1%1'], ports: http })],
  ];
  for (const [what, one] of services) {
    it(`says NXDOMAIN to a Service with ${what}`, () => {
      const cluster = testCluster();
      cluster.services.put(one);
      const found = answer({ name: 'bad.testns.svc.cluster.local', type: 'A' }, cluster.names(), zone);
      assert.equal(found.kind === 'reply' && found.rcode, 'NXDOMAIN');
      assert.equal(cluster.leftOut.counts()[0]?.count, 1);
    });
  }

  it('limits the records of one answer: their number is endpoints times ports', () => {
    const cluster = testCluster();
    const ports = Array.from({ length: 20_000 }, (_, index) => ({ name: `p${index}`, protocol: 'TCP', port: index + 1 }));
    const endpoints = Array.from({ length: 1000 }, (_, index) => ({ addresses: [`10.1.${index >> 8}.${index & 255}`] }));
    cluster.endpointSlices.put(slice('testns/pets', ports, endpoints, 'huge'));
    const found = answer({ name: 'pets.testns.svc.cluster.local', type: 'SRV' }, cluster.names(), zone) as Reply;
    assert.ok(found.answers.length <= 4096);
  });
});
