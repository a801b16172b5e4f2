/** Columns of DaemonSets. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { DaemonSet } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import {
  ageColumn,
  ageOf,
  column,
  containerCells,
  labelsText,
  nameColumn,
  selectorText,
  templateColumns,
} from '../../columns.ts';

/** The table of DaemonSets: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const daemonSetColumns: TableColumns<DaemonSet> = {
  columns: [
    nameColumn,
    column('Desired', 'How many nodes should run a pod of it.', 'integer'),
    column('Current', 'How many nodes that should run a pod have one.', 'integer'),
    column('Ready', 'How many nodes have a pod that is ready.', 'integer'),
    column('Up-to-date', 'How many nodes have a pod of the current template.', 'integer'),
    column('Available', 'How many nodes have a pod that has been ready for long enough.', 'integer'),
    column('Node Selector', 'Labels that nodes must have.'),
    ageColumn,
    ...templateColumns,
  ],
  cells: (set, nowMs) => [
    set.metadata.name,
    set.status?.desiredNumberScheduled ?? 0,
    set.status?.currentNumberScheduled ?? 0,
    set.status?.numberReady ?? 0,
    set.status?.updatedNumberScheduled ?? 0,
    set.status?.numberAvailable ?? 0,
    labelsText(set.spec.template?.spec?.nodeSelector),
    ageOf(set, nowMs),
    ...containerCells(set.spec.template?.spec?.containers),
    selectorText(set.spec.selector) || '<none>',
  ],
};
