import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CronJob, CronJobSpec, JobSpec } from '#api/types.generated.ts';
import { create, rejects, systemMeta, update } from '../../strategy.testing.ts';
import { cronJobKind } from './strategy.ts';

const { strategy } = cronJobKind;
const template = { spec: { containers: [{ name: 'c', image: 'busybox' }], restartPolicy: 'OnFailure' } };
const cronJob = (spec: Partial<CronJobSpec> = {}, name = 'tick'): CronJob => ({
  apiVersion: 'batch/v1',
  kind: 'CronJob',
  metadata: systemMeta(name, 'ns'),
  spec: { schedule: '*/5 * * * ?', jobTemplate: { spec: { template } }, ...spec },
});
const withJob = (spec: Partial<JobSpec>): CronJob => cronJob({ jobTemplate: { spec: { template, ...spec } } });
const longName = 'x'.repeat(53);

describe('cron jobs', () => {
  it('get what upstream fills in; jobs get their own defaults when they are made', async () => {
    const { object, errors } = await create(strategy, cronJob());
    const { jobTemplate, ...rest } = object.spec;
    assert.deepEqual(errors, []);
    assert.deepEqual(rest, {
      schedule: '*/5 * * * ?',
      concurrencyPolicy: 'Allow',
      suspend: false,
      successfulJobsHistoryLimit: 3,
      failedJobsHistoryLimit: 1,
    });
    assert.deepEqual(Object.keys(jobTemplate.spec ?? {}), ['template']);
    assert.equal(jobTemplate.spec?.template.spec?.dnsPolicy, 'ClusterFirst');
    assert.deepEqual([object.metadata.generation, object.status], [1, {}]);
  });

  const zone = (schedule: string, timeZone?: string): CronJob =>
    cronJob({ schedule, ...(timeZone === undefined ? {} : { timeZone }) });
  const cases: [string, CronJob, string[]][] = [
    ['no schedule', cronJob({ schedule: '' }), ['spec.schedule: Required value']],
    [
      'a malformed one',
      cronJob({ schedule: 'error' }),
      ['spec.schedule: Invalid value: "error": expected exactly 5 fields, found 1: [error]'],
    ],
    [
      'a zone in the schedule',
      zone('TZ=UTC 0 * * * *', 'Europe/Berlin'),
      ['spec.schedule: Invalid value: "TZ=UTC 0 * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead'],
    ],
    ['an empty zone', zone('@daily', ''), ['spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string']],
    [
      'a zone that is none',
      zone('@daily', 'Mars/Base'),
      ['spec.timeZone: Invalid value: "Mars/Base": unknown time zone Mars/Base'],
    ],
    [
      'a zone in small letters',
      zone('@daily', 'europe/berlin'),
      ['spec.timeZone: Invalid value: "europe/berlin": unknown time zone europe/berlin'],
    ],
    ['a zone with a way out', zone('@daily', '../etc'), ['spec.timeZone: Invalid value: "../etc": unknown time zone ../etc']],
    [
      'a zone that depends on the place',
      zone('@daily', 'local'),
      [
        'spec.timeZone: Invalid value: "local": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones',
        'spec.timeZone: Invalid value: "local": unknown time zone local',
      ],
    ],
    [
      'numbers and policies',
      cronJob({
        startingDeadlineSeconds: -1,
        concurrencyPolicy: 'Some',
        successfulJobsHistoryLimit: -1,
        failedJobsHistoryLimit: -1,
      }),
      [
        'spec.startingDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0',
        'spec.concurrencyPolicy: Unsupported value: "Some": supported values: "Allow", "Forbid", "Replace"',
        'spec.successfulJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0',
        'spec.failedJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0',
      ],
    ],
    [
      'a selector',
      withJob({ selector: { matchLabels: { a: 'b' } }, manualSelector: true }),
      [
        'spec.jobTemplate.spec.selector: Invalid value: {"matchLabels":{"a":"b"}}: `selector` will be auto-generated',
        'spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "nil", "false"',
      ],
    ],
    [
      "what is wrong with the job's spec",
      withJob({ parallelism: -1 }),
      ['spec.jobTemplate.spec.parallelism: Invalid value: -1: must be greater than or equal to 0'],
    ],
    [
      'a name that leaves no room for the minute',
      cronJob({}, longName),
      [`metadata.name: Invalid value: "${longName}": must be no more than 52 characters`],
    ],
  ];
  for (const [name, object, errors] of cases) it(`are rejected: ${name}`, () => rejects(strategy, object, ...errors));

  it('may keep a long name and a zone in the schedule that they have, but not with a zone besides', async () => {
    const { object } = await create(strategy, cronJob({}, longName));
    object.spec.schedule = 'TZ=UTC 0 * * * *';
    const kept = await update(strategy, object, ({ spec }) => void (spec.schedule = 'TZ=UTC 1 * * * *'));
    assert.deepEqual([kept.errors, kept.object.metadata.generation], [[], 2]);
    assert.match(
      strategy.warnings?.(kept.object, object).at(-1) ?? '',
      /^cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone/,
    );
    const both = await update(strategy, object, ({ spec }) => void (spec.timeZone = 'UTC'));
    assert.deepEqual(both.errors, [
      'spec.schedule: Invalid value: "TZ=UTC 0 * * * *": cannot use both timeZone field and TZ or CRON_TZ in schedule',
    ]);
  });

  it('do not check a zone again that does not change', async () => {
    const { object } = await create(strategy, cronJob());
    object.spec.timeZone = 'Gone/Zone';
    assert.deepEqual((await update(strategy, object, ({ spec }) => void (spec.suspend = true))).errors, []);
  });
});
