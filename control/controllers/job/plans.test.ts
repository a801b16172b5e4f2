/** Tests the pure parts of the Job controller. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ContainerStatus, Job, JobSpec, JobStatus, Pod } from '#api/types.generated.ts';
import { assess } from './assess.ts';
import { nextBackOff, noFailures, remainingMs } from './back-off.ts';
import { judgeFailure } from './failure-policy.ts';
import {
  firstMissing,
  hasIndex,
  type IndexSet,
  indexSetOf,
  indexSetText,
  overlapSize,
  parseIndexSet,
  sizeOf,
  union,
} from './index-set.ts';
import { planPods } from './plan-pods.ts';
import { finishedMs } from './pod-facts.ts';
import { podForJob } from './pod-for-job.ts';
import { countReleased, track } from './tracking.ts';

const nowMs = Date.UTC(2026, 0, 2);
const at = (secondsAgo: number): string => new Date(nowMs - secondsAgo * 1000).toISOString();

interface Sketch {
  phase?: string;
  index?: number;
  failures?: number;
  endedAgo?: number;
  exitCode?: number;
  tracked?: boolean;
  deleting?: boolean;
}

function pod(
  uid: string,
  { phase = 'Running', index, failures, endedAgo, exitCode = 0, tracked = true, deleting = false }: Sketch = {},
): Pod {
  const annotations = {
    ...(index === undefined ? {} : { 'batch.kubernetes.io/job-completion-index': String(index) }),
    ...(failures === undefined ? {} : { 'batch.kubernetes.io/job-index-failure-count': String(failures) }),
  };
  const terminated = { exitCode, finishedAt: at(endedAgo ?? 0) };
  const status: ContainerStatus = {
    name: 'c',
    image: '',
    imageID: '',
    ready: false,
    restartCount: 0,
    state: endedAgo === undefined ? {} : { terminated },
  };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: uid,
      namespace: 'ns',
      uid,
      resourceVersion: '1',
      creationTimestamp: at(1000),
      annotations,
      ...(tracked ? { finalizers: ['batch.kubernetes.io/job-tracking'] } : {}),
      ...(deleting ? { deletionTimestamp: at(0) } : {}),
    },
    spec: { containers: [] },
    status: { phase, containerStatuses: [status] },
  };
}

const job = (spec: Partial<JobSpec> = {}, status: JobStatus = {}): Job => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'pi', namespace: 'ns', uid: 'j', resourceVersion: '1', creationTimestamp: at(2000) },
  spec: {
    template: { spec: { containers: [{ name: 'c' }], restartPolicy: 'Never' } },
    parallelism: 2,
    completions: 4,
    backoffLimit: 6,
    ...spec,
  },
  status,
});
const indexed = (spec: Partial<JobSpec> = {}, status: JobStatus = {}): Job => job({ completionMode: 'Indexed', ...spec }, status);
const some = (count: number, sketch: Sketch = {}): Pod[] => Array.from({ length: count }, (_, each) => pod(`p${each}`, sketch));
const perIndex = { backoffLimitPerIndex: 1, parallelism: 4 };

describe('index sets', () => {
  const set: IndexSet = [
    [0, 0],
    [2, 3],
    [5, 8],
  ];
  it('are read and written', () => {
    assert.equal(indexSetText(set), '0,2,3,5-8');
    assert.deepEqual(parseIndexSet('0,2,3,x,5-8,9', 9), set);
    assert.deepEqual(parseIndexSet('0-3,5', 3), [[0, 2]]);
    assert.deepEqual(
      [sizeOf(set), hasIndex(set, 3), hasIndex(set, 4), hasIndex(set, 9), hasIndex([], 0)],
      [7, true, false, false, false],
    );
  });
  it('are put together and compared', () => {
    assert.deepEqual(union(set, indexSetOf([9, 1, 1])), [
      [0, 3],
      [5, 9],
    ]);
    assert.deepEqual([overlapSize(set, [[1, 6]]), overlapSize(set, [])], [4, 0]);
    assert.deepEqual([firstMissing(set, 3, 20), firstMissing(set, 9, 6), firstMissing([], 0, 5)], [[1, 4, 9], [1, 4], []]);
  });
});

describe('pods of a job', () => {
  const cases: [string, Job, Pod[], { create?: (number | undefined)[]; remove?: string[]; waitMs?: number }][] = [
    ['are created up to parallelism', job(), some(1), { create: [undefined] }],
    ['but not beyond completions', job({}, { succeeded: 3 }), [], { create: [undefined] }],
    ['are removed beyond them', job({ parallelism: 1 }), some(2), { remove: ['p0'] }],
    ['are all removed when it is suspended', job({ suspend: true }), some(2), { remove: ['p0', 'p1'] }],
    ['are replaced after the back-off', job(), [pod('a', { phase: 'Failed', endedAgo: 4 })], { waitMs: 6000 }],
    ['and at once after it', job(), [pod('a', { phase: 'Failed', endedAgo: 11 })], { create: [undefined, undefined] }],
    ['that are going are replaced', job(), [pod('a', { deleting: true, endedAgo: 20 })], { create: [undefined, undefined] }],
    [
      'unless it waits for their end',
      job({ podReplacementPolicy: 'Failed' }),
      [pod('a', { deleting: true })],
      { create: [undefined] },
    ],
    [
      'of a work queue are not replaced after a success',
      { ...job({}, { succeeded: 1 }), spec: { template: {}, parallelism: 3 } },
      some(1),
      {},
    ],
    ['get the first indexes that are free', indexed({}, { completedIndexes: '0' }), [pod('a', { index: 2 })], { create: [1] }],
    [
      'with one index twice are removed but for one',
      indexed({ parallelism: 4 }),
      [pod('a', { index: 1 }), pod('b', { index: 1 })],
      { remove: ['a'] },
    ],
    ['without an index or beyond the last are removed', indexed(), [pod('a'), pod('b', { index: 4 })], { remove: ['a', 'b'] }],
    [
      'an index waits, others do not',
      indexed(perIndex),
      [pod('a', { index: 1, phase: 'Failed', failures: 0, endedAgo: 4 })],
      { create: [0, 2, 3] },
    ],
    [
      'when all that is left waits, so does the job',
      indexed({ ...perIndex, backoffLimitPerIndex: 3 }, { completedIndexes: '0,2,3' }),
      [pod('a', { index: 1, phase: 'Failed', failures: 1, endedAgo: 4 })],
      { waitMs: 16_000 },
    ],
    ['indexes that failed get none', indexed(perIndex, { completedIndexes: '0', failedIndexes: '1' }), [], { create: [2, 3] }],
    [
      'at most 500 at a time',
      job({ parallelism: 2000, completions: 2000 }),
      [],
      { create: Array.from({ length: 500 }, () => undefined) },
    ],
  ];
  for (const [name, object, pods, { create = [], remove = [], waitMs }] of cases)
    it(name, () => {
      const plan = planPods(object, pods, assess(object, pods, noFailures, nowMs), nowMs);
      assert.deepEqual(
        [plan.create, plan.remove.map(({ metadata }) => metadata.uid).sort(), plan.waitMs],
        [create, remove, waitMs],
      );
    });
});

describe('ends of a job', () => {
  const failed = (count: number): Pod[] => some(count, { phase: 'Failed', endedAgo: 1 });
  const restarting = pod('r', {});
  const status = restarting.status?.containerStatuses?.[0];
  if (status !== undefined) status.restartCount = 3;
  const onFailure = { template: { spec: { containers: [], restartPolicy: 'OnFailure' } } };
  const yes = (type: string, reason = 'R', message = 'M') => ({ conditions: [{ type, status: 'True', reason, message }] });
  const cases: [string, Job, Pod[], [type: string, reason: string] | undefined][] = [
    ['within the limit', job({ backoffLimit: 2 }), failed(2), undefined],
    ['beyond it', job({ backoffLimit: 2 }), failed(3), ['FailureTarget', 'BackoffLimitExceeded']],
    [
      'with earlier failures',
      job({ backoffLimit: 2 }, { failed: 2, uncountedTerminatedPods: { failed: ['x'] } }),
      [],
      ['FailureTarget', 'BackoffLimitExceeded'],
    ],
    ['restarts in place count', job({ ...onFailure, backoffLimit: 3 }), [restarting], ['FailureTarget', 'BackoffLimitExceeded']],
    ['fewer do not', job({ ...onFailure, backoffLimit: 4 }), [restarting], undefined],
    ['past the deadline', job({ activeDeadlineSeconds: 5 }, { startTime: at(5) }), [], ['FailureTarget', 'DeadlineExceeded']],
    ['before it', job({ activeDeadlineSeconds: 5 }, { startTime: at(4) }), [], undefined],
    ['not while suspended', job({ activeDeadlineSeconds: 5, suspend: true }, { startTime: at(50) }), [], undefined],
    [
      'what is decided stays decided',
      job({ backoffLimit: 0 }, yes('SuccessCriteriaMet')),
      failed(3),
      ['SuccessCriteriaMet', 'R'],
    ],
    ['also a failure', job({}, yes('FailureTarget')), [], ['Failed', 'R']],
    [
      'too many indexes failed',
      indexed({ ...perIndex, maxFailedIndexes: 0 }, { failedIndexes: '1' }),
      [],
      ['FailureTarget', 'MaxFailedIndexesExceeded'],
    ],
    [
      'some failed, the others are done',
      indexed(perIndex, { failedIndexes: '1', completedIndexes: '0,2,3' }),
      [],
      ['FailureTarget', 'FailedIndexes'],
    ],
    [
      'an index beyond its limit',
      indexed({ ...perIndex, maxFailedIndexes: 0 }),
      [pod('a', { phase: 'Failed', index: 0, failures: 1 })],
      ['FailureTarget', 'MaxFailedIndexesExceeded'],
    ],
    [
      'enough succeeded',
      indexed({ successPolicy: { rules: [{ succeededCount: 2 }] } }, { completedIndexes: '1,3' }),
      [],
      ['SuccessCriteriaMet', 'SuccessPolicy'],
    ],
    [
      'the wrong ones',
      indexed({ successPolicy: { rules: [{ succeededIndexes: '0,2' }] } }, { completedIndexes: '0,1' }),
      [],
      undefined,
    ],
  ];
  for (const [name, object, pods, expected] of cases)
    it(name, () => {
      const { ending } = assess(object, pods, noFailures, nowMs);
      assert.deepEqual(ending === undefined ? undefined : [ending.type, ending.reason], expected);
    });
});

describe('failure policy', () => {
  const failed = pod('a', { phase: 'Failed', endedAgo: 1, exitCode: 3 });
  const exit = (action: string, operator: string, values: number[], containerName?: string) => ({
    action,
    onExitCodes: { operator, values, ...(containerName === undefined ? {} : { containerName }) },
  });
  it('the first rule that matches decides', () => {
    assert.deepEqual(
      judgeFailure({ rules: [exit('Ignore', 'NotIn', [3]), exit('Count', 'In', [3]), exit('Ignore', 'In', [3])] }, failed),
      { action: 'Count', counts: true },
    );
    assert.deepEqual(judgeFailure({ rules: [exit('Ignore', 'In', [3], 'other')] }, failed), { counts: true });
    assert.deepEqual(judgeFailure(undefined, failed), { counts: true });
  });
  it('conditions match by type and status', () => {
    const evicted = structuredClone(failed);
    evicted.status = { ...evicted.status, conditions: [{ type: 'DisruptionTarget', status: 'True' }] };
    const rules = [{ action: 'FailJob', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }];
    assert.equal(
      judgeFailure({ rules }, evicted).failJobMessage,
      'Pod ns/a has condition DisruptionTarget matching FailJob rule at index 0',
    );
    assert.deepEqual(
      judgeFailure({ rules: [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'False' }] }] }, evicted),
      { counts: true },
    );
  });
});

describe('counting', () => {
  const counts = ({ succeeded, failed, uncountedTerminatedPods }: JobStatus) => [succeeded, failed, uncountedTerminatedPods];
  it('first notes pods, then releases and counts them', () => {
    const pods = [pod('s', { phase: 'Succeeded' }), pod('f', { phase: 'Failed' }), pod('r')];
    const noted = track(job(), pods, {}, undefined, {});
    assert.deepEqual(
      [counts(noted.status), noted.release.map(({ metadata }) => metadata.uid)],
      [
        [0, 0, { succeeded: ['s'], failed: ['f'] }],
        ['s', 'f'],
      ],
    );
    assert.deepEqual(counts(countReleased(noted.status, new Set(['f', 'r']))), [1, 0, { failed: ['f'] }]);
  });
  it('goes on after a crash between the steps', () => {
    const before = { succeeded: 1, uncountedTerminatedPods: { succeeded: ['s'], failed: ['f'] } };
    // `s` has lost its finalizer, `f` has not.
    const pods = [pod('s', { phase: 'Succeeded', tracked: false }), pod('f', { phase: 'Failed' })];
    const again = track(job({}, before), pods, {}, undefined, before);
    assert.deepEqual([counts(again.status), again.release.length], [[2, 0, { failed: ['f'] }], 1]);
    // A pod that is gone has been released.
    assert.deepEqual(counts(track(job({}, before), [], {}, undefined, before).status), [2, 1, {}]);
  });
  it('of indexes counts each index once', () => {
    const object = indexed({}, { completedIndexes: '1', succeeded: 1 });
    const pods = [
      pod('b', { index: 1, phase: 'Succeeded' }),
      pod('a', { index: 0, phase: 'Succeeded' }),
      pod('x', { index: 9, phase: 'Succeeded' }),
    ];
    const { indexes } = assess(object, pods, noFailures, nowMs);
    assert.ok(indexes !== undefined);
    const { status, release } = track(object, pods, { indexes }, undefined, object.status ?? {});
    assert.deepEqual([status.succeeded, status.completedIndexes, release.length], [2, '0,1', 3]);
  });
  it('keeps the last failed pod of an index until another one follows it', () => {
    const object = indexed(perIndex);
    const pods = [pod('a', { index: 0, phase: 'Failed', failures: 0, endedAgo: 1 })];
    const released = (more: Pod[]): string[] => {
      const all = [...pods, ...more];
      const { indexes } = assess(object, all, noFailures, nowMs);
      return track(object, all, indexes === undefined ? {} : { indexes }, undefined, {}).release.map(
        ({ metadata }) => metadata.uid,
      );
    };
    assert.deepEqual([released([]), released([pod('b', { index: 0, failures: 1 })])], [[], ['a']]);
  });
  it('with the job all that has not succeeded has failed', () => {
    const pods = [pod('r'), pod('s', { phase: 'Succeeded' })];
    const end = (type: string) => track(job(), pods, {}, { type, status: 'True' }, {}).status.uncountedTerminatedPods;
    assert.deepEqual(
      [end('FailureTarget'), end('SuccessCriteriaMet')],
      [{ succeeded: ['s'], failed: ['r'] }, { succeeded: ['s'] }],
    );
  });
  for (const mode of ['NonIndexed', 'Indexed'] as const)
    it(`counts each pod once, whatever steps are lost: ${mode}`, () => {
      for (let seed = 1; seed <= 300; seed++) countsOnce(mode, seededRandom(seed));
    });
  it('takes at most 500 at a time', () => {
    const { release, more } = track(job(), some(600, { phase: 'Succeeded' }), {}, undefined, {});
    assert.deepEqual([release.length, more], [500, true]);
  });
});

describe('back-off', () => {
  const failed = (endedAgo: number): Pod => pod('f', { phase: 'Failed', endedAgo });
  const succeeded = (endedAgo: number): Pod => pod('s', { phase: 'Succeeded', endedAgo });
  it('doubles from 10 s to 10 minutes', () => {
    const waits = [1, 2, 3, 6, 7, 8, 2 ** 31].map((failures) => remainingMs({ failures, lastFailureMs: nowMs }, nowMs) / 1000);
    assert.deepEqual(waits, [10, 20, 40, 320, 600, 600, 600]);
    assert.equal(remainingMs({ failures: 1, lastFailureMs: nowMs - 11_000 }, nowMs), 0);
  });
  it('begins anew with a success', () => {
    const before = { failures: 3, lastFailureMs: nowMs - 100_000 };
    assert.deepEqual(nextBackOff(before, [], []), before);
    assert.deepEqual(nextBackOff(before, [], [failed(5), failed(7)]), { failures: 5, lastFailureMs: nowMs - 5000 });
    assert.deepEqual(nextBackOff(before, [succeeded(6)], [failed(5), failed(7)]), { failures: 1, lastFailureMs: nowMs - 5000 });
    assert.deepEqual(nextBackOff(before, [succeeded(6)], []), noFailures);
  });
  it('knows when a pod ended without its containers', () => {
    const deleted = pod('d', { deleting: true });
    deleted.metadata.deletionGracePeriodSeconds = 30;
    assert.equal(finishedMs(deleted), nowMs - 30_000);
    assert.equal(finishedMs(pod('n')), nowMs - 1_000_000);
  });
});

describe('the pod of an index', () => {
  it('takes over how often the index failed', () => {
    const rules = [{ action: 'Ignore', onExitCodes: { operator: 'In', values: [3] } }];
    const object = indexed({ ...perIndex, podFailurePolicy: { rules } });
    const counts = (replaced: Pod | undefined): (string | undefined)[] => {
      const { annotations } = podForJob(object, 1, replaced).metadata;
      return [
        annotations?.['batch.kubernetes.io/job-index-failure-count'],
        annotations?.['batch.kubernetes.io/job-index-ignored-failure-count'],
      ];
    };
    assert.deepEqual(counts(undefined), ['0', undefined]);
    assert.deepEqual(counts(pod('a', { failures: 1, endedAgo: 1, exitCode: 1 })), ['2', undefined]);
    assert.deepEqual(counts(pod('a', { failures: 1, endedAgo: 1, exitCode: 3 })), ['1', '1']);
  });
  it('keeps its index in a long name, and its own variable', () => {
    const object = indexed();
    object.metadata.name = 'x'.repeat(63);
    object.spec.template.spec = { containers: [{ name: 'c', env: [{ name: 'JOB_COMPLETION_INDEX', value: 'mine' }] }] };
    const made = podForJob(object, 12, undefined);
    assert.equal(made.metadata.generateName, `${'x'.repeat(54)}-12-`);
    assert.deepEqual(made.spec.containers[0]?.env, [{ name: 'JOB_COMPLETION_INDEX', value: 'mine' }]);
  });
});

/** Numbers in [0, 1) that are the same for the same seed. */
function seededRandom(seed: number): () => number {
  let state = seed * 2654435761;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Pods end one after the other; the controller crashes between any two of its steps, and users delete what they can. */
function countsOnce(completionMode: 'NonIndexed' | 'Indexed', random: () => number): void {
  let status: JobStatus = {};
  const expected = { succeeded: 0, failed: 0 };
  let pods: Pod[] = [];
  const look = (): void => {
    const object = job({ completionMode, completions: 100, parallelism: 100 }, status);
    const { indexes } = assess(object, pods, noFailures, nowMs);
    const { status: noted, release } = track(object, pods, indexes === undefined ? {} : { indexes }, undefined, status);
    if (random() < 0.3) return; // Crashed, or lost a race, before the first write.
    status = noted;
    for (const { metadata } of release) if (random() < 0.7) delete metadata.finalizers;
    if (random() < 0.3) return; // Crashed before the second one.
    const held = pods.filter(({ metadata }) => metadata.finalizers !== undefined).map(({ metadata }) => metadata.uid);
    status = countReleased(status, new Set(held));
  };
  for (let index = 0; index < 12; index++) {
    const phase = random() < 0.5 ? 'Succeeded' : 'Failed';
    expected[phase === 'Succeeded' ? 'succeeded' : 'failed']++;
    pods.push(pod(`p${index}`, { phase, index, endedAgo: 1 }));
    look();
    // A pod without a finalizer can vanish at any time.
    pods = pods.filter(({ metadata }) => metadata.finalizers !== undefined || random() < 0.5);
  }
  for (let rounds = 0; rounds < 40; rounds++) look();
  const { succeeded = 0, failed = 0, uncountedTerminatedPods = {} } = status;
  assert.deepEqual([{ succeeded, failed }, uncountedTerminatedPods], [expected, {}]);
}
