import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { ConfigMap } from '#api/types.generated.ts';
import { metadata, row } from '../../columns.testing.ts';
import { configMapColumns } from './columns.ts';

it('columns of a config map', () => {
  const object: ConfigMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { a: '' }, binaryData: { b: '' } };
  assert.deepEqual(row(configMapColumns, object), { Name: 'x', Data: 2, Age: '5m' });
});
