import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EndpointSlice, Service } from '#api/types.generated.ts';
import { endpoint, notReady, service, slice } from './fixtures.ts';
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

  it('names an unnamed port by its service alone', () => {
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

  it('reads external addresses leniently and drops what is none', () => {
    const spec = {
      type: 'LoadBalancer',
      externalIPs: ['192.168.099.011', '', 'fd00::1', 'nonsense'],
      loadBalancerSourceRanges: [' 203.0.113.77/25 ', 'fd00::/8', 'x/8'],
    };
    const [port] = state([service('default/web', '10.96.0.1', http, spec, ['1.2.3.4', 'fd00::2'])]).ports;
    assert.deepEqual(port?.externalIps, ['192.168.99.11']);
    assert.deepEqual(
      port?.sourceRanges.map(({ text }) => text),
      ['203.0.113.0/25'],
    );
    assert.deepEqual(port?.loadBalancerIps, ['1.2.3.4']);
  });

  it('takes a source range of everything for no restriction', () => {
    const spec = { type: 'LoadBalancer', loadBalancerSourceRanges: ['10.0.0.0/8', '0.0.0.0/0'] };
    assert.deepEqual(state([service('default/web', '10.96.0.1', http, spec, ['1.2.3.4'])]).ports[0]?.sourceRanges, []);
  });

  it('ignores a load balancer that is itself a proxy (ipMode Proxy)', () => {
    const object = service('default/web', '10.96.0.1', http, { type: 'LoadBalancer' });
    object.status = { loadBalancer: { ingress: [{ ip: '1.2.3.4', ipMode: 'Proxy' }] } };
    assert.deepEqual(state([object]).ports[0]?.loadBalancerIps, []);
  });

  it('ignores the external policy of a service that nothing outside reaches', () => {
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
