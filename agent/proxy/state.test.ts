import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatCidr } from '#api/ip.ts';
import type { Endpoint, EndpointSlice, Service } from '#api/types.generated.ts';
import { buildRuleset } from './iptables/ruleset.ts';
import { endpoint, notReady, service, slice } from './objects.testing.ts';
import { buildServiceState, healthCheckServices } from './state.ts';

const http = [{ name: 'http', port: 80 }];
const state = (services: Service[], endpointSlices: EndpointSlice[] = [], family: 'IPv4' | 'IPv6' = 'IPv4') =>
  buildServiceState({ services, endpointSlices }, { nodeName: 'here', family });

describe('buildServiceState', () => {
  const labelled = service('default/other', '10.96.0.9', http);
  labelled.metadata.labels = { 'service.kubernetes.io/service-proxy-name': 'mine' };

  const skipped: [string, Service][] = [
    ['headless', service('default/web', 'None', http)],
    ['without a cluster IP', service('default/web', '', http)],
    ['ExternalName', service('default/web', '10.96.0.1', http, { type: 'ExternalName' })],
    ['of another proxy', labelled],
    ['of the other family', service('default/web', 'fd00:10::1', http)],
  ];
  for (const [what, object] of skipped) {
    it(`leaves out a service ${what}`, () => assert.deepEqual(state([object]).ports, []));
  }

  it('ignores slices of headless services, whatever the value of the label', () => {
    const headless = slice('default/web', http, [endpoint('10.0.0.1')]);
    headless.metadata.labels = { ...headless.metadata.labels, 'service.kubernetes.io/headless': 'no' };
    const [port] = state([service('default/web', '10.96.0.1', http)], [headless]).ports;
    assert.deepEqual(port?.endpoints, []);
  });

  const bad: [what: string, services: Service[], slices: EndpointSlice[], reason: RegExp][] = [
    [
      'a port below 1',
      [],
      [slice('default/web', [{ name: 'http', port: -5 }], [endpoint('10.0.0.9')], 'bad')],
      /ports\[0\].port: -5/,
    ],
    ['a port above 65535', [], [slice('default/web', [{ name: 'http', port: 65_536 }], [endpoint('10.0.0.9')], 'bad')], /65536/],
    [
      'a port that is no integer',
      [],
      [slice('default/web', [{ name: 'http', port: 1.5 }], [endpoint('10.0.0.9')], 'bad')],
      /1\.5/,
    ],
    [
      'an address that is none',
      [],
      [slice('default/web', http, [endpoint('10.0.0.9; reboot')], 'bad')],
      /endpoints\[0\]\.addresses/,
    ],
    [
      'an address of the other family',
      [],
      [{ ...slice('default/web', http, [endpoint('fd00::9')], 'bad'), addressType: 'IPv4' }],
      /fd00::9/,
    ],
    ['endpoints without addresses', [], [slice('default/web', http, [{} as Endpoint], 'bad')], /endpoints\[0\]/],
    ['no metadata', [], [{ addressType: 'IPv4' } as unknown as EndpointSlice], /cannot be read/],
    ['a service port 0', [service('default/bad', '10.96.0.9', [{ port: 0 }])], [], /spec\.ports\[0\]\.port: 0/],
    ['an unknown protocol', [service('default/bad', '10.96.0.9', [{ port: 1, protocol: 'tcp -j ACCEPT' }])], [], /protocol/],
    [
      'a line break in a name',
      [service('default/bad', '10.96.0.9', [{ name: 'a"\n-A INPUT -j DROP', port: 1 }])],
      [],
      /cannot stand/,
    ],
    [
      'a name too long for a comment',
      [service('default/bad', '10.96.0.9', [{ name: 'a'.repeat(300), port: 1 }])],
      [],
      /cannot stand/,
    ],
    [
      'one port twice',
      [
        service('default/bad', '10.96.0.9', [
          { name: 'a', port: 1 },
          { name: 'a', port: 2 },
        ]),
      ],
      [],
      /twice/,
    ],
    ['a cluster IP that is none', [service('default/bad', '10.96.0.256', http)], [], /spec\.clusterIP/],
    ['a node port out of range', [service('default/bad', '10.96.0.9', [{ port: 1, nodePort: 70_000 }])], [], /nodePort: 70000/],
    ['an external IP that is none', [service('default/bad', '10.96.0.9', http, { externalIPs: ['x'] })], [], /externalIPs\[0\]/],
    [
      'a session of a negative time',
      [
        service('default/bad', '10.96.0.9', http, {
          sessionAffinity: 'ClientIP',
          sessionAffinityConfig: { clientIP: { timeoutSeconds: -1 } },
        }),
      ],
      [],
      /timeoutSeconds: -1/,
    ],
    ['no spec', [{ metadata: { namespace: 'default', name: 'bad' } } as Service], [], /cannot be read/],
  ];
  for (const [what, services, slices, reason] of bad) {
    it(`leaves out ${what}, reports it, and serves all others`, () => {
      const good = [service('default/web', '10.96.0.1', http)];
      const goodSlices = [slice('default/web', http, [endpoint('10.0.0.1'), endpoint('10.0.0.2')])];
      const found = state([...good, ...services], [...goodSlices, ...slices]);
      assert.deepEqual(
        found.ports.filter(({ name }) => name === 'web'),
        state(good, goodSlices).ports,
      );
      assert.match(found.leftOut.map((one) => one.reason).join('\n'), reason);
      assert.match(buildRuleset(found), /^(\*\w+|:[A-Z0-9-]+ - \[0:0\]|-A [\x20-\x7e]+|COMMIT|)(\n|$)/);
      for (const [, port] of buildRuleset(found).matchAll(/--dport (\S+)/g))
        assert.ok(Number(port) >= 1 && Number(port) <= 65_535);
    });
  }

  it('lets nobody in through a load balancer whose source ranges cannot be read', () => {
    const spec = { type: 'LoadBalancer', loadBalancerSourceRanges: ['10.0.0/8'] };
    const [port] = state([service('default/web', '10.96.0.1', http, spec, ['1.2.3.4'])]).ports;
    assert.deepEqual([port?.loadBalancerIps, port?.sourceRanges], [[], []]);
  });

  it('limits the state of a slice with as many endpoints and ports as the API accepts', () => {
    const ports = Array.from({ length: 20_000 }, (_, index) => ({ name: `p${index}`, port: index + 1 }));
    const endpoints = Array.from({ length: 1000 }, (_, index) => endpoint(`10.1.${index >> 8}.${index & 255}`));
    const many = [slice('default/web', ports, endpoints)];
    assert.equal(state([service('default/web', '10.96.0.1', [{ name: 'p7', port: 80 }])], many).ports[0]?.endpoints.length, 1000);
    const all = state([service('default/web', '10.96.0.1', ports)], many);
    assert.ok(all.ports.reduce((sum, port) => sum + port.endpoints.length, 0) <= 100_000);
    assert.match(all.leftOut[0]?.reason ?? '', /more than 100000 endpoints/);
  });

  it('cuts addresses and ranges that would give each of many ports tens of thousands of rules', () => {
    const ports = Array.from({ length: 1000 }, (_, index) => ({ name: `p${index}`, port: index + 1 }));
    const addresses = Array.from({ length: 1000 }, (_, index) => `192.0.${index >> 8}.${index & 255}`);
    const big = service(
      'shop/big',
      '10.96.0.9',
      ports,
      { type: 'LoadBalancer', externalIPs: addresses, loadBalancerSourceRanges: addresses.map((ip) => `${ip}/32`) },
      addresses,
    );
    const state = buildServiceState({ services: [big], endpointSlices: [] }, { nodeName: 'n1' });
    assert.equal(state.ports.length, 1000);
    for (const { externalIps, loadBalancerIps, sourceRanges } of state.ports)
      assert.deepEqual([externalIps.length, loadBalancerIps.length, sourceRanges.length], [100, 100, 100]);
    assert.equal(state.leftOut.length, 3);
    for (const { reason } of state.leftOut) assert.match(reason, /with 1000 ports, those beyond the first 100 are left out/);
  });

  it('does not depend on the order of its input', () => {
    const services = [
      service('b/web', '10.96.0.2', http),
      service('a/web', '10.96.0.1', [...http, { name: 'dns', port: 53, protocol: 'UDP' }]),
    ];
    const slices = [slice('a/web', http, [endpoint('10.0.0.1')], 'x'), slice('a/web', http, [endpoint('10.0.0.1', 'here')], 'y')];
    assert.deepEqual(state(services, slices), state(services.toReversed(), slices.toReversed()));
    assert.deepEqual(
      state(services).ports.map(({ id }) => id),
      ['a/web:dns', 'a/web:http', 'b/web:http'],
    );
  });

  it('names an unnamed port by its service only', () => {
    const [port] = state(
      [service('default/web', '10.96.0.1', [{ port: 80 }])],
      [slice('default/web', [{ port: 8080 }], [endpoint('10.0.0.1')])],
    ).ports;
    assert.equal(port?.id, 'default/web');
    assert.deepEqual(
      port?.endpoints.map(({ address }) => address),
      ['10.0.0.1:8080'],
    );
  });

  it('takes the cluster IP of its family from a dual-stack service', () => {
    const dual = service('default/web', '10.96.0.1', http, {
      clusterIPs: ['10.96.0.1', 'fd00:10:0:0::1'],
      ipFamilies: ['IPv4', 'IPv6'],
    });
    assert.equal(state([dual]).ports[0]?.clusterIp, '10.96.0.1');
    assert.equal(state([dual], [], 'IPv6').ports[0]?.clusterIp, 'fd00:10::1');
  });

  it('reads external addresses leniently and drops malformed ones', () => {
    const spec = {
      type: 'LoadBalancer',
      externalIPs: ['192.168.099.011', '', 'fd00::1', 'nonsense'],
      loadBalancerSourceRanges: [' 203.0.113.77/25 ', 'fd00::/8', 'x/8'],
    };
    const [port] = state([service('default/web', '10.96.0.1', http, spec, ['1.2.3.4', 'fd00::2'])]).ports;
    assert.deepEqual(port?.externalIps, ['192.168.99.11']);
    assert.deepEqual(port?.sourceRanges.map(formatCidr), ['203.0.113.0/25']);
    assert.deepEqual(port?.loadBalancerIps, ['1.2.3.4']);
  });

  it('treats a source range of all addresses as no restriction', () => {
    const spec = { type: 'LoadBalancer', loadBalancerSourceRanges: ['10.0.0.0/8', '0.0.0.0/0'] };
    assert.deepEqual(state([service('default/web', '10.96.0.1', http, spec, ['1.2.3.4'])]).ports[0]?.sourceRanges, []);
  });

  it('ignores a load balancer that is itself a proxy (ipMode Proxy)', () => {
    const object = service('default/web', '10.96.0.1', http, { type: 'LoadBalancer' });
    object.status = { loadBalancer: { ingress: [{ ip: '1.2.3.4', ipMode: 'Proxy' }] } };
    assert.deepEqual(state([object]).ports[0]?.loadBalancerIps, []);
  });

  it('ignores the external policy of a service that cannot be reached from outside', () => {
    assert.equal(
      state([service('default/web', '10.96.0.1', http, { externalTrafficPolicy: 'Local' })]).ports[0]?.externalPolicyLocal,
      false,
    );
  });
});

describe('healthCheckServices', () => {
  it('counts local ready endpoints by IP, across ports', () => {
    const ports = [...http, { name: 'https', port: 443 }];
    const spec = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 30100 };
    const slices = [
      slice('default/web', ports, [
        endpoint('10.0.0.1', 'here'),
        endpoint('10.0.0.2', 'there'),
        endpoint('10.0.0.3', 'here', notReady),
      ]),
    ];
    const services = [service('default/web', '10.96.0.1', ports, spec), service('default/plain', '10.96.0.2', http)];
    assert.deepEqual([...healthCheckServices(state(services, slices))], [['default/web', { port: 30100, localEndpoints: 1 }]]);
  });
});
