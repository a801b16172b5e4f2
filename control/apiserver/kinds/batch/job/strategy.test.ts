import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Job, JobSpec } from '#api/types.generated.ts';
import { create, systemMeta, update } from '../../strategy.testing.ts';
import { jobKind } from './strategy.ts';

const { strategy } = jobKind;
const pod = { containers: [{ name: 'c', image: 'busybox' }], restartPolicy: 'Never' };
const job = (spec: Partial<JobSpec> = {}, labels?: Record<string, string>): Job => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { ...systemMeta('pi', 'ns'), ...(labels === undefined ? {} : { labels }) },
  spec: { template: { spec: pod }, ...spec },
});
const generated = {
  'batch.kubernetes.io/controller-uid': 'u1',
  'batch.kubernetes.io/job-name': 'pi',
  'controller-uid': 'u1',
  'job-name': 'pi',
};

describe('jobs', () => {
  it('get what upstream fills in', async () => {
    const { object, errors } = await create(strategy, job());
    assert.deepEqual(errors, []);
    const { template, ...rest } = object.spec;
    assert.deepEqual(rest, {
      completions: 1,
      parallelism: 1,
      backoffLimit: 6,
      completionMode: 'NonIndexed',
      suspend: false,
      podReplacementPolicy: 'TerminatingOrFailed',
      manualSelector: false,
      selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': 'u1' } },
    });
    assert.deepEqual(template.metadata?.labels, generated);
    assert.deepEqual([object.metadata.labels, object.metadata.generation, object.status], [generated, 1, {}]);
  });

  const defaults: [string, Partial<JobSpec>, Partial<JobSpec>][] = [
    ['parallelism alone leaves completions open', { parallelism: 3 }, { parallelism: 3, completions: undefined }],
    ['completions alone run one by one', { completions: 3 }, { parallelism: 1, completions: 3 }],
    [
      'a limit for each index lifts the common one',
      { completionMode: 'Indexed', completions: 2, backoffLimitPerIndex: 1 },
      { backoffLimit: 2147483647 },
    ],
    [
      'a failure policy waits for pods to have failed',
      { podFailurePolicy: { rules: [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget' }] }] } },
      {
        podReplacementPolicy: 'Failed',
        podFailurePolicy: { rules: [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }] },
      },
    ],
  ];
  for (const [name, spec, expected] of defaults)
    it(name, async () => {
      const { object, errors } = await create(strategy, job(spec));
      assert.deepEqual(errors, []);
      const actual = Object.fromEntries(Object.keys(expected).map((key) => [key, object.spec[key as keyof JobSpec]]));
      assert.deepEqual(actual, expected);
    });

  it("take the template's labels only where they have none, with those that are generated", async () => {
    const template = { metadata: { labels: { app: 'x' } }, spec: pod };
    assert.deepEqual((await create(strategy, job({ template }))).object.metadata.labels, { app: 'x', ...generated });
    const own = (await create(strategy, job({ template }, { app: 'x' }))).object;
    assert.deepEqual(own.metadata.labels, { app: 'x' });
  });

  it('with a selector of their own are left alone', async () => {
    const template = { metadata: { labels: { app: 'x' } }, spec: pod };
    const selector = { matchLabels: { app: 'x' } };
    const { object, errors } = await create(strategy, job({ template, selector, manualSelector: true }));
    assert.deepEqual([errors, object.spec.selector, object.spec.template.metadata?.labels], [[], selector, { app: 'x' }]);
  });

  it('separate status and spec; generation counts changes of the spec', async () => {
    const { object } = await create(strategy, job());
    const scaled = await update(strategy, object, (one) => {
      one.spec.parallelism = 2;
      one.status = { succeeded: 5 };
    });
    assert.deepEqual([scaled.object.metadata.generation, scaled.object.status], [2, {}]);
    const reported = await update(
      strategy,
      object,
      (one) => {
        one.spec.parallelism = 2;
        one.status = { succeeded: 5 };
      },
      'status',
    );
    assert.deepEqual(
      [reported.object.metadata.generation, reported.object.spec.parallelism, reported.object.status],
      [1, 1, { succeeded: 5 }],
    );
    assert.deepEqual(strategy.fields?.(reported.object), { 'status.successful': '5' });
  });

  it('warn: names that are no DNS labels, too many indexes, and deletes that leave pods behind', async () => {
    const odd = (await create(strategy, { ...job(), metadata: systemMeta('a.b', 'ns') })).object;
    assert.match(strategy.warnings?.(odd, undefined)[0] ?? '', /^metadata.name: this is used in Pod names/);
    const many = (await create(strategy, job({ completionMode: 'Indexed', completions: 100_001, parallelism: 10_001 }))).object;
    assert.match(strategy.warnings?.(many, undefined)[0] ?? '', /^spec: In Indexed Jobs with a number of completions/);
    assert.deepEqual(strategy.warnings?.(many, many), []);
    assert.equal(strategy.deleteWarnings?.({}).length, 1);
    assert.deepEqual(
      [strategy.deleteWarnings?.({ propagationPolicy: 'Background' }), strategy.deleteWarnings?.({ orphanDependents: false })],
      [[], []],
    );
    assert.equal(strategy.defaultPropagation, 'Orphan');
  });
});
