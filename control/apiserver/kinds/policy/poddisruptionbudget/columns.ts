/** Columns of PodDisruptionBudgets. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { IntOrString } from '#api/json.ts';
import type { PodDisruptionBudget } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn } from '../../columns.ts';

const shown = (limit: IntOrString | undefined): string => (limit === undefined ? 'N/A' : String(limit));

/**
 * The table of PodDisruptionBudgets: its columns, and the row of one object at a given time (milliseconds since the epoch).
 */
export const podDisruptionBudgetColumns: TableColumns<PodDisruptionBudget> = {
  columns: [
    nameColumn,
    column('Min Available', 'How many pods must stay available, as a number or a percentage.'),
    column('Max Unavailable', 'How many pods may be unavailable, as a number or a percentage.'),
    column('Allowed Disruptions', 'How many pods may be evicted now.', 'integer'),
    ageColumn,
  ],
  cells: (budget, nowMs) => [
    budget.metadata.name,
    shown(budget.spec.minAvailable),
    shown(budget.spec.maxUnavailable),
    budget.status?.disruptionsAllowed ?? 0,
    ageOf(budget, nowMs),
  ],
};
