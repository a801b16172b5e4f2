import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { PodDisruptionBudget } from '#api/types.generated.ts';
import { metadata, row } from '../../columns.testing.ts';
import { podDisruptionBudgetColumns } from './columns.ts';

it('columns of a disruption budget', () => {
  const object: PodDisruptionBudget = { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata, spec: {} };
  const expected = { Name: 'x', 'Min Available': 'N/A', 'Max Unavailable': 'N/A', 'Allowed Disruptions': 0, Age: '5m' };
  assert.deepEqual(row(podDisruptionBudgetColumns, object), expected);
  const limited = { ...object, spec: { minAvailable: '50%', maxUnavailable: 0 }, status: { disruptionsAllowed: 2 } };
  assert.deepEqual(row(podDisruptionBudgetColumns, limited), {
    ...expected,
    'Min Available': '50%',
    'Max Unavailable': '0',
    'Allowed Disruptions': 2,
  });
});
