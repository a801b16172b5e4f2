/** Columns of Services, Endpoints and EndpointSlices. Source: upstream `pkg/printers/internalversion/printers.go`. */
import { joinHostPort } from '#api/ip.ts';
import type { EndpointSlice, Endpoints, Service } from '#api/types.generated.ts';
import type { TableColumns } from '../../registry/strategy.ts';
import { ageColumn, ageOf, column, labelsText, nameColumn, shortList, wide } from './columns.ts';

export const serviceTable: TableColumns<Service> = {
  columns: [
    nameColumn,
    column('Type', 'How the service is reached: inside the cluster, at each node, or through a load balancer.'),
    column('Cluster-IP', 'The address inside the cluster.'),
    column('External-IP', 'The addresses outside the cluster.'),
    column('Port(s)', 'The ports, with the ports of the nodes.'),
    ageColumn,
    wide('Selector', 'Which pods stand behind the service.'),
  ],
  cells: (service, nowMs) => [
    service.metadata.name,
    service.spec.type ?? '',
    service.spec.clusterIPs?.[0] ?? '<none>',
    externalIp(service),
    portsText(service) || '<none>',
    ageOf(service, nowMs),
    labelsText(service.spec.selector),
  ],
};

function externalIp({ spec, status }: Service): string {
  const own = spec.externalIPs ?? [];
  switch (spec.type) {
    case 'ClusterIP':
    case 'NodePort':
      return own.length > 0 ? own.join(',') : '<none>';
    case 'LoadBalancer': {
      const ingress = (status?.loadBalancer?.ingress ?? [])
        .map(({ ip, hostname }) => ip || hostname || '')
        .filter((text) => text !== '');
      const all = [...[...new Set(ingress)].sort(), ...own];
      return all.length > 0 ? all.join(',') : '<pending>';
    }
    case 'ExternalName':
      return spec.externalName ?? '';
    case undefined:
    default:
      return '<unknown>';
  }
}

function portsText({ spec }: Service): string {
  return (spec.ports ?? [])
    .map(({ port, nodePort, protocol = '' }) => (nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`))
    .join(',');
}

export const endpointsTable: TableColumns<Endpoints> = {
  columns: [nameColumn, column('Endpoints', 'The ready addresses with their ports.'), ageColumn],
  cells: (endpoints, nowMs) => [endpoints.metadata.name, endpointsText(endpoints), ageOf(endpoints, nowMs)],
};

function endpointsText({ subsets = [] }: Endpoints): string {
  if (subsets.length === 0) return '<none>';
  const all = subsets.flatMap(({ addresses = [], ports = [] }) =>
    ports.length === 0
      ? addresses.map(({ ip }) => ip)
      : ports.flatMap(({ port }) => addresses.map(({ ip = '' }: { ip?: string }) => joinHostPort(ip, port))),
  );
  return shortList(all, '');
}

export const endpointSliceTable: TableColumns<EndpointSlice> = {
  columns: [
    nameColumn,
    column('AddressType', 'Whether the addresses are IPv4, IPv6 or names.'),
    column('Ports', 'The ports of all endpoints of the slice.'),
    column('Endpoints', 'The addresses of the slice.'),
    ageColumn,
  ],
  cells: (slice, nowMs) => [
    slice.metadata.name,
    slice.addressType,
    shortList(
      (slice.ports ?? []).map(({ port, name }) => (port === undefined ? (name ?? '*') : String(port))),
      '<unset>',
    ),
    shortList(
      (slice.endpoints ?? []).flatMap(({ addresses }) => addresses ?? []),
      '<unset>',
    ),
    ageOf(slice, nowMs),
  ],
};
