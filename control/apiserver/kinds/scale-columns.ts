/** Columns of a Scale. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { Scale } from '#api/types.generated.ts';
import type { TableColumns } from '../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn } from './columns.ts';

/** The table of a Scale (`kubectl get --subresource=scale`). */
export const scaleColumns: TableColumns<Scale> = {
  columns: [
    column('Name', nameColumn.description),
    column('Desired', 'How many pods are wanted.', 'integer'),
    column('Available', 'How many pods there are.', 'integer'),
    ageColumn,
  ],
  cells: (scale, nowMs) => [scale.metadata.name, scale.spec?.replicas ?? 0, scale.status?.replicas ?? 0, ageOf(scale, nowMs)],
};
