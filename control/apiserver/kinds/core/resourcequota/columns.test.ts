import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { ResourceQuota } from '#api/types.generated.ts';
import { metadata, row } from '../../columns.testing.ts';
import { resourceQuotaColumns } from './columns.ts';

it('columns of a resource quota', () => {
  const object: ResourceQuota = {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata,
    spec: {},
    status: {
      hard: { 'requests.cpu': '1', pods: '3', 'limits.memory': '1024Mi', 'limits.cpu': '2' },
      used: { pods: '1', 'limits.cpu': '1500m' },
    },
  };
  assert.deepEqual(row(resourceQuotaColumns, object), {
    Name: 'x',
    Request: 'pods: 1/3, requests.cpu: 0/1',
    Limit: 'limits.cpu: 1500m/2, limits.memory: 0/1Gi',
    Age: '5m',
  });
});
