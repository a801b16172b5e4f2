/** Columns of EndpointSlices. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { EndpointSlice } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn, shortList } from '../../columns.ts';

/** The table of EndpointSlices: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const endpointSliceColumns: TableColumns<EndpointSlice> = {
  columns: [
    nameColumn,
    column('AddressType', 'Whether the addresses are IPv4, IPv6 or names.'),
    column('Ports', 'The ports of all endpoints of the slice.'),
    column('Endpoints', 'The addresses of the slice.'),
    ageColumn,
  ],
  cells: (slice, nowMs) => [
    slice.metadata.name,
    slice.addressType,
    shortList(
      (slice.ports ?? []).map(({ port, name }) => (port === undefined ? (name ?? '*') : String(port))),
      '<unset>',
    ),
    shortList(
      (slice.endpoints ?? []).flatMap(({ addresses }) => addresses ?? []),
      '<unset>',
    ),
    ageOf(slice, nowMs),
  ],
};
