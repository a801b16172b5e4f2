/** Columns of ComponentStatuses. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { ComponentStatus } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { column, nameColumn } from '../../columns.ts';

/** The table of ComponentStatuses: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const componentStatusColumns: TableColumns<ComponentStatus> = {
  columns: [
    nameColumn,
    column('Status', 'Whether the part is well.'),
    column('Message', 'What it says.'),
    column('Error', 'What is wrong with it.'),
  ],
  cells({ metadata, conditions = [] }) {
    const healthy = conditions.find(({ type }) => type === 'Healthy');
    if (healthy === undefined) return [metadata.name, 'Unknown', '', ''];
    const status = healthy.status === 'True' ? 'Healthy' : 'Unhealthy';
    return [metadata.name, status, healthy.message ?? '', healthy.error ?? ''];
  },
};
