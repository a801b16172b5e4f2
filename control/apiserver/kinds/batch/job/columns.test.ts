import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Job, JobStatus } from '#api/types.generated.ts';
import { ago, metadata, row } from '../../columns.testing.ts';
import { template } from '../../template.testing.ts';
import { jobColumns } from './columns.ts';

const job = (status: JobStatus, spec: object = { completions: 3 }): Job => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata,
  spec: { template, selector: { matchLabels: { a: 'b' } }, ...spec },
  status,
});
const is = (...types: string[]) => ({ conditions: types.map((type) => ({ type, status: 'True' })) });

describe('columns of a job', () => {
  it('that runs', () => {
    assert.deepEqual(row(jobColumns, job({ startTime: ago(90), succeeded: 1 })), {
      Name: 'x',
      Status: 'Running',
      Completions: '1/3',
      Duration: '90s',
      Age: '5m',
      Containers: 'c',
      Images: 'nginx:1',
      Selector: 'a=b',
    });
  });
  const cases: [string, Job, unknown[]][] = [
    [
      'complete',
      job({ startTime: ago(90), completionTime: ago(60), succeeded: 3, ...is('SuccessCriteriaMet', 'Complete') }),
      ['Complete', '3/3', '30s'],
    ],
    ['failed', job({ ...is('FailureTarget', 'Failed') }), ['Failed', '0/3', '']],
    ['about to fail', job({ ...is('FailureTarget') }), ['FailureTarget', '0/3', '']],
    ['suspended', job({ ...is('Suspended') }), ['Suspended', '0/3', '']],
    ['being deleted', { ...job({}), metadata: { ...metadata, deletionTimestamp: ago(1) } }, ['Terminating', '0/3', '']],
    ['a work queue', job({ succeeded: 1 }, { parallelism: 4 }), ['Running', '1/1 of 4', '']],
    ['one pod', job({}, { parallelism: 1 }), ['Running', '0/1', '']],
  ];
  for (const [name, object, expected] of cases)
    it(name, () => {
      const { Status, Completions, Duration } = row(jobColumns, object);
      assert.deepEqual([Status, Completions, Duration], expected);
    });
});
