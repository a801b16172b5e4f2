/** Columns of StatefulSets. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { StatefulSet } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, containerCells, nameColumn, templateColumns } from '../../columns.ts';

/** The table of StatefulSets: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const statefulSetColumns: TableColumns<StatefulSet> = {
  columns: [
    nameColumn,
    column('Ready', 'How many pods are ready, of how many wanted.'),
    ageColumn,
    ...templateColumns.slice(0, 2),
  ],
  cells: (set, nowMs) => [
    set.metadata.name,
    `${set.status?.readyReplicas ?? 0}/${set.spec.replicas ?? 0}`,
    ageOf(set, nowMs),
    ...containerCells(set.spec.template?.spec?.containers),
  ],
};
