/** Services and EndpointSlices for the tests of this folder, with the defaults that the API server would set. */
import type { Endpoint, EndpointSlice, Service, ServiceSpec } from '#api/types.generated.ts';

export interface PortFixture {
  name?: string;
  port: number;
  nodePort?: number;
  protocol?: string;
}

/** `key` is `namespace/name`. */
export function service(
  key: string,
  clusterIP: string,
  ports: PortFixture[],
  spec: Partial<ServiceSpec> = {},
  ingress: string[] = [],
): Service {
  const [namespace = '', name = ''] = key.split('/');
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata(namespace, name),
    spec: {
      type: ports.some(({ nodePort }) => nodePort !== undefined) ? 'NodePort' : 'ClusterIP',
      clusterIP,
      clusterIPs: [clusterIP],
      ipFamilies: [clusterIP.includes(':') ? 'IPv6' : 'IPv4'],
      ports: ports.map((port) => ({ protocol: 'TCP', ...port })),
      ...spec,
    },
    status: { loadBalancer: { ingress: ingress.map((ip) => ({ ip, ipMode: 'VIP' })) } },
  };
}

/** One endpoint per address, on node `nodeName` if given. Ready, unless `conditions` says otherwise. */
export const endpoint = (
  address: string,
  nodeName?: string,
  conditions?: Endpoint['conditions'],
  hints?: Endpoint['hints'],
): Endpoint => ({
  addresses: [address],
  conditions: conditions ?? { ready: true, serving: true, terminating: false },
  nodeName,
  hints,
});

export const terminating = { ready: false, serving: true, terminating: true };
export const notReady = { ready: false, serving: false, terminating: false };

export function slice(key: string, ports: PortFixture[], endpoints: Endpoint[], suffix = 'a'): EndpointSlice {
  const [namespace = '', name = ''] = key.split('/');
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { ...metadata(namespace, `${name}-${suffix}`), labels: { 'kubernetes.io/service-name': name } },
    addressType: endpoints.some(({ addresses }) => addresses?.[0]?.includes(':')) ? 'IPv6' : 'IPv4',
    ports: ports.map(({ name: portName, port, protocol }) => ({ name: portName ?? '', port, protocol: protocol ?? 'TCP' })),
    endpoints,
  };
}

const metadata = (namespace: string, name: string): Service['metadata'] => ({
  namespace,
  name,
  uid: `uid-${namespace}-${name}`,
  resourceVersion: '1',
  creationTimestamp: '2026-01-01T00:00:00Z',
});
