import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { parseSchedule } from '#api/cron/schedule.ts';
import type { CronJob, CronJobSpec, Job } from '#api/types.generated.ts';
import type { World } from '../cluster.testing.ts';
import { startWorld } from '../cluster.testing.ts';
import { jobAt, jobsBeyondHistory, observeJobs, planStart } from './cron-job-plan.ts';
import { lastDue, NeverDueError, untilNextMs } from './schedule-times.ts';

const ms = (time: string): number => Date.parse(`2026-01-01T${time}Z`);
const cronJob = (spec: Partial<CronJobSpec> = {}, status: CronJob['status'] = {}): CronJob => ({
  apiVersion: 'batch/v1',
  kind: 'CronJob',
  metadata: { name: 'tick', namespace: 'ns', uid: 'c', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: { schedule: '0 * * * *', jobTemplate: { spec: { template: {} } }, ...spec },
  status,
});
const job = (name: string, condition?: string, start?: string): Job => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name, namespace: 'ns', uid: name, resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: { template: {} },
  status: {
    ...(condition === undefined ? {} : { conditions: [{ type: condition, status: 'True' }] }),
    ...(start === undefined ? {} : { startTime: `2026-01-01T${start}Z`, completionTime: `2026-01-01T${start}Z` }),
  },
});

describe('the last start that is due', () => {
  const cases: [schedule: string, last: string | undefined, now: string, due: string | undefined, missed: string][] = [
    ['0 * * * *', undefined, '00:59:59', undefined, 'none'],
    ['0 * * * *', undefined, '01:00:00', '01:00:00', 'none'],
    ['0 * * * *', '01:00:00', '01:30:00', undefined, 'none'],
    ['0 * * * *', '01:00:00', '04:10:00', '04:00:00', 'few'],
    ['* * * * *', '01:00:00', '02:41:00', '02:41:00', 'many'],
    ['* * * * *', '01:00:00', '02:40:00', '02:40:00', 'few'],
    ['@every 90m', '01:10:00', '05:00:00', '04:10:00', 'few'],
    ['30 6-16/4 * * *', '00:00:00', '17:00:00', '14:30:00', 'few'],
  ];
  for (const [schedule, last, now, due, missed] of cases)
    it(`${schedule} after ${last} at ${now}`, () => {
      const status = last === undefined ? {} : { lastScheduleTime: `2026-01-01T${last}Z` };
      const found = lastDue(cronJob({}, status), parseSchedule(schedule), ms(now), true);
      assert.deepEqual([found.atMs, found.missed], [due === undefined ? undefined : ms(due), missed]);
    });
  it('is found in few steps when the first two say little of how many there are', () => {
    // The first two are half a year apart, and then there is one each minute for half a year.
    const schedule = parseSchedule('TZ=Europe/Berlin * * * 1-6 *');
    let steps = 0;
    const counting = { next: (afterMs: number) => (steps++, schedule.next(afterMs)) };
    const status = { lastScheduleTime: '2020-06-30T21:58:30Z' };
    assert.equal(
      lastDue(cronJob({}, status), counting, Date.parse('2022-06-30T20:00:30Z'), true).atMs,
      Date.parse('2022-06-30T20:00:00Z'),
    );
    assert.ok(steps < 200, `${steps} steps`);
  });
  it('is not looked for before the deadline', () => {
    const found = lastDue(cronJob({ startingDeadlineSeconds: 600 }), parseSchedule('* * * * *'), ms('12:00:00'), true);
    assert.deepEqual([found.atMs, found.missed], [ms('12:00:00'), 'few']);
  });
  it('a day that never comes is an error', () => {
    assert.throws(() => lastDue(cronJob(), parseSchedule('0 0 31 2 *'), ms('12:00:00'), true), NeverDueError);
  });
  it('the next look is a little after the next time', () => {
    assert.equal(untilNextMs(cronJob(), parseSchedule('0 * * * *'), ms('00:30:00')), 1_800_100);
    assert.equal(untilNextMs(cronJob(), parseSchedule('0 * * * *'), ms('05:30:00')), 1_800_100);
  });
});

