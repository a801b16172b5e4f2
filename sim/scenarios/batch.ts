/** Jobs and CronJobs. */
import { behaviour } from '../kubelet.ts';
import type { ScenarioOf } from './scenario.ts';
import { template, type User } from './user.ts';

const restartNever = { restartPolicy: 'Never' };

export const jobs: ScenarioOf = ({ random }) => {
  const make = (user: User, name: string): Promise<void> => {
    const isIndexed = random.chance(0.4);
    const completions = random.between(2, 8);
    const annotations = {
      [behaviour.runsSeconds]: String(random.between(1, 12)),
      [behaviour.failsOfTen]: String(random.pick([0, 0, 2, 3])),
    };
    return user.create('jobs.batch', {
      metadata: { name },
      spec: {
        completions,
        parallelism: random.between(1, 4),
        backoffLimit: 100,
        ...(isIndexed ? { completionMode: 'Indexed' } : {}),
        podReplacementPolicy: random.pick(['TerminatingOrFailed', 'Failed']),
        template: template(name, 'job:1', { annotations, spec: restartNever }),
      },
    });
  };
  let made = 1;
  return {
    setUp: (user) => make(user, 'job-0'),
    acts: [
      (user) => make(user, `job-${made++}`),
      (user) => user.patch('jobs.batch', 'job-0', { spec: { parallelism: user.random.between(1, 5) } }),
      async (user) => {
        await user.patch('jobs.batch', 'job-0', { spec: { suspend: true } });
        await user.sleep(user.random.between(500, 8000));
        await user.patch('jobs.batch', 'job-0', { spec: { suspend: false } });
      },
      async (user) => {
        const names = user.podNames('job-0-');
        if (names.length > 0) await user.delete('pods', user.random.pick(names));
      },
    ],
  };
};

export const cron: ScenarioOf = ({ random }) => {
  const concurrencyPolicy = random.pick(['Allow', 'Forbid', 'Forbid', 'Replace']);
  const annotations = { [behaviour.runsSeconds]: String(random.pick([2, 20, 70])) };
  return {
    async setUp(user) {
      await user.create('cronjobs.batch', {
        metadata: { name: 'tick' },
        spec: {
          schedule: '* * * * *',
          concurrencyPolicy,
          jobTemplate: { spec: { template: template('tick', 'cron:1', { annotations, spec: restartNever }) } },
        },
      });
      // Otherwise the world would never come to rest.
      await user.sleep(150_000);
      await user.patch('cronjobs.batch', 'tick', { spec: { suspend: true } });
    },
    acts: [
      (user) => user.patch('cronjobs.batch', 'tick', { spec: { successfulJobsHistoryLimit: user.random.between(0, 2) } }),
      async (user) => {
        const jobNames = user.model.all('jobs').filter(({ metadata }) => metadata.namespace === user.namespace);
        const one = jobNames[0];
        if (one !== undefined) await user.delete('jobs.batch', one.metadata.name, { propagationPolicy: 'Background' });
      },
    ],
  };
};
