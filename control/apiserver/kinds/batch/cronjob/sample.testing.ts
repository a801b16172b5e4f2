/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
import { richTemplate as template } from '../../core/pod/sample.testing.ts';
import { richJobSpec } from '../job/sample.testing.ts';

export const samples = {
  'cronjobs.batch': {
    spec: {
      schedule: '*/5 1-3 * jan mon',
      timeZone: 'Europe/Berlin',
      concurrencyPolicy: 'Forbid',
      startingDeadlineSeconds: 5,
      successfulJobsHistoryLimit: 1,
      failedJobsHistoryLimit: 1,
      jobTemplate: { metadata: { labels: { a: 'b' } }, spec: { ...richJobSpec, template } },
    },
    status: { active: [{ name: 'x', uid: 'u' }], lastScheduleTime: '2026-01-01T00:00:00Z' },
  },
};
