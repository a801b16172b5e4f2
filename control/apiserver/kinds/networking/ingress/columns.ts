/** Columns of Ingresses. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { Ingress } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn } from '../../columns.ts';

const maxHosts = 3;

/** The table of Ingresses: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const ingressColumns: TableColumns<Ingress> = {
  columns: [
    nameColumn,
    column('Class', 'The class of controllers that serve it.'),
    column('Hosts', 'The names that its rules are for.'),
    column('Address', 'Where the load balancer takes connections.'),
    column('Ports', 'The ports that are open: 443 with TLS.'),
    ageColumn,
  ],
  cells: (ingress, nowMs) => [
    ingress.metadata.name,
    ingress.spec.ingressClassName ?? '<none>',
    hostsText(ingress),
    addressText(ingress),
    (ingress.spec.tls ?? []).length > 0 ? '80, 443' : '80',
    ageOf(ingress, nowMs),
  ],
};

/** Three names at most; `*` for rules of every name. Upstream counts the rules beyond three, those without a name included. */
function hostsText({ spec: { rules = [] } }: Ingress): string {
  const shown: string[] = [];
  let more = false;
  for (const { host } of rules) {
    if (shown.length === maxHosts) more = true;
    if (!more && host) shown.push(host);
  }
  if (shown.length === 0) return '*';
  return more ? `${shown.join(',')} + ${rules.length - maxHosts} more...` : shown.join(',');
}

function addressText({ status }: Ingress): string {
  const addresses = (status?.loadBalancer?.ingress ?? []).flatMap(({ ip, hostname }) => ip || hostname || []);
  return [...new Set(addresses)].sort().join(',');
}
