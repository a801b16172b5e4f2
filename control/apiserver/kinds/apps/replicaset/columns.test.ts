import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { ReplicaSet } from '#api/types.generated.ts';
import { metadata, row } from '../../columns.testing.ts';
import { replicaSetColumns } from './columns.ts';

const template = {
  spec: {
    containers: [
      { name: 'c', image: 'nginx:1' },
      { name: 'd', image: 'redis' },
    ],
  },
};

it('columns of a replica set', () => {
  const object = {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata,
    spec: { replicas: 3, selector: {}, template },
    status: { replicas: 2 },
  } as ReplicaSet;
  assert.deepEqual(row(replicaSetColumns, object), {
    Name: 'x',
    Desired: 3,
    Current: 2,
    Ready: 0,
    Age: '5m',
    Containers: 'c,d',
    Images: 'nginx:1,redis',
    Selector: '<none>',
  });
});
