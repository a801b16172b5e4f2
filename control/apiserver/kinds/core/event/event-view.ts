/** events.k8s.io/v1 and core/v1 Events are two spellings of one object. Source: upstream `pkg/apis/events/v1/conversion.go`. */
import type { Event, EventsEvent } from '#api/types.generated.ts';

/** The core/v1 spelling, as far as checks, selectors and columns look at it. */
export function coreEventOf(event: EventsEvent): Event {
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: event.metadata,
    action: event.action,
    count: event.deprecatedCount,
    eventTime: event.eventTime,
    firstTimestamp: event.deprecatedFirstTimestamp,
    involvedObject: event.regarding ?? {},
    lastTimestamp: event.deprecatedLastTimestamp,
    message: event.note,
    reason: event.reason,
    related: event.related,
    reportingComponent: event.reportingController,
    reportingInstance: event.reportingInstance,
    series: event.series,
    source: event.deprecatedSource,
    type: event.type,
  };
}
