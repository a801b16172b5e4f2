import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Event, EventsEvent } from '#api/types.generated.ts';
import { rejects, systemMeta, update } from '../../strategy.testing.ts';
import { eventKind, eventsEventKind } from './strategy.ts';

describe('events', () => {
  const core = (more: Partial<Event> = {}): Event => ({
    apiVersion: 'v1',
    kind: 'Event',
    metadata: systemMeta('e', 'ns'),
    involvedObject: { kind: 'Pod', namespace: 'ns', name: 'p' },
    ...more,
  });
  const modern = (more: Partial<EventsEvent> = {}): EventsEvent => ({
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: systemMeta('e', 'ns'),
    eventTime: '2026-01-01T00:00:00.000000Z',
    regarding: { kind: 'Pod', namespace: 'ns', name: 'p' },
    reportingController: 'example.com/c',
    reportingInstance: 'c-1',
    action: 'Start',
    reason: 'Started',
    type: 'Normal',
    ...more,
  });

  it('belong to the namespace of their object', async () => {
    await rejects(eventKind.strategy, core());
    await rejects(
      eventKind.strategy,
      core({ involvedObject: { kind: 'Pod', namespace: 'other' } }),
      'involvedObject.namespace: Invalid value: "other": does not match event.namespace',
    );
  });

  it('with an eventTime say who reports, in either view', async () => {
    await rejects(
      eventKind.strategy,
      core({ eventTime: '2026-01-01T00:00:00.000000Z', reportingComponent: 'c', reportingInstance: 'c-1', reason: 'R' }),
      'action: Required value',
    );
    await rejects(eventsEventKind.strategy, modern());
    await rejects(
      eventsEventKind.strategy,
      modern({ type: 'Odd', deprecatedCount: 2 }),
      'type: Invalid value: "": has invalid value: Odd',
      'count: Invalid value: "": needs to be unset',
    );
  });

  it('of events.k8s.io change only their series', async () => {
    const series = await update(
      eventsEventKind.strategy,
      modern(),
      (object) => void (object.series = { count: 2, lastObservedTime: '2026-01-01T00:00:01.000000Z' }),
    );
    assert.deepEqual(series.errors, []);
    const reason = await update(eventsEventKind.strategy, modern(), (object) => void (object.reason = 'Other'));
    assert.deepEqual(reason.errors, ['reason: Invalid value: "Other": field is immutable']);
  });

  it('are selected by their object, reason, type and source', () => {
    const fields = eventKind.strategy.fields?.(core({ reason: 'Killing', type: 'Normal', source: { component: 'kubelet' } }));
    assert.deepEqual(fields, {
      'involvedObject.kind': 'Pod',
      'involvedObject.namespace': 'ns',
      'involvedObject.name': 'p',
      'involvedObject.uid': '',
      'involvedObject.apiVersion': '',
      'involvedObject.resourceVersion': '',
      'involvedObject.fieldPath': '',
      reason: 'Killing',
      reportingComponent: '',
      source: 'kubelet',
      type: 'Normal',
    });
  });
});
