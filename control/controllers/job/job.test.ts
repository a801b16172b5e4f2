import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { finishedCondition } from '#api/batch/job.ts';
import { isNotFound } from '#api/status.ts';
import type { Job, JobSpec, Pod } from '#api/types.generated.ts';
import type { World } from '../cluster.testing.ts';
import { startWorld } from '../cluster.testing.ts';
import { isTracked } from './pod-facts.ts';

const namespace = 'default';
const index = ({ metadata }: Pod): number => Number(metadata.annotations?.['batch.kubernetes.io/job-completion-index']);
const indexed = { completionMode: 'Indexed', completions: 4, parallelism: 4 };

describe('Job controller', () => {
  let world: World;
  let serial = 0;
  before(async () => {
    world = await startWorld();
    await world.addNode('n1');
  });
  after(() => world.stop());
  afterEach(() => {
    world.play = () => 'ready';
  });

  const jobs = () => world.client.resource('jobs.batch');
  const get = (name: string): Promise<Job> => jobs().get({ namespace, name });
  async function podsOf(name: string): Promise<Pod[]> {
    const { items } = await world.client.resource('pods').list({ namespace });
    return items.filter(({ metadata }) => metadata.labels?.['job-name'] === name || metadata.labels?.['of'] === name);
  }
  async function create(spec: Partial<JobSpec> = {}): Promise<string> {
    const name = `job-${serial++}`;
    const template = {
      metadata: { labels: { of: name } },
      spec: { containers: [{ name: 'c', image: 'busybox' }], restartPolicy: 'Never' },
    };
    await jobs().create({ apiVersion: 'batch/v1', kind: 'Job', metadata: { name, namespace }, spec: { template, ...spec } });
    return name;
  }
  const ended = (name: string, maxSeconds = 60): Promise<Job> =>
    world.until(
      `${name} ends`,
      async () => {
        const job = await get(name);
        return finishedCondition(job) !== undefined && job;
      },
      maxSeconds,
    );
  async function reasons(name: string): Promise<string[]> {
    const { items } = await world.client.resource('events').list({ namespace });
    return items.filter(({ involvedObject }) => involvedObject.name === name).map(({ reason = '' }) => reason);
  }
  const end = ({ status }: Job) => finishedCondition({ status });

  it('runs at most as many pods as parallelism allows until enough have succeeded, and counts each once', async () => {
    let most = 0;
    world.play = () => ({ exitCode: 0 });
    const name = await create({ completions: 5, parallelism: 2 });
    const job = await world.until('it ends', async () => {
      const pods = await podsOf(name);
      most = Math.max(most, pods.filter(({ status }) => status?.phase !== 'Succeeded').length);
      const one = await get(name);
      return finishedCondition(one) !== undefined && one;
    });
    const { status = {} } = job;
    assert.deepEqual(
      [status.succeeded, status.failed ?? 0, status.active ?? 0, end(job)?.type, end(job)?.reason],
      [5, 0, 0, 'Complete', 'CompletionsReached'],
    );
    assert.equal(end(job)?.message, 'Reached expected number of succeeded pods');
    assert.deepEqual([typeof status.startTime, typeof status.completionTime], ['string', 'string']);
    assert.ok(most <= 2, `${most} pods at once`);
    const pods = await podsOf(name);
    assert.deepEqual([pods.length, pods.some(isTracked)], [5, false]);
    await world.pass(2);
    const recorded = await reasons(name);
    assert.ok(recorded.includes('SuccessfulCreate') && recorded.includes('Completed'), recorded.join());
    assert.equal((await get(name)).metadata.resourceVersion, job.metadata.resourceVersion, 'a job that has ended is left alone');
  });

  it('writes nothing while nothing changes', async () => {
    const name = await create();
    await world.until('it runs', async () => ((await get(name)).status?.ready ?? 0) === 1);
    await world.pass(3);
    const { metadata } = await get(name);
    await world.pass(10);
    assert.equal((await get(name)).metadata.resourceVersion, metadata.resourceVersion);
  });

  it('waits longer after each failure, and gives up beyond the limit', async () => {
    world.play = () => ({ exitCode: 1 });
    const startMs = world.clock.now();
    const name = await create({ backoffLimit: 2 });
    const job = await ended(name, 120);
    assert.deepEqual(
      [job.status?.failed, end(job)?.reason, end(job)?.message],
      [3, 'BackoffLimitExceeded', 'Job has reached the specified backoff limit'],
    );
    const seconds = (world.clock.now() - startMs) / 1000;
    assert.ok(seconds >= 30, `10 s and 20 s of back-off, took ${seconds} s`);
    assert.deepEqual(
      job.status?.conditions?.map(({ type }) => type),
      ['FailureTarget', 'Failed'],
    );
    assert.equal((await podsOf(name)).some(isTracked), false);
  });

  it('gives each index a pod with its name, host name and variable', async () => {
    world.play = () => ({ exitCode: 0 });
    const name = await create(indexed);
    const job = await ended(name);
    assert.equal(job.status?.completedIndexes, '0-3');
    const pods = (await podsOf(name)).sort((a, b) => index(a) - index(b));
    assert.deepEqual(
      pods.map(({ spec }) => spec.hostname),
      [0, 1, 2, 3].map((each) => `${name}-${each}`),
    );
    const [first] = pods;
    assert.match(first?.metadata.name ?? '', new RegExp(`^${name}-0-[a-z0-9]{5}$`));
    assert.equal(first?.metadata.labels?.['batch.kubernetes.io/job-completion-index'], '0');
    assert.equal(first.spec.containers[0]?.env?.[0]?.name, 'JOB_COMPLETION_INDEX');
  });

  it('fails an index beyond its own limit, and finishes the others first', async () => {
    world.play = (pod) => ({ exitCode: index(pod) === 1 ? 1 : 0 });
    const name = await create({ ...indexed, backoffLimitPerIndex: 1 });
    const job = await ended(name);
    const { status = {} } = job;
    assert.deepEqual(
      [status.completedIndexes, status.failedIndexes, status.failed, end(job)?.reason],
      ['0,2,3', '1', 2, 'FailedIndexes'],
    );
  });

  it('fails at once where the failure policy says so, with the pod in its message', async () => {
    world.play = (pod) => (index(pod) === 0 ? { exitCode: 42 } : 'ready');
    const rules = [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [42] } }];
    const name = await create({ ...indexed, podFailurePolicy: { rules } });
    const job = await ended(name);
    assert.equal(end(job)?.reason, 'PodFailurePolicy');
    assert.match(
      end(job)?.message ?? '',
      new RegExp(`^Container c for pod default/${name}-0-\\w+ failed with exit code 42 matching FailJob rule at index 0$`),
    );
    assert.equal((await podsOf(name)).filter(({ status }) => status?.phase === 'Running').length, 0);
  });

  it('does not count failures that are ignored', async () => {
    let failures = 0;
    world.play = () => ({ exitCode: failures++ < 2 ? 3 : 0 });
    const rules = [{ action: 'Ignore', onExitCodes: { operator: 'In', values: [3] } }];
    const job = await ended(await create({ backoffLimit: 0, podFailurePolicy: { rules } }), 120);
    assert.deepEqual([end(job)?.type, job.status?.failed ?? 0, job.status?.succeeded], ['Complete', 0, 1]);
  });

  it('has succeeded with the indexes that its success policy names', async () => {
    world.play = (pod) => (index(pod) === 2 ? { exitCode: 0 } : 'ready');
    const name = await create({ ...indexed, successPolicy: { rules: [{ succeededIndexes: '2-3', succeededCount: 1 }] } });
    const job = await ended(name);
    assert.deepEqual(
      [end(job)?.type, end(job)?.reason, end(job)?.message],
      ['Complete', 'SuccessPolicy', 'Matched rules at index 0'],
    );
    assert.deepEqual([job.status?.completedIndexes, job.status?.failed ?? 0], ['2', 0]);
  });

  it('deletes its pods when suspended, and begins anew when resumed', async () => {
    const name = await create({ parallelism: 2, completions: 2 });
    await world.until('two run', async () => ((await get(name)).status?.active ?? 0) === 2);
    const patch = (suspend: boolean) => jobs().patch({ namespace, name }, { type: 'merge', body: { spec: { suspend } } });
    await patch(true);
    const suspended = await world.until('none is left', async () => {
      const job = await get(name);
      return (await podsOf(name)).length === 0 && job.status?.conditions?.[0]?.status === 'True' && job;
    });
    assert.deepEqual(
      [suspended.status?.startTime, suspended.status?.failed ?? 0, suspended.status?.active ?? 0],
      [undefined, 0, 0],
    );
    world.play = () => ({ exitCode: 0 });
    await patch(false);
    const job = await ended(name);
    assert.deepEqual([job.status?.succeeded, job.status?.failed ?? 0], [2, 0]);
    assert.equal(job.status?.conditions?.find(({ type }) => type === 'Suspended')?.reason, 'JobResumed');
    const recorded = await reasons(name);
    assert.ok(recorded.includes('Suspended') && recorded.includes('Resumed'), recorded.join());
  });

  it('fails when it runs longer than it may', async () => {
    const name = await create({ activeDeadlineSeconds: 5 });
    const job = await ended(name);
    assert.deepEqual(
      [end(job)?.reason, end(job)?.message],
      ['DeadlineExceeded', 'Job was active longer than specified deadline'],
    );
    assert.equal(job.status?.failed, 1);
  });

  it('leaves jobs of other controllers alone', async () => {
    const name = await create({ managedBy: 'acme.io/foo' });
    await world.pass(3);
    assert.deepEqual([(await podsOf(name)).length, (await get(name)).status], [0, {}]);
  });

  it('replaces pods that are deleted, and counts them as failed', async () => {
    const name = await create();
    const [pod] = await world.until('it runs', async () => {
      const pods = await podsOf(name);
      return pods.length === 1 && pods[0]?.status?.phase === 'Running' && pods;
    });
    await world.client.resource('pods').delete({ namespace, name: pod?.metadata.name ?? '' });
    const job = await world.until('another one runs', async () => {
      const one = await get(name);
      return one.status?.failed === 1 && one.status.active === 1 && one;
    });
    assert.deepEqual(job.status?.uncountedTerminatedPods ?? {}, {});
    assert.equal(
      (await podsOf(name)).some(({ metadata }) => metadata.uid === pod?.metadata.uid),
      false,
    );
  });

  it('waits until a pod has failed before it replaces it, where it says so', async () => {
    const name = await create({ podReplacementPolicy: 'Failed' });
    const [pod] = await world.until('it runs', async () => {
      const pods = await podsOf(name);
      return pods[0]?.status?.phase === 'Running' && pods;
    });
    world.connected.delete('n1'); // Its kubelet does not end the pod.
    await world.client.resource('pods').delete({ namespace, name: pod?.metadata.name ?? '' });
    const going = await world.until('the pod is going', async () => {
      const job = await get(name);
      return job.status?.terminating === 1 && job;
    });
    await world.pass(12);
    assert.deepEqual([(await podsOf(name)).length, going.status?.failed ?? 0, going.status?.active ?? 0], [1, 0, 0]);
    const key = { namespace, name: pod?.metadata.name ?? '' };
    const failed = { type: 'merge' as const, body: { status: { phase: 'Failed' } } };
    await world.client.resource('pods').patch(key, failed, { subresource: 'status' });
    world.connected.add('n1');
    await world.until('another one runs', async () => {
      const { status } = await get(name);
      return status?.failed === 1 && status.active === 1 && (status.terminating ?? 0) === 0;
    });
  });

  it('does not count pods whose disruption is to be ignored', async () => {
    const rules = [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }];
    const name = await create({ backoffLimit: 0, podFailurePolicy: { rules } });
    const [pod] = await world.until('it runs', async () => {
      const pods = await podsOf(name);
      return pods[0]?.status?.phase === 'Running' && pods;
    });
    const conditions = [{ type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI' }];
    const patch = { type: 'strategic' as const, body: { status: { phase: 'Failed', conditions } } };
    await world.client.resource('pods').patch({ namespace, name: pod?.metadata.name ?? '' }, patch, { subresource: 'status' });
    world.play = (one) => (one.metadata.uid === pod?.metadata.uid ? 'ready' : { exitCode: 0 });
    const job = await ended(name);
    assert.deepEqual([end(job)?.type, job.status?.failed ?? 0], ['Complete', 0]);
  });

  it('keeps conditions that others set', async () => {
    const name = await create({ completions: 1 });
    await world.until('it runs', async () => ((await get(name)).status?.ready ?? 0) === 1);
    const conditions = [{ type: 'Custom', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }];
    const body = { metadata: { annotations: { patched: 'true' } }, status: { conditions } };
    await jobs().patch({ namespace, name }, { type: 'merge', body }, { subresource: 'status' });
    world.play = () => ({ exitCode: 0 });
    for (const { metadata } of await podsOf(name)) await world.client.resource('pods').delete({ namespace, name: metadata.name });
    const job = await ended(name);
    assert.deepEqual(
      [job.metadata.annotations?.['patched'], job.status?.conditions?.map(({ type }) => type)],
      ['true', ['Custom', 'SuccessCriteriaMet', 'Complete']],
    );
  });

  it('adopts pods that match, and releases those that do not', async () => {
    const name = await create();
    const [pod] = await world.until('it runs', async () => {
      const pods = await podsOf(name);
      return pods.length === 1 && pods;
    });
    const key = { namespace, name: pod?.metadata.name ?? '' };
    const pods = world.client.resource('pods');
    await pods.patch(key, { type: 'merge', body: { metadata: { ownerReferences: null } } });
    await world.until('it is adopted', async () => {
      const { metadata } = await pods.get(key);
      return metadata.ownerReferences?.[0]?.kind === 'Job' && metadata.finalizers?.length === 1;
    });
    await pods.patch(key, { type: 'merge', body: { metadata: { labels: { 'batch.kubernetes.io/controller-uid': 'x' } } } });
    await world.until('it is released', async () => {
      const { metadata } = await pods.get(key);
      return metadata.ownerReferences === undefined && (metadata.finalizers ?? []).length === 0;
    });
  });

  for (const [propagationPolicy, left] of [
    ['Orphan', 1],
    ['Background', 0],
    ['Foreground', 0],
  ] as const)
    it(`deleted with ${propagationPolicy} it holds no pod back`, async () => {
      const name = await create();
      await world.until('it runs', async () => ((await get(name)).status?.ready ?? 0) === 1);
      await jobs().delete({ namespace, name }, { propagationPolicy });
      await world.until('it is gone', async () => {
        const pods = await podsOf(name);
        const isGone = await get(name).then(
          () => false,
          (error: unknown) => isNotFound(error),
        );
        return isGone && pods.length === left && !pods.some(isTracked);
      });
    });

  it('is deleted with its pods some time after it ended', async () => {
    world.play = () => ({ exitCode: 0 });
    const name = await create({ ttlSecondsAfterFinished: 10 });
    await ended(name);
    await world.pass(5);
    assert.equal((await get(name)).metadata.deletionTimestamp, undefined);
    await world.until('job and pods are gone', async () => {
      const { items } = await jobs().list({ namespace });
      return !items.some(({ metadata }) => metadata.name === name) && (await podsOf(name)).length === 0;
    });
  });
});
