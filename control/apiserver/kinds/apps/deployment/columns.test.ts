import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Deployment } from '#api/types.generated.ts';
import { metadata, row } from '../../columns.testing.ts';
import { deploymentColumns } from './columns.ts';

const template = {
  spec: {
    containers: [
      { name: 'c', image: 'nginx:1' },
      { name: 'd', image: 'redis' },
    ],
  },
};
const selector = {
  matchLabels: { tier: 'front', app: 'web' },
  matchExpressions: [
    { key: 'env', operator: 'In', values: ['b', 'a'] },
    { key: 'old', operator: 'DoesNotExist' },
  ],
};

it('columns of a deployment', () => {
  const object = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata,
    spec: { replicas: 3, selector, template },
    status: { readyReplicas: 1, updatedReplicas: 2 },
  } as Deployment;
  assert.deepEqual(row(deploymentColumns, object), {
    Name: 'x',
    Ready: '1/3',
    'Up-to-date': 2,
    Available: 0,
    Age: '5m',
    Containers: 'c,d',
    Images: 'nginx:1,redis',
    Selector: 'app=web,env in (a,b),!old,tier=front',
  });
});
