/** Where a service is answered. Source: kube-aggregator `pkg/apiserver/resolvers.go`; apiserver `pkg/util/proxy/proxy.go` (ResolveEndpoint). */
import { parseIp } from '#api/ip.ts';
import { scopeOf } from '#api/ip-scope.ts';
import { serviceNameLabel } from '#api/service-labels.ts';
import type { EndpointSlice, Service, ServiceReference } from '#api/types.generated.ts';
import type { Registry } from '../registry/registry.ts';

/** A ready endpoint, chosen at random; the text says why there is none. */
export async function serviceTarget(
  { namespace, name, port = 443 }: ServiceReference,
  { read, list }: Pick<Registry, 'read' | 'list'>,
  random: () => number,
): Promise<{ host: string; port: number } | string> {
  const service = (await read('services', namespace, name)) as Service | undefined;
  if (service === undefined) return `service ${JSON.stringify(name)} not found`;
  const { type, externalName = '', ports = [] } = service.spec ?? {};
  if (type === 'ExternalName') return { host: externalName, port };
  const servicePort = ports.find((one) => one.port === port && (one.protocol ?? 'TCP') === 'TCP');
  if (servicePort === undefined) return `no service port ${port} found for service ${JSON.stringify(name)}`;
  const slices = (await list('endpointslices.discovery.k8s.io', namespace)) as readonly EndpointSlice[];
  const targets = slices
    .filter(({ metadata }) => metadata.labels?.[serviceNameLabel] === name)
    .flatMap(({ ports: slicePorts, endpoints = [] }) => {
      const found = slicePorts?.find((one) => (one.name ?? '') === (servicePort.name ?? '') && (one.protocol ?? 'TCP') === 'TCP');
      if (found?.port === undefined) return [];
      return endpoints
        .filter(({ conditions }) => conditions?.ready !== false)
        .flatMap((endpoint) => target(endpoint.addresses, found.port));
    });
  return targets[Math.floor(random() * targets.length)] ?? `no endpoints available for service ${JSON.stringify(name)}`;
}

/** Anybody may write an EndpointSlice: addresses of this machine and its link are passed over. */
function target([host = '']: readonly string[] = [], port = 0): { host: string; port: number }[] {
  const address = parseIp(host);
  return address !== undefined && scopeOf(address) === 'global' ? [{ host, port }] : [];
}
