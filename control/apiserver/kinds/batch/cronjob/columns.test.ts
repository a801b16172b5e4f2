import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { CronJob } from '#api/types.generated.ts';
import { ago, metadata, row } from '../../columns.testing.ts';
import { template } from '../../template.testing.ts';
import { cronJobColumns } from './columns.ts';

it('columns of a cron job', () => {
  const object: CronJob = {
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata,
    spec: { schedule: '@hourly', suspend: false, jobTemplate: { spec: { template } } },
  };
  const shown = {
    Name: 'x',
    Schedule: '@hourly',
    Timezone: '<none>',
    Suspend: 'False',
    Active: 0,
    'Last Schedule': '<none>',
    Age: '5m',
    Containers: 'c',
    Images: 'nginx:1',
    Selector: '<none>',
  };
  assert.deepEqual(row(cronJobColumns, object), shown);
  object.spec.timeZone = 'Europe/Berlin';
  object.status = { active: [{ name: 'a' }], lastScheduleTime: ago(60) };
  assert.deepEqual(row(cronJobColumns, object), { ...shown, Timezone: 'Europe/Berlin', Active: 1, 'Last Schedule': '60s' });
});
