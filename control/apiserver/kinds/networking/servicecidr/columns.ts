/** Columns of ServiceCIDRs. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { ServiceCIDR } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn } from '../../columns.ts';

/** The table of ServiceCIDRs: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const serviceCidrColumns: TableColumns<ServiceCIDR> = {
  columns: [nameColumn, column('CIDRs', 'The ranges, one of each IP family at most.'), ageColumn],
  cells: (object, nowMs) => [object.metadata.name, (object.spec.cidrs ?? []).join(','), ageOf(object, nowMs)],
};