describe('starts', () => {
  const active = { active: [{ name: 'tick-1', uid: 'x' }] };
  const cases: [string, CronJob, string, start: string | undefined, replace: boolean, events: string[]][] = [
    ['nothing is due', cronJob(), '00:30:00', undefined, false, []],
    ['a job is due', cronJob(), '01:00:30', '01:00:00', false, []],
    ['it is started already', cronJob({}, { lastScheduleTime: '2026-01-01T01:00:00Z' }), '01:00:30', undefined, false, []],
    ['suspended', cronJob({ suspend: true }), '01:00:30', undefined, false, []],
    ['too late', cronJob({ startingDeadlineSeconds: 20, schedule: '@every 1h' }), '01:00:30', undefined, false, []],
    ['others run', cronJob({ concurrencyPolicy: 'Forbid' }, active), '01:00:30', undefined, false, ['JobAlreadyActive']],
    ['others run and are replaced', cronJob({ concurrencyPolicy: 'Replace' }, active), '01:00:30', '01:00:00', true, []],
    ['others run and may', cronJob({ concurrencyPolicy: 'Allow' }, active), '01:00:30', '01:00:00', false, []],
    ['very many were missed', cronJob({ schedule: '* * * * *' }), '12:00:30', '12:00:00', false, ['TooManyMissedTimes']],
    ['a zone that is none', cronJob({ timeZone: 'Mars/Base' }), '01:00:30', undefined, false, ['UnknownTimeZone']],
    ['a schedule that is none', cronJob({ schedule: 'x' }), '01:00:30', undefined, false, ['UnparseableSchedule']],
    ['a day that never comes', cronJob({ schedule: '0 0 31 2 *' }), '01:00:30', undefined, false, ['InvalidSchedule']],
    ['a zone in the schedule', cronJob({ schedule: 'TZ=UTC 0 * * * *' }), '01:00:30', '01:00:00', false, ['UnsupportedSchedule']],
    ['another zone', cronJob({ schedule: '0 10 * * *', timeZone: 'Asia/Tokyo' }), '01:00:30', '01:00:00', false, []],
  ];
  for (const [name, object, now, start, replace, events] of cases)
    it(name, () => {
      const names = (object.status?.active ?? []).map((one) => one.name ?? '');
      const plan = planStart(object, names, ms(now));
      assert.deepEqual(
        [plan.startAtMs, plan.replace, plan.events.map(({ reason }) => reason)],
        [start === undefined ? undefined : ms(start), replace, events],
      );
    });

  it('a job has the minute in its name and the time in the zone as annotation', () => {
    const jobTemplate = { metadata: { labels: { a: 'b' }, annotations: { c: 'd' } }, spec: { template: {}, backoffLimit: 2 } };
    const { metadata, spec } = jobAt(cronJob({ timeZone: 'Asia/Tokyo', jobTemplate }), ms('01:00:00'));
    assert.deepEqual(
      [metadata.name, metadata.labels, metadata.annotations, metadata.ownerReferences?.[0]?.kind, spec.backoffLimit],
      [
        `tick-${ms('01:00:00') / 60_000}`,
        { a: 'b' },
        { c: 'd', 'batch.kubernetes.io/cronjob-scheduled-timestamp': '2026-01-01T10:00:00+09:00' },
        'CronJob',
        2,
      ],
    );
  });
});

describe('jobs of a cron job', () => {
  it('that ended leave the status, and the last success is kept', () => {
    const status = {
      active: ['a', 'b', 'c', 'd'].map((uid) => ({ uid, name: uid, namespace: 'ns' })),
      lastSuccessfulTime: '2026-01-01T01:00:00Z',
    };
    const seen = observeJobs(cronJob({}, status), [job('a', 'Complete', '03:00:00'), job('b', 'Failed'), job('c'), job('e')]);
    assert.deepEqual(
      [seen.status.active?.map(({ uid }) => uid), seen.status.lastSuccessfulTime],
      [['c', 'd'], '2026-01-01T03:00:00Z'],
    );
    assert.deepEqual(
      seen.events.map(({ message }) => message),
      ['Saw completed job: a, condition: Complete', 'Saw completed job: b, condition: Failed'],
    );
    assert.deepEqual(
      [seen.unexpected.map(({ metadata }) => metadata.name), seen.missing.map(({ name }) => name)],
      [['e'], ['d']],
    );
  });
  it('the oldest beyond the history go', () => {
    const jobs = [
      job('new', 'Complete', '03:00:00'),
      job('b', 'Complete', '01:00:00'),
      job('a', 'Complete', '01:00:00'),
      job('never', 'Complete'),
      job('runs'),
      job('f', 'Failed', '01:00:00'),
    ];
    const beyond = (successfulJobsHistoryLimit: number, failedJobsHistoryLimit: number): string[] =>
      jobsBeyondHistory(cronJob({ successfulJobsHistoryLimit, failedJobsHistoryLimit }), jobs).map(
        ({ metadata }) => metadata.name,
      );
    assert.deepEqual([beyond(2, 1), beyond(0, 0), beyond(9, 9)], [['a', 'b'], ['a', 'b', 'new', 'never', 'f'], []]);
  });
});

