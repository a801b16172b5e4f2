/**
 * What is special to Events, in their two views: core/v1 is checked loosely, as it always was, events.k8s.io/v1 strictly.
 *
 * Source: upstream `pkg/registry/core/event/strategy.go`.
 */
import { nameIsPathSegment } from '#api/names.ts';
import type { Event, EventsEvent } from '#api/types.generated.ts';
import type { Strategy } from '../../../registry/strategy.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from '../../../validation/object-meta.ts';
import { eventsEventTable, eventTable } from './columns.ts';
import { coreEventOf } from './event-view.ts';
import { validateCoreEvent, validateEventsEvent, validateEventsEventUpdate } from './validation.ts';

function eventFields(event: Event): Record<string, string> {
  const target = event.involvedObject ?? {};
  return {
    'involvedObject.kind': target.kind ?? '',
    'involvedObject.namespace': target.namespace ?? '',
    'involvedObject.name': target.name ?? '',
    'involvedObject.uid': target.uid ?? '',
    'involvedObject.apiVersion': target.apiVersion ?? '',
    'involvedObject.resourceVersion': target.resourceVersion ?? '',
    'involvedObject.fieldPath': target.fieldPath ?? '',
    reason: event.reason ?? '',
    reportingComponent: event.reportingComponent ?? '',
    source: event.source?.component || event.reportingComponent || '',
    type: event.type ?? '',
  };
}

/** kube-apiserver `--event-ttl`. */
const ttlSeconds = 3600;

const selectable = (object: string, component: string): string[] => [
  ...['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'].map((field) => `${object}.${field}`),
  'reason',
  component,
  'type',
];

export const eventStrategy: Strategy<Event> = {
  ttlSeconds,
  allowCreateOnUpdate: true,
  setDefaults(event) {
    event.source ??= {};
    event.reportingComponent ??= '';
    event.reportingInstance ??= '';
  },
  validate(event) {
    const errors = validateCoreEvent(event, 'reportingComponent');
    return errors.length > 0 ? errors : validateObjectMeta(event.metadata, { namespaced: true, name: nameIsPathSegment });
  },
  validateUpdate: (event, old) => [
    ...validateObjectMetaUpdate(event.metadata, old.metadata),
    ...validateCoreEvent(event, 'reportingComponent'),
  ],
  selectableFields: [...selectable('involvedObject', 'reportingComponent'), 'source'],
  fields: eventFields,
  table: eventTable,
};

/** Fields of the new view go by their own names, and by those of the old. */
function eventsEventFields(event: EventsEvent): Record<string, string> {
  const fields = eventFields(coreEventOf(event));
  const renamed = Object.entries(fields).flatMap(([name, value]): [string, string][] =>
    name.startsWith('involvedObject.') ? [[name.replace('involvedObject.', 'regarding.'), value]] : [],
  );
  return { ...fields, ...Object.fromEntries(renamed), reportingController: event.reportingController ?? '' };
}

export const eventsEventStrategy: Strategy<EventsEvent> = {
  ttlSeconds,
  allowCreateOnUpdate: true,
  validate: (event) => validateEventsEvent(coreEventOf(event)),
  validateUpdate: (event, old) => validateEventsEventUpdate(coreEventOf(event), coreEventOf(old)),
  selectableFields: selectable('regarding', 'reportingController'),
  fields: eventsEventFields,
  table: eventsEventTable,
};
