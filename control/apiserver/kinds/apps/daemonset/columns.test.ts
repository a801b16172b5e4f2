import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { DaemonSet } from '#api/types.generated.ts';
import { metadata, row } from '../../columns.testing.ts';
import { labels, template } from '../../template.testing.ts';
import { daemonSetColumns } from './columns.ts';

it('columns of a daemon set', () => {
  const object: DaemonSet = {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata,
    spec: {
      selector: { matchLabels: labels },
      template: { ...template, spec: { ...template.spec, nodeSelector: { disk: 'ssd' } } },
    },
    status: {
      desiredNumberScheduled: 5,
      currentNumberScheduled: 4,
      numberReady: 3,
      updatedNumberScheduled: 2,
      numberAvailable: 1,
      numberMisscheduled: 9,
    },
  };
  assert.deepEqual(row(daemonSetColumns, object), {
    Name: 'x',
    Desired: 5,
    Current: 4,
    Ready: 3,
    'Up-to-date': 2,
    Available: 1,
    'Node Selector': 'disk=ssd',
    Age: '5m',
    Containers: 'c',
    Images: 'nginx:1',
    Selector: 'app=web',
  });
});
