/** Columns of ReplicationControllers. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { ReplicationController } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, containerCells, labelsText, nameColumn, templateColumns } from '../../columns.ts';

/**
 * The table of ReplicationControllers: its columns, and the row of one object at a given time (milliseconds since the epoch).
 */
export const replicationControllerColumns: TableColumns<ReplicationController> = {
  columns: [
    nameColumn,
    column('Desired', 'How many pods are wanted.', 'integer'),
    column('Current', 'How many pods there are.', 'integer'),
    column('Ready', 'How many pods are ready.', 'integer'),
    ageColumn,
    ...templateColumns,
  ],
  cells: (controller, nowMs) => [
    controller.metadata.name,
    controller.spec.replicas ?? 0,
    controller.status?.replicas ?? 0,
    controller.status?.readyReplicas ?? 0,
    ageOf(controller, nowMs),
    ...containerCells(controller.spec.template?.spec?.containers),
    labelsText(controller.spec.selector),
  ],
};
