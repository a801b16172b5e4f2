import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { StatefulSet } from '#api/types.generated.ts';
import { metadata, row } from '../../columns.testing.ts';
import { labels, template } from '../../template.testing.ts';
import { statefulSetColumns } from './columns.ts';

it('columns of a stateful set', () => {
  const object: StatefulSet = {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata,
    spec: { replicas: 3, selector: { matchLabels: labels }, template },
    status: { replicas: 2, readyReplicas: 1 },
  };
  const expected = { Name: 'x', Ready: '1/3', Age: '5m', Containers: 'c', Images: 'nginx:1' };
  assert.deepEqual(row(statefulSetColumns, object), expected);
});
