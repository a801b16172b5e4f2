/** Columns of Secrets. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { Secret } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, keyCount, nameColumn } from '../../columns.ts';

/** The table of Secrets: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const secretColumns: TableColumns<Secret> = {
  columns: [nameColumn, column('Type', 'What the secret is for.'), column('Data', 'How many keys it has.'), ageColumn],
  cells: (secret, nowMs) => [secret.metadata.name, secret.type ?? '', keyCount(secret.data), ageOf(secret, nowMs)],
};
