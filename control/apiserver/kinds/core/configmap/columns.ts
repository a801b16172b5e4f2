/** Columns of ConfigMaps. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { ConfigMap } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, keyCount, nameColumn } from '../../columns.ts';

export const configMapColumns: TableColumns<ConfigMap> = {
  columns: [nameColumn, column('Data', 'How many keys it has.'), ageColumn],
  cells: (map, nowMs) => [map.metadata.name, keyCount(map.data, map.binaryData), ageOf(map, nowMs)],
};
