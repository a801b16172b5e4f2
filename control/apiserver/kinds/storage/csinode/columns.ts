/** Columns of CSINodes. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { CSINode } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { submitted } from '../../../validation/submitted.ts';
import { ageColumn, ageOf, column, nameColumn } from '../../columns.ts';

/** The table of CSINodes: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const csiNodeColumns: TableColumns<CSINode> = {
  columns: [nameColumn, column('Drivers', 'How many CSI drivers the node has.', 'integer'), ageColumn],
  cells: (object, nowMs) => [object.metadata.name, submitted(object.spec).drivers?.length ?? 0, ageOf(object, nowMs)],
};
