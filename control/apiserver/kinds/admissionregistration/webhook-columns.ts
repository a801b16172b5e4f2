/** Columns of configurations of webhooks. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { KubeObject } from '#api/meta.ts';
import type { TableColumns } from '../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn } from '../columns.ts';

/** The table of configurations: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const webhookColumns: TableColumns<KubeObject & { webhooks?: readonly unknown[] | undefined }> = {
  columns: [nameColumn, column('Webhooks', 'How many webhooks it registers.', 'integer'), ageColumn],
  cells: (object, nowMs) => [object.metadata.name, object.webhooks?.length ?? 0, ageOf(object, nowMs)],
};