describe('CronJob controller', () => {
  const namespace = 'default';
  let world: World;
  let serial = 0;
  before(async () => {
    world = await startWorld();
    await world.addNode('n1');
  });
  after(() => world.stop());
  const made: string[] = [];
  afterEach(async () => {
    world.play = () => 'ready';
    for (const name of made.splice(0)) await cronJobs().delete({ namespace, name });
    await world.pass(3);
  });

  const cronJobs = () => world.client.resource('cronjobs.batch');
  const get = (name: string): Promise<CronJob> => cronJobs().get({ namespace, name });
  async function jobsOf(name: string): Promise<Job[]> {
    const { items } = await world.client.resource('jobs.batch').list({ namespace });
    return items.filter(({ metadata }) => metadata.ownerReferences?.[0]?.name === name);
  }
  async function create(spec: Partial<CronJobSpec>): Promise<string> {
    const name = `cron-${serial++}`;
    const template = { spec: { containers: [{ name: 'c', image: 'busybox' }], restartPolicy: 'Never' } };
    const object = { apiVersion: 'batch/v1', kind: 'CronJob', metadata: { name, namespace } };
    await cronJobs().create({ ...object, spec: { schedule: '* * * * *', jobTemplate: { spec: { template } }, ...spec } });
    made.push(name);
    return name;
  }
  async function reasons(name: string): Promise<string[]> {
    const { items } = await world.client.resource('events').list({ namespace });
    return items.filter(({ involvedObject }) => involvedObject.name === name).map(({ reason = '' }) => reason);
  }

  it('starts jobs side by side, named after their minute', async () => {
    const name = await create({});
    const jobs = await world.until(
      'two run',
      async () => {
        const found = await jobsOf(name);
        return found.length === 2 && (await get(name)).status?.active?.length === 2 && found;
      },
      150,
    );
    const { status } = await get(name);
    const minute = Date.parse(status?.lastScheduleTime ?? '') / 60_000;
    assert.deepEqual(jobs.map(({ metadata }) => metadata.name).sort(), [`${name}-${minute - 1}`, `${name}-${minute}`]);
    assert.ok((await reasons(name)).includes('SuccessfulCreate'));
  });

  it('does not start another one where that is forbidden', async () => {
    const name = await create({ concurrencyPolicy: 'Forbid' });
    await world.until('the second one is due', async () => (await reasons(name)).includes('JobAlreadyActive'), 150);
    assert.equal((await jobsOf(name)).length, 1);
  });

  it('replaces the one that runs', async () => {
    const name = await create({ concurrencyPolicy: 'Replace' });
    const [first] = await world.until(
      'one runs',
      async () => {
        const found = await jobsOf(name);
        return found.length === 1 && found;
      },
      90,
    );
    await world.until(
      'another one runs alone',
      async () => {
        const found = await jobsOf(name);
        return found.length === 1 && found[0]?.metadata.uid !== first?.metadata.uid;
      },
      90,
    );
    assert.equal((await get(name)).status?.active?.length, 1);
  });

  it('starts none while suspended', async () => {
    const name = await create({ suspend: true });
    await world.pass(70);
    assert.deepEqual([(await jobsOf(name)).length, (await get(name)).status], [0, {}]);
  });

  it('forgets a job that somebody deletes', async () => {
    const name = await create({ schedule: '@hourly' });
    const { metadata } = await get(name);
    const object = { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: `${name}-x`, namespace } };
    const template = { spec: { containers: [{ name: 'c', image: 'busybox' }], restartPolicy: 'Never' } };
    const job = await world.client.resource('jobs.batch').create({ ...object, spec: { template } });
    const reference = { apiVersion: 'batch/v1', kind: 'Job', namespace, name: job.metadata.name, uid: job.metadata.uid };
    await cronJobs().patch(
      { namespace, name },
      { type: 'merge', body: { status: { active: [reference] } } },
      { subresource: 'status' },
    );
    await world.pass(2);
    assert.equal((await get(name)).status?.active?.length, 1, 'a job that is there stays');
    await world.client.resource('jobs.batch').delete({ namespace, name: job.metadata.name }, { propagationPolicy: 'Background' });
    await cronJobs().patch({ namespace, name }, { type: 'merge', body: { metadata: { annotations: { look: 'again' } } } });
    await world.until('it is forgotten', async () => ((await get(name)).status?.active ?? []).length === 0);
    await world.until('an event says so', async () => (await reasons(name)).includes('MissingJob'));
    assert.equal(metadata.generation, 1);
  });

  it('keeps the last ones that ended', async () => {
    world.play = () => ({ exitCode: 0 });
    const name = await create({ successfulJobsHistoryLimit: 1 });
    await world.until('the first has gone', async () => (await reasons(name)).includes('SuccessfulDelete'), 240);
    await world.pass(3);
    const { status } = await get(name);
    assert.deepEqual([(await jobsOf(name)).length, status?.active ?? []], [1, []]);
    assert.equal(typeof status?.lastSuccessfulTime, 'string');
    assert.ok((await reasons(name)).includes('SawCompletedJob'));
  });
});
