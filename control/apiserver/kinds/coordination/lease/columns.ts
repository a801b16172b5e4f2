/** Columns of Leases. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { Lease } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn } from '../../columns.ts';

export const leaseColumns: TableColumns<Lease> = {
  columns: [nameColumn, column('Holder', 'Who holds the lease.'), ageColumn],
  cells: (lease, nowMs) => [lease.metadata.name, lease.spec?.holderIdentity ?? '', ageOf(lease, nowMs)],
};
