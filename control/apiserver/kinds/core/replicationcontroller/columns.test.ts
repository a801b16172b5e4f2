import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { ReplicationController } from '#api/types.generated.ts';
import { metadata, row } from '../../columns.testing.ts';
import { labels, template } from '../../template.testing.ts';
import { replicationControllerColumns } from './columns.ts';

it('columns of a replication controller', () => {
  const object: ReplicationController = {
    apiVersion: 'v1',
    kind: 'ReplicationController',
    metadata,
    spec: { replicas: 3, selector: { tier: 'x', ...labels }, template },
    status: { replicas: 2, readyReplicas: 1 },
  };
  assert.deepEqual(row(replicationControllerColumns, object), {
    Name: 'x',
    Desired: 3,
    Current: 2,
    Ready: 1,
    Age: '5m',
    Containers: 'c',
    Images: 'nginx:1',
    Selector: 'app=web,tier=x',
  });
});
