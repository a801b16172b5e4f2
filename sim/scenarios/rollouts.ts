/** A Deployment with a Service and a budget: scaled, rolled out and back, drained. */
import type { ScenarioOf } from './scenario.ts';
import { template, type User } from './user.ts';

const app = { app: 'web' };

export const rollouts: ScenarioOf = ({ random }) => {
  const replicas = random.between(2, 5);
  const maxSurge = random.pick<number | string>([0, 1, 1, 2, '25%']);
  const maxUnavailable = maxSurge === 0 ? 1 : random.pick<number | string>([0, 1, '25%']);
  const minReadySeconds = random.pick([0, 0, 2]);
  let version = 1;
  const image = (user: User, tag: number): Promise<void> =>
    user.patch('deployments.apps', 'web', { spec: { template: { spec: { containers: containers(tag) } } } });
  return {
    async setUp(user) {
      await user.create('deployments.apps', {
        metadata: { name: 'web' },
        spec: {
          replicas,
          minReadySeconds,
          revisionHistoryLimit: 2,
          selector: { matchLabels: app },
          strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } },
          template: template('web', 'web:1'),
        },
      });
      await user.create('services', { metadata: { name: 'web' }, spec: { selector: app, ports: [{ port: 80 }] } });
      await user.create('poddisruptionbudgets.policy', {
        metadata: { name: 'web' },
        spec: { maxUnavailable: 1, selector: { matchLabels: app } },
      });
    },
    acts: [
      (user) => image(user, ++version),
      (user) => image(user, ++version),
      // Roll back.
      (user) => image(user, Math.max(1, version - 1)),
      (user) => user.patch('deployments.apps', 'web', { spec: { replicas: user.random.between(1, 6) } }),
      (user) => user.patch('deployments.apps', 'web', { spec: { replicas: user.random.between(0, 3) } }),
      async (user) => {
        const names = user.podNames('web-');
        if (names.length > 0) await user.delete('pods', user.random.pick(names));
      },
      async (user) => {
        await image(user, ++version);
        await user.sleep(user.random.between(100, 4000));
        await image(user, version - 1);
      },
    ],
  };
};

const containers = (tag: number): object[] => [{ name: 'c', image: `web:${tag}`, resources: { requests: { cpu: '100m' } } }];

/** A workload that is drained again and again, while nothing else happens to it. */
export const drains: ScenarioOf = ({ random }) => {
  const replicas = random.between(3, 5);
  const budget = random.pick([{ maxUnavailable: 1 }, { minAvailable: replicas - 1 }, { minAvailable: 2 }]);
  const labels = { app: 'drained' };
  return {
    async setUp(user) {
      await user.create('replicasets.apps', {
        metadata: { name: 'drained' },
        spec: { replicas, selector: { matchLabels: labels }, template: template('drained', 'i:1') },
      });
      await user.create('poddisruptionbudgets.policy', {
        metadata: { name: 'drained' },
        spec: { ...budget, selector: { matchLabels: labels } },
      });
    },
    acts: [drain, drain, drain],
  };
};

/** Asks for all pods at once, twice. */
async function drain(user: User): Promise<void> {
  for (let round = 0; round < 2; round++) {
    await Promise.all(user.podNames('drained-').map((name) => user.evict(name)));
    await user.sleep(user.random.between(50, 3000));
  }
}

/** Pods that fill all nodes, so that an overcommitted node would be noticed. */
export const tight: ScenarioOf = () => ({
  setUp: (user) =>
    user.create('replicasets.apps', {
      metadata: { name: 'big' },
      spec: { replicas: 6, selector: { matchLabels: { app: 'big' } }, template: big() },
    }),
  acts: [
    (user) => user.patch('replicasets.apps', 'big', { spec: { replicas: user.random.between(0, 5) } }),
    (user) => user.patch('replicasets.apps', 'big', { spec: { replicas: 6 } }),
    async (user) => {
      await Promise.all(user.podNames('big-').map((name) => user.delete('pods', name)));
    },
  ],
});

/** Two of them fit on a node. */
function big(): ReturnType<typeof template> {
  const made = template('big', 'i:1');
  const [container] = made.spec?.containers ?? [];
  return { ...made, spec: { ...made.spec, containers: [{ ...container, name: 'c', resources: { requests: { cpu: '900m' } } }] } };
}
