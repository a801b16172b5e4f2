/** Columns of VolumeAttributesClasses. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { VolumeAttributesClass } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn } from '../../columns.ts';

/**
 * The table of VolumeAttributesClasses: its columns, and the row of one object at a given time (milliseconds since the epoch).
 */
export const volumeAttributesClassColumns: TableColumns<VolumeAttributesClass> = {
  columns: [nameColumn, column('DriverName', 'The driver that knows the parameters.'), ageColumn],
  cells: (object, nowMs) => [object.metadata.name, object.driverName, ageOf(object, nowMs)],
};
