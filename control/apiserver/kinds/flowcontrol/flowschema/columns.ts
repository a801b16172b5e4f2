/** Columns of FlowSchemas. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { FlowSchema } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn } from '../../columns.ts';
import { byPrecedence } from './precedence.ts';

/** The table of FlowSchemas: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const flowSchemaColumns: TableColumns<FlowSchema> = {
  columns: [
    nameColumn,
    column('PriorityLevel', 'The priority level of its requests.'),
    column('MatchingPrecedence', 'Of two that match a request, the one with the lower number counts.'),
    column('DistinguisherMethod', 'By what its requests are told apart into flows.'),
    ageColumn,
    column('MissingPL', 'Whether its priority level is not there.'),
  ],
  cells: (object, nowMs) => [
    object.metadata.name,
    object.spec.priorityLevelConfiguration?.name ?? '',
    object.spec.matchingPrecedence ?? 0,
    object.spec.distinguisherMethod?.type ?? '<none>',
    ageOf(object, nowMs),
    (object.status?.conditions ?? []).find(({ type }) => type === 'Dangling')?.status ?? '?',
  ],
  compare: byPrecedence,
};
