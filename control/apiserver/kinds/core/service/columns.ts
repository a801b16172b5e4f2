/** Columns of Services. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { Service } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, labelsText, nameColumn, wide } from '../../columns.ts';

/** The table of Services: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const serviceColumns: TableColumns<Service> = {
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
