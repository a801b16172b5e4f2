/** Columns of CSIStorageCapacities. Source: upstream `pkg/printers/internalversion/printers.go`. */
import { canonicalQuantity } from '#api/quantity.ts';
import type { CSIStorageCapacity } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { column, nameColumn } from '../../columns.ts';

/**
 * The table of CSIStorageCapacities: its columns, and the row of one object at a given time (milliseconds since the epoch).
 */
export const csiStorageCapacityColumns: TableColumns<CSIStorageCapacity> = {
  columns: [
    nameColumn,
    column('StorageClassName', 'The storage class that the capacity is for.'),
    column('Capacity', 'How much the driver can still provide.'),
  ],
  cells: ({ metadata, storageClassName, capacity }) => [
    metadata.name,
    storageClassName,
    capacity === undefined ? '<unset>' : canonicalQuantity(capacity),
  ],
};
