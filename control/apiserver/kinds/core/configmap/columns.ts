/** Columns of ConfigMaps. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { ConfigMap } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, keyCount, nameColumn } from '../../columns.ts';

/** The table of ConfigMaps: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const configMapColumns: TableColumns<ConfigMap> = {
  columns: [nameColumn, column('Data', 'How many keys it has.'), ageColumn],
  cells: (map, nowMs) => [map.metadata.name, keyCount(map.data, map.binaryData), ageOf(map, nowMs)],
};
