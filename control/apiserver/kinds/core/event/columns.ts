/** Columns of Events, in both views. Source: upstream `pkg/printers/internalversion/printers.go`, printEvent. */
import type { Event, EventsEvent } from '#api/types.generated.ts';
import type { TableColumn, TableColumns } from '../../../registry/strategy.ts';
import { column, since, wide, wideNameColumn } from '../../columns.ts';
import { coreEventOf } from './event-view.ts';

const columns: readonly TableColumn[] = [
  column('Last Seen', 'How long ago it happened last.'),
  column('Type', 'Normal or Warning.'),
  column('Reason', 'What happened, in one word.'),
  column('Object', 'The object that it happened to.'),
  wide('Subobject', 'The part of the object that it happened to.'),
  wide('Source', 'Who reports it.'),
  column('Message', 'What happened.'),
  wide('First Seen', 'How long ago it happened first.'),
  wide('Count', 'How often it happened.'),
  wideNameColumn,
];

function cells(event: Event, nowMs: number): (string | number)[] {
  const { involvedObject: target, series } = event;
  const first = since(event.firstTimestamp || event.eventTime, nowMs);
  const last =
    series !== undefined
      ? since(series.lastObservedTime, nowMs)
      : event.lastTimestamp
        ? since(event.lastTimestamp, nowMs)
        : first;
  const kind = (target?.kind ?? '').toLowerCase();
  return [
    last,
    event.type ?? '',
    event.reason ?? '',
    target?.name ? `${kind}/${target.name}` : kind,
    target?.fieldPath ?? '',
    sourceText(event),
    (event.message ?? '').trim(),
    first,
    series?.count ?? (event.count || 1),
    event.metadata.name,
  ];
}

function sourceText({ source, reportingComponent, reportingInstance }: Event): string {
  const component = source?.component || reportingComponent || '';
  const instance = source?.host || reportingInstance || '';
  return instance === '' ? component : `${component}, ${instance}`;
}

/** The table of core/v1 Events: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const eventColumns: TableColumns<Event> = { columns, cells };

/**
 * The table of events.k8s.io/v1 Events: its columns, and the row of one object at a given time (milliseconds since the epoch).
 */
export const eventsEventColumns: TableColumns<EventsEvent> = {
  columns,
  cells: (event, nowMs) => cells(coreEventOf(event), nowMs),
};
