/** Objects of a small cluster for the tests of this folder. */

import { MemoryInformer } from '#agent/network/netns/memory-informer.testing.ts';
import type { Endpoint, EndpointSlice, Namespace, Service, ServiceSpec } from '#api/types.generated.ts';
import { type Clock, FakeClock } from '#client/clock.ts';
import { createLeftOutReporter } from '#client/left-out.ts';
import { ClusterIndex } from './cluster-index.ts';

const meta = (key: string): Service['metadata'] => {
  const [namespace, name] = key.includes('/') ? key.split('/') : [undefined, key];
  return { namespace, name, uid: key, creationTimestamp: '2026-01-01T00:00:00Z', resourceVersion: '1' } as Service['metadata'];
};

export const service = (key: string, spec: ServiceSpec): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: meta(key),
  spec,
});
const namespace = (name: string): Namespace => ({ apiVersion: 'v1', kind: 'Namespace', metadata: meta(name), spec: {} });

export function slice(key: string, ports: EndpointSlice['ports'], endpoints: Endpoint[], suffix = 'a'): EndpointSlice {
  const [space, name = ''] = key.split('/');
  const metadata = { ...meta(`${space}/${name}-${suffix}`), labels: { 'kubernetes.io/service-name': name } };
  const addressType = endpoints[0]?.addresses?.[0]?.includes(':') === true ? 'IPv6' : 'IPv4';
  return { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata, addressType, ports, endpoints };
}

const http = { name: 'http', protocol: 'TCP', port: 80 };
const dns = [
  { name: 'dns', protocol: 'UDP', port: 53 },
  { name: 'dns-tcp', protocol: 'TCP', port: 53 },
];
const headless: ServiceSpec = { clusterIP: 'None', clusterIPs: ['None'], ports: [http] };

export function testCluster(clock: Clock = new FakeClock()) {
  const namespaces = new MemoryInformer([namespace('default'), namespace('testns'), namespace('empty')]);
  const services = new MemoryInformer<Service>([
    service('testns/web', {
      clusterIP: '10.0.0.1',
      clusterIPs: ['10.0.0.1'],
      ports: [http, { name: 'metrics', protocol: 'TCP', port: 9090 }],
    }),
    service('testns/dns', { clusterIP: '10.0.0.10', clusterIPs: ['10.0.0.10'], ports: dns }),
    service('testns/dual', { clusterIP: '10.0.0.3', clusterIPs: ['10.0.0.3', 'fd00::3'], ports: [http] }),
    service('testns/pets', headless),
    service('testns/unready', headless),
    service('testns/portless', { clusterIP: 'None', clusterIPs: ['None'] }),
    service('testns/outside', { type: 'ExternalName', externalName: 'www.example.test' }),
    service('testns/inside', { type: 'ExternalName', externalName: 'web.testns.svc.cluster.local' }),
    service('testns/numeric', { type: 'ExternalName', externalName: '192.0.2.1' }),
    service('testns/circle', { type: 'ExternalName', externalName: 'circle.testns.svc.cluster.local' }),
  ]);
  const endpointSlices = new MemoryInformer<EndpointSlice>([
    slice('testns/web', [{ ...http, port: 8080 }], [{ addresses: ['10.244.0.5'], conditions: { ready: true } }]),
    slice(
      'testns/pets',
      [http],
      [
        { addresses: ['10.244.0.6'], hostname: 'pets-0', conditions: { ready: true } },
        { addresses: ['10.244.0.7'] },
        { addresses: ['10.244.0.8'], conditions: { ready: false } },
      ],
    ),
    slice('testns/pets', [http], [{ addresses: ['fd00:1:0::9'] }], 'six'),
    slice('testns/unready', [http], [{ addresses: ['10.244.0.9'], conditions: { ready: false } }]),
    slice('testns/portless', [], [{ addresses: ['10.244.0.20'] }]),
  ]);
  const reports: string[] = [];
  const events = { event: (...[, , , message]: [unknown, string, string, string]) => void reports.push(message) };
  const leftOut = createLeftOutReporter({ events, log: { warn: () => undefined } });
  const informers = { namespaces, services, endpointSlices, leftOut };
  return { ...informers, reports, names: (): ClusterIndex => new ClusterIndex({ ...informers, clock }) };
}
