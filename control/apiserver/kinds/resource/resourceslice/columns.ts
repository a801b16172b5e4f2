/** Columns of ResourceSlices. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { ResourceSlice } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn } from '../../columns.ts';

/** The table of ResourceSlices: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const resourceSliceColumns: TableColumns<ResourceSlice> = {
  columns: [
    nameColumn,
    column('Node', 'The node that has the devices.'),
    column('Driver', 'The driver that has the devices.'),
    column('Pool', 'The pool that the devices belong to.'),
    ageColumn,
  ],
  cells: (object, nowMs) => [
    object.metadata.name,
    object.spec.nodeName ?? '',
    object.spec.driver,
    object.spec.pool?.name ?? '',
    ageOf(object, nowMs),
  ],
};
