import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Event, EventsEvent } from '#api/types.generated.ts';
import { ago, metadata, row } from '../../columns.testing.ts';
import { eventColumns, eventsEventColumns } from './columns.ts';

describe('events', () => {
  const event: Event = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata,
    involvedObject: { kind: 'Pod', name: 'p', fieldPath: 'spec.containers{c}' },
    type: 'Normal',
    reason: 'Pulled',
    message: ' Image is there\n',
    source: { component: 'kubelet', host: 'n1' },
    firstTimestamp: ago(600),
    lastTimestamp: ago(60),
    count: 4,
  };

  it('of the old kind', () => {
    assert.deepEqual(row(eventColumns, event), {
      'Last Seen': '60s',
      Type: 'Normal',
      Reason: 'Pulled',
      Object: 'pod/p',
      Subobject: 'spec.containers{c}',
      Source: 'kubelet, n1',
      Message: 'Image is there',
      'First Seen': '10m',
      Count: 4,
      Name: 'x',
    });
  });

  it('of the new kind, with and without a series', () => {
    const modern: EventsEvent = {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata,
      eventTime: ago(30),
      regarding: { kind: 'Node' },
      reportingController: 'c',
      reportingInstance: 'c-1',
      note: 'n',
    };
    const single = row(eventsEventColumns, modern);
    assert.deepEqual(
      [single['Last Seen'], single['First Seen'], single['Count'], single['Object'], single['Source']],
      ['30s', '30s', 1, 'node', 'c, c-1'],
    );
    const series = row(eventsEventColumns, { ...modern, series: { count: 7, lastObservedTime: ago(5) } });
    assert.deepEqual([series['Last Seen'], series['First Seen'], series['Count']], ['5s', '30s', 7]);
  });
});
