import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Job, JobSpec, JobStatus } from '#api/types.generated.ts';
import { texts } from '../../strategy.testing.ts';
import { validateJobStatus } from './status-validation.ts';

const at = (minute: number): string => `2026-01-01T00:0${minute}:00Z`;
const yes = (...types: string[]) => ({ conditions: types.map((type) => ({ type, status: 'True' })) });
const job = (spec: Partial<JobSpec>, status: JobStatus): Job => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'pi', namespace: 'ns', uid: 'u', resourceVersion: '1', creationTimestamp: at(0) },
  spec: { template: {}, completions: 5, parallelism: 2, completionMode: 'NonIndexed', ...spec },
  status,
});
const indexed = { completionMode: 'Indexed', backoffLimitPerIndex: 1 };
const done = { startTime: at(1), completionTime: at(2), ...yes('SuccessCriteriaMet', 'Complete') };
const conditions = 'status.conditions: Invalid value:';

describe('status of jobs', () => {
  const cases: [string, Partial<JobSpec>, JobStatus, JobStatus, string[]][] = [
    ['complete', {}, { startTime: at(1) }, done, []],
    ['failed', {}, { startTime: at(1) }, { startTime: at(1), ...yes('FailureTarget', 'Failed') }, []],
    ['what was wrong already may stay', {}, yes('Complete'), { ...yes('Complete'), failed: 1 }, []],
    [
      'negative counts',
      {},
      {},
      { active: -1, terminating: -1 },
      [
        'status.active: Invalid value: -1: must be greater than or equal to 0',
        'status.terminating: Invalid value: -1: must be greater than or equal to 0',
      ],
    ],
    [
      'uncounted pods twice',
      {},
      {},
      { uncountedTerminatedPods: { succeeded: ['a', ''], failed: ['a'] } },
      [
        'status.uncountedTerminatedPods.succeeded[1]: Invalid value: "": must not be empty',
        'status.uncountedTerminatedPods.failed[0]: Duplicate value: "a"',
      ],
    ],
    [
      'complete and failed',
      {},
      { startTime: at(1) },
      { startTime: at(1), completionTime: at(1), ...yes('Complete', 'Failed', 'FailureTarget', 'SuccessCriteriaMet') },
      [
        `${conditions} cannot set Complete=True and Failed=true conditions`,
        `${conditions} cannot set Complete=True and FailureTarget=true conditions`,
        `${conditions} cannot set SuccessCriteriaMet=True and Failed=true conditions`,
        `${conditions} cannot set SuccessCriteriaMet=True and FailureTarget=true conditions`,
      ],
    ],
    [
      'complete without time, criteria and start',
      {},
      {},
      yes('Complete'),
      [
        'status.completionTime: Required value: completionTime is required for Complete jobs',
        `${conditions} cannot set Complete=True condition without the SuccessCriteriaMet=true condition`,
        'status.startTime: Required value: startTime is required for finished job',
      ],
    ],
    [
      'failed without its target',
      {},
      { startTime: at(1) },
      { startTime: at(1), ...yes('Failed') },
      [`${conditions} cannot set Failed=True condition without the FailureTarget=true condition`],
    ],
    [
      'a time of completion before the end',
      {},
      { startTime: at(1) },
      { startTime: at(1), completionTime: at(2) },
      [`status.completionTime: Invalid value: "${at(2)}": cannot set completionTime when there is no Complete=True condition`],
    ],
    [
      'completion before start',
      {},
      { startTime: at(3) },
      { ...done, startTime: at(3) },
      [`status.completionTime: Invalid value: "${at(2)}": must be equal to or after \`startTime\``],
    ],
    [
      'pods of a finished job',
      {},
      { startTime: at(1) },
      { ...done, active: 1, terminating: 1, uncountedTerminatedPods: { failed: ['a'] } },
      [
        'status.active: Invalid value: 1: active>0 is invalid for finished job',
        'status.uncountedTerminatedPods: Invalid value: {"Succeeded":null,"Failed":["a"]}: must be empty for finished job',
        'status.terminating: Invalid value: 1: terminating>0 is invalid for finished job',
      ],
    ],
    [
      'suspended without completions it never starts',
      { suspend: true, completions: 0 },
      {},
      { completionTime: at(2), ...yes('SuccessCriteriaMet', 'Complete') },
      [],
    ],
    ['more ready than active', {}, {}, { ready: 1 }, ['status.ready: Invalid value: 1: cannot set more ready pods than active']],
    [
      'indexes without index',
      {},
      {},
      { completedIndexes: '0', failedIndexes: '1' },
      [
        'status.completedIndexes: Invalid value: "0": cannot set non-empty completedIndexes when non-indexed completion mode',
        'status.failedIndexes: Invalid value: "1": cannot set non-null failedIndexes when backoffLimitPerIndex is null',
      ],
    ],
    [
      'indexes that are none',
      indexed,
      {},
      { completedIndexes: '5' },
      ['status.completedIndexes: Invalid value: "5": error parsing completedIndexes: too large index: "5"'],
    ],
    [
      'indexes that both failed and completed',
      indexed,
      {},
      { completedIndexes: '0,2-4', failedIndexes: '1,3' },
      ['status.failedIndexes: Invalid value: "1,3": failedIndexes and completedIndexes overlap at index: 3'],
    ],
    [
      'what may not go back',
      {},
      { ...done, failed: 2, succeeded: 2 },
      { startTime: at(1), failed: 1, succeeded: 1 },
      [
        `${conditions} cannot disable the terminal Complete=True condition`,
        'status.failed: Invalid value: 1: cannot decrease the failed counter',
        'status.succeeded: Invalid value: 1: cannot decrease the succeeded counter',
        `${conditions} cannot disable the SuccessCriteriaMet=True condition`,
      ],
    ],
    ['an indexed job that is scaled counts fewer', { ...indexed, parallelism: 5 }, { succeeded: 2 }, { succeeded: 1 }, []],
    [
      'another start',
      {},
      { startTime: at(1) },
      { startTime: at(2) },
      [`status.startTime: Invalid value: "${at(2)}": field is immutable for unsuspended job once set`],
    ],
    [
      'another start when it resumes',
      {},
      { startTime: at(1), ...yes('Suspended') },
      { startTime: at(2), conditions: [{ type: 'Suspended', status: 'False' }] },
      [],
    ],
    ['none while it is suspended', { suspend: true }, { startTime: at(1) }, yes('Suspended'), []],
    [
      'another end',
      {},
      done,
      { ...done, completionTime: at(3) },
      [`status.completionTime: Invalid value: "${at(3)}": field is immutable`],
    ],
  ];
  for (const [name, spec, old, status, errors] of cases)
    it(name, () => {
      assert.deepEqual(texts(validateJobStatus(job(spec, status), job(spec, old))), errors);
    });
});
