/** StatefulSets: scaled, updated, their pods deleted, their nodes lost. */
import type { ScenarioOf } from './scenario.ts';
import { template } from './user.ts';

export const stateful: ScenarioOf = ({ random }) => {
  const podManagementPolicy = random.pick(['OrderedReady', 'OrderedReady', 'Parallel']);
  const replicas = random.between(2, 4);
  const start = random.pick([0, 0, 3]);
  let version = 1;
  return {
    async setUp(user) {
      await user.create('services', {
        metadata: { name: 'db' },
        spec: { clusterIP: 'None', selector: { app: 'db' }, ports: [{ port: 80 }] },
      });
      await user.create('statefulsets.apps', {
        metadata: { name: 'db' },
        spec: {
          replicas,
          serviceName: 'db',
          podManagementPolicy,
          ...(start === 0 ? {} : { ordinals: { start } }),
          selector: { matchLabels: { app: 'db' } },
          template: template('db', 'db:1'),
        },
      });
    },
    acts: [
      (user) => user.patch('statefulsets.apps', 'db', { spec: { replicas: user.random.between(1, 4) } }),
      (user) => user.patch('statefulsets.apps', 'db', { spec: { replicas: user.random.between(0, 5) } }),
      (user) => {
        version += 1;
        const resources = { requests: { cpu: '100m' } };
        const containers = [{ name: 'c', image: `db:${version}`, resources }];
        return user.patch('statefulsets.apps', 'db', { spec: { template: { spec: { containers } } } });
      },
      async (user) => {
        const names = user.podNames('db-');
        if (names.length > 0) await user.delete('pods', user.random.pick(names));
      },
    ],
  };
};
