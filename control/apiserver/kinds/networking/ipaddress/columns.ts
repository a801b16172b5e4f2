/** Columns of IPAddresses. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { IPAddress } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageOf, column, nameColumn } from '../../columns.ts';

/** The table of IPAddresses: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const ipAddressColumns: TableColumns<IPAddress> = {
  // As upstream: the third cell, the age, has no column, and kubectl does not show it.
  columns: [nameColumn, column('ParentRef', 'The object that has the address.')],
  cells: (object, nowMs) => [object.metadata.name, parentText(object), ageOf(object, nowMs)],
};

/** `services/default/web`, `gateways.example.com/ns/g` */
function parentText({ spec }: IPAddress): string {
  if (spec.parentRef === undefined) return '<none>';
  const { group = '', resource, namespace = '', name } = spec.parentRef;
  const parts = [(group === '' ? resource : `${resource}.${group}`).toLowerCase(), namespace, name];
  return parts.filter((part, index) => index !== 1 || part !== '').join('/');
}
