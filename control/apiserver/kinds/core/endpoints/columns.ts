/** Columns of Endpoints. Source: upstream `pkg/printers/internalversion/printers.go`. */
import { joinHostPort } from '#api/ip.ts';
import type { Endpoints } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn, shortList } from '../../columns.ts';

/** The table of Endpoints: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const endpointsColumns: TableColumns<Endpoints> = {
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
