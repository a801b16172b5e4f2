import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { ControllerRevision } from '#api/types.generated.ts';
import { metadata, row } from '../../columns.testing.ts';
import { controllerRevisionColumns } from './columns.ts';

const revision: ControllerRevision = { apiVersion: 'apps/v1', kind: 'ControllerRevision', metadata, revision: 3, data: {} };

it('columns of a controller revision', () => {
  const owner = { apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'web', uid: 'u', controller: true };
  const owned = { ...revision, metadata: { ...metadata, ownerReferences: [owner] } };
  const expected = { Name: 'x', Controller: 'daemonset.apps/web', Revision: 3, Age: '5m' };
  assert.deepEqual(row(controllerRevisionColumns, owned), expected);
  assert.deepEqual(row(controllerRevisionColumns, revision), { ...expected, Controller: '<none>' });
});
