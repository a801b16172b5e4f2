/** Columns of Leases. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { Lease } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn } from '../../columns.ts';

/** The table of Leases: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const leaseColumns: TableColumns<Lease> = {
  columns: [nameColumn, column('Holder', 'Who holds the lease.'), ageColumn],
  cells: (lease, nowMs) => [lease.metadata.name, lease.spec?.holderIdentity ?? '', ageOf(lease, nowMs)],
};
