/** Columns of ServiceAccounts. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { ServiceAccount } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, nameColumn } from '../../columns.ts';

/** The table of ServiceAccounts: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const serviceAccountColumns: TableColumns<ServiceAccount> = {
  columns: [nameColumn, ageColumn],
  cells: (account, nowMs) => [account.metadata.name, ageOf(account, nowMs)],
};
