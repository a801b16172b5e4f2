import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Secret } from '#api/types.generated.ts';
import { metadata, row } from '../../columns.testing.ts';
import { secretColumns } from './columns.ts';

it('columns of a secret', () => {
  const object: Secret = { apiVersion: 'v1', kind: 'Secret', metadata, type: 'Opaque', data: { a: '' } };
  assert.deepEqual(row(secretColumns, object), { Name: 'x', Type: 'Opaque', Data: 1, Age: '5m' });
});
