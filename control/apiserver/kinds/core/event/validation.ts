/** Events. Source: upstream `pkg/apis/core/validation/events.go`. */
import type { FieldError } from '#api/field-error.ts';
import { invalidValue, required } from '#api/field-error.ts';
import { sameJson } from '#api/meta.ts';
import { isDns1123Subdomain, isQualifiedName, nameIsDnsSubdomain, nameIsPathSegment } from '#api/names.ts';
import { validateImmutable, validateObjectMeta, validateObjectMetaUpdate } from '#api/object-meta.ts';
import type { Event } from '#api/types.generated.ts';

const MAX_SHORT = 128;
const MAX_NOTE = 1024;

/** Problems of a core/v1 Event. `metadata` is checked only if everything else is right. */
export function validateEvent(event: Event, old: Event | undefined): FieldError[] {
  const errors = validateCoreEvent(event, 'reportingComponent');
  if (old !== undefined) return [...validateObjectMetaUpdate(event.metadata, old.metadata), ...errors];
  return errors.length > 0 ? errors : validateObjectMeta(event.metadata, { namespaced: true, name: nameIsPathSegment });
}

/** What either view requires; `controllerField` is how the view spells the reporter. */
function validateCoreEvent(event: Event, controllerField: 'reportingComponent' | 'reportingController'): FieldError[] {
  const namespace = event.metadata.namespace ?? '';
  const errors = event.eventTime ? validateNewStyle(event, controllerField) : validateOldStyle(event);
  return [...errors, ...isDns1123Subdomain(namespace).map((text) => invalidValue('namespace', namespace, text))];
}

const namespaceMismatch = (event: Event): FieldError =>
  invalidValue('involvedObject.namespace', event.involvedObject?.namespace ?? '', 'does not match event.namespace');

function validateOldStyle(event: Event): FieldError[] {
  const namespace = event.metadata.namespace ?? '';
  const target = event.involvedObject?.namespace ?? '';
  // Events of cluster-scoped objects live in `default`.
  const matches = target === '' ? namespace === '' || namespace === 'default' : target === namespace;
  return matches ? [] : [namespaceMismatch(event)];
}

function validateNewStyle(event: Event, controllerField: string): FieldError[] {
  const namespace = event.metadata.namespace ?? '';
  const { reportingComponent: controller = '', reportingInstance: instance = '', action = '', reason = '', message = '' } = event;
  const errors: FieldError[] = [];
  if (!event.involvedObject?.namespace && namespace !== 'default' && namespace !== 'kube-system')
    errors.push(namespaceMismatch(event));
  if (controller === '') errors.push(required(controllerField));
  errors.push(...isQualifiedName(controller).map((text) => invalidValue(controllerField, controller, text)));
  for (const [field, value] of [
    ['reportingInstance', instance],
    ['action', action],
    ['reason', reason],
  ] as const) {
    if (value === '') errors.push(required(field));
    if (Buffer.byteLength(value) > MAX_SHORT) errors.push(invalidValue(field, '', `can have at most ${MAX_SHORT} characters`));
  }
  if (Buffer.byteLength(message) > MAX_NOTE) errors.push(invalidValue('message', '', `can have at most ${MAX_NOTE} characters`));
  return errors;
}

/**
 * Problems of an event that is written through events.k8s.io/v1: there most fields are required and limited in length. Source:
 * upstream `pkg/apis/core/validation/events.go`.
 */
export function validateEventsEvent(event: Event): FieldError[] {
  const errors = [
    ...validateCoreEvent(event, 'reportingController'),
    ...validateObjectMeta(event.metadata, { namespaced: true, name: nameIsDnsSubdomain }),
    ...validateSeries(event),
  ];
  if (!event.eventTime) errors.push(required('eventTime'));
  if (event.type !== 'Normal' && event.type !== 'Warning')
    errors.push(invalidValue('type', '', `has invalid value: ${event.type ?? ''}`));
  for (const field of ['firstTimestamp', 'lastTimestamp', 'count'] as const) {
    if (event[field]) errors.push(invalidValue(field, '', 'needs to be unset'));
  }
  if (event.source?.component || event.source?.host) errors.push(invalidValue('source', '', 'needs to be unset'));
  return errors;
}

/** Problems of an update through events.k8s.io/v1: only `series` may change. */
export function validateEventsEventUpdate(event: Event, old: Event): FieldError[] {
  const errors = [...validateCoreEvent(event, 'reportingController'), ...validateObjectMetaUpdate(event.metadata, old.metadata)];
  if (!sameJson(event.series, old.series)) errors.push(...validateSeries(event));
  const fields = [
    'involvedObject',
    'reason',
    'message',
    'source',
    'firstTimestamp',
    'lastTimestamp',
    'count',
    'type',
    'eventTime',
    'action',
    'related',
  ] as const;
  for (const field of fields) errors.push(...validateImmutable(event[field], old[field], field));
  errors.push(...validateImmutable(event.reportingComponent, old.reportingComponent, 'reportingController'));
  return [...errors, ...validateImmutable(event.reportingInstance, old.reportingInstance, 'reportingInstance')];
}

function validateSeries({ series }: Event): FieldError[] {
  if (series === undefined) return [];
  return [
    ...((series.count ?? 0) < 2 ? [invalidValue('series.count', '', 'should be at least 2')] : []),
    ...(series.lastObservedTime ? [] : [required('series.lastObservedTime')]),
  ];
}
