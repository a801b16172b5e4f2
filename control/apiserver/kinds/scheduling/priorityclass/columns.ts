/** Columns of PriorityClasses. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { PriorityClass } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn } from '../../columns.ts';

/** The table of PriorityClasses: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const priorityClassColumns: TableColumns<PriorityClass> = {
  columns: [
    nameColumn,
    column('Value', 'The priority that pods of this class get.', 'integer'),
    column('Global-Default', 'Whether pods without a class get this one.', 'boolean'),
    ageColumn,
    column('PreemptionPolicy', 'Whether pods of this class may preempt pods of lower priority.'),
  ],
  cells: (object, nowMs) => [
    object.metadata.name,
    object.value ?? 0,
    object.globalDefault ?? false,
    ageOf(object, nowMs),
    object.preemptionPolicy ?? '',
  ],
};
