/** Columns of ReplicaSets. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { ReplicaSet } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, containerCells, nameColumn, selectorText, templateColumns } from '../../columns.ts';

/** The table of ReplicaSets: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const replicaSetColumns: TableColumns<ReplicaSet> = {
  columns: [
    nameColumn,
    column('Desired', 'How many pods are wanted.', 'integer'),
    column('Current', 'How many pods there are.', 'integer'),
    column('Ready', 'How many pods are ready.', 'integer'),
    ageColumn,
    ...templateColumns,
  ],
  cells: (set, nowMs) => [
    set.metadata.name,
    set.spec.replicas ?? 0,
    set.status?.replicas ?? 0,
    set.status?.readyReplicas ?? 0,
    ageOf(set, nowMs),
    ...containerCells(set.spec.template?.spec?.containers),
    selectorText(set.spec.selector) || '<none>',
  ],
};
