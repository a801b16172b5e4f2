/** Columns of Namespaces. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { Namespace } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn } from '../../columns.ts';

/** The table of Namespaces: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const namespaceColumns: TableColumns<Namespace> = {
  columns: [nameColumn, column('Status', 'Active, or Terminating while its content is deleted.'), ageColumn],
  cells: (namespace, nowMs) => [namespace.metadata.name, namespace.status?.phase ?? '', ageOf(namespace, nowMs)],
};
