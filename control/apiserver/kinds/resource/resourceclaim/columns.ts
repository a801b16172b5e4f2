/** Columns of ResourceClaims. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { DraResourceClaim } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn } from '../../columns.ts';

/** The table of ResourceClaims: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const resourceClaimColumns: TableColumns<DraResourceClaim> = {
  columns: [nameColumn, column('State', 'Whether devices are allocated and reserved.'), ageColumn],
  cells: (object, nowMs) => [object.metadata.name, stateOf(object), ageOf(object, nowMs)],
};

function stateOf({ metadata, status = {} }: DraResourceClaim): string {
  const isDeleted = metadata.deletionTimestamp !== undefined;
  const isAllocated = status.allocation !== undefined;
  return [
    ...(isDeleted ? ['deleted'] : []),
    ...(isAllocated ? ['allocated'] : isDeleted ? [] : ['pending']),
    ...(isAllocated && (status.reservedFor ?? []).length > 0 ? ['reserved'] : []),
  ].join(',');
}
