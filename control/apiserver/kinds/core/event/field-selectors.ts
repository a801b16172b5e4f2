/** What events can be selected by. Source: upstream `pkg/registry/core/event/strategy.go`, `pkg/apis/{core,events}/v1/conversion.go`. */
import type { Event, EventsEvent, ObjectReference } from '#api/types.generated.ts';

type Selectors<T> = Readonly<Record<string, (event: T) => string>>;

const ofObject = ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'] as const;

const objectSelectors = <T>(field: string, objectOf: (event: T) => ObjectReference | undefined): Selectors<T> =>
  Object.fromEntries(ofObject.map((name) => [`${field}.${name}`, (event: T) => objectOf(event)?.[name] ?? '']));

/**
 * What `fieldSelector` may name of core/v1 events, with the values. Source: upstream `pkg/registry/core/event/strategy.go`
 * (ToSelectableFields).
 */
export const eventSelectors: Selectors<Event> = {
  ...objectSelectors('involvedObject', ({ involvedObject }) => involvedObject),
  reason: ({ reason }) => reason ?? '',
  reportingComponent: ({ reportingComponent }) => reportingComponent ?? '',
  source: ({ source, reportingComponent }) => source?.component || reportingComponent || '',
  type: ({ type }) => type ?? '',
};

/** The same of events.k8s.io/v1, under that version's names. Source: upstream `pkg/apis/events/v1/conversion.go`. */
export const eventsEventSelectors: Selectors<EventsEvent> = {
  ...objectSelectors('regarding', ({ regarding }) => regarding),
  reason: ({ reason }) => reason ?? '',
  reportingController: ({ reportingController }) => reportingController ?? '',
  type: ({ type }) => type ?? '',
};
