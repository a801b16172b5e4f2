/**
 * Events, in their two views: core/v1 is checked loosely, as it always was, events.k8s.io/v1 strictly.
 *
 * Source: upstream `pkg/registry/core/event/strategy.go`.
 */
import { defineKind } from '../../define-kind.ts';
import { eventColumns, eventsEventColumns } from './columns.ts';
import { eventsConversion } from './conversion.ts';
import { coreEventOf } from './event-view.ts';
import { eventSelectors, eventsEventSelectors } from './field-selectors.ts';
import { validateEvent, validateEventsEvent, validateEventsEventUpdate } from './validation.ts';

/** kube-apiserver `--event-ttl`. */
const ttlSeconds = 3600;

/** core/v1, the stored form. Events vanish by themselves after `--event-ttl`. */
export const eventKind = defineKind({
  resource: 'events',
  ttlSeconds,
  allowCreateOnUpdate: true,
  defaults(object) {
    object.source ??= {};
    object.reportingComponent ??= '';
    object.reportingInstance ??= '';
  },
  validate: validateEvent,
  fieldSelectors: eventSelectors,
  columns: eventColumns,
});

/** events.k8s.io/v1: the same stored objects, checked strictly. */
export const eventsEventKind = defineKind({
  resource: 'events.events.k8s.io',
  conversion: eventsConversion,
  ttlSeconds,
  allowCreateOnUpdate: true,
  validate: (object, old) =>
    old === undefined
      ? validateEventsEvent(coreEventOf(object))
      : validateEventsEventUpdate(coreEventOf(object), coreEventOf(old)),
  fieldSelectors: eventsEventSelectors,
  columns: eventsEventColumns,
});
