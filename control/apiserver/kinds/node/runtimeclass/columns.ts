/** Columns of RuntimeClasses. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { RuntimeClass } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn } from '../../columns.ts';

/** The table of RuntimeClasses: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const runtimeClassColumns: TableColumns<RuntimeClass> = {
  columns: [nameColumn, column('Handler', "The name of the node's runtime configuration."), ageColumn],
  cells: (object, nowMs) => [object.metadata.name, object.handler, ageOf(object, nowMs)],
};
