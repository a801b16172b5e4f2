/** Columns of PriorityLevelConfigurations. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { PriorityLevelConfiguration } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn } from '../../columns.ts';

const none = '<none>';

/**
 * The table of PriorityLevelConfigurations: its columns, and the row of one object at a given time (milliseconds since the epoch).
 */
export const priorityLevelColumns: TableColumns<PriorityLevelConfiguration> = {
  columns: [
    nameColumn,
    column('Type', 'Whether its requests are limited.'),
    column('NominalConcurrencyShares', 'Its share of the requests that are served at a time.'),
    column('Queues', 'In how many queues requests wait.'),
    column('HandSize', 'Of how many queues a flow may use one.'),
    column('QueueLengthLimit', 'How many requests may wait in a queue.'),
    ageColumn,
  ],
  cells(object, nowMs) {
    const { limited } = object.spec;
    const queuing = limited?.limitResponse?.queuing;
    return [
      object.metadata.name,
      object.spec.type ?? '',
      limited === undefined ? none : (limited.nominalConcurrencyShares ?? 0),
      queuing === undefined ? none : (queuing.queues ?? 0),
      queuing === undefined ? none : (queuing.handSize ?? 0),
      queuing === undefined ? none : (queuing.queueLengthLimit ?? 0),
      ageOf(object, nowMs),
    ];
  },
};
