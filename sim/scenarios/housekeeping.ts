/** Owners that are deleted and created again, orphans, quotas, DaemonSets, namespaces. */
import type { ScenarioOf } from './scenario.ts';
import { template, type User } from './user.ts';

/** An owner is deleted with each propagation policy and created again with the same name; orphans are adopted. */
export const owners: ScenarioOf = ({ random }) => {
  const labels = { app: 'owned' };
  const replicas = random.between(2, 4);
  const make = async (user: User): Promise<void> => {
    await user.create('replicasets.apps', {
      metadata: { name: 'owned' },
      spec: { replicas, selector: { matchLabels: labels }, template: template('owned', 'i:1') },
    });
    await makeDependent(user);
  };
  const again = async (user: User, propagationPolicy: string): Promise<void> => {
    await user.delete('replicasets.apps', 'owned', { propagationPolicy });
    await user.sleep(user.random.pick([0, 20, 300, 3000]));
    await make(user);
    // Create it again, in case the old one still existed.
    await user.sleep(15_000);
    await make(user);
  };
  let bare = 0;
  return {
    setUp: make,
    acts: [
      (user) => again(user, 'Background'),
      (user) => again(user, 'Foreground'),
      (user) => again(user, 'Orphan'),
      // A bare pod with matching labels, which the set adopts, or deletes as a surplus.
      (user) => user.create('pods', { metadata: { name: `bare-${bare++}`, labels }, spec: { ...template('owned', 'i:1').spec } }),
      async (user) => {
        const names = user.podNames('owned-');
        if (names.length > 0) await user.patch('pods', user.random.pick(names), { metadata: { labels: { app: null } } });
      },
      makeDependent,
    ],
  };
};

/** A dependent of the set that no controller makes. It must be deleted with the set of this UID only. */
async function makeDependent(user: User): Promise<void> {
  const set = user.model.get('replicasets', `${user.namespace}/owned`);
  if (set === undefined) return;
  const { name, uid } = set.metadata;
  await user.create('configmaps', {
    metadata: { name: `of-${uid.slice(0, 8)}`, ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name, uid }] },
  });
}

/** Several clients at once request more than the quota allows. */
export const quota: ScenarioOf = ({ random }) => {
  const hard = { pods: String(random.between(2, 5)), 'count/configmaps': String(random.between(3, 6)) };
  let made = 0;
  const burst = async (user: User): Promise<void> => {
    const count = user.random.between(3, 6);
    await Promise.all(Array.from({ length: count }, () => user.create('configmaps', { metadata: { name: `c-${made++}` } })));
  };
  const shrink = async (user: User): Promise<void> => {
    const all = user.model.all('configmaps').filter(({ metadata }) => metadata.namespace === user.namespace);
    for (const { metadata } of all.slice(0, 2)) await user.delete('configmaps', metadata.name);
  };
  return {
    async setUp(user) {
      await user.create('resourcequotas', { metadata: { name: 'limits' }, spec: { hard } });
      // The quota is not enforced before its first status.
      await user.sleep(1000);
      await user.create('replicasets.apps', {
        metadata: { name: 'many' },
        spec: { replicas: 4, selector: { matchLabels: { app: 'many' } }, template: template('many', 'i:1') },
      });
      await burst(user);
    },
    acts: [
      burst,
      burst,
      shrink,
      (user) => user.patch('replicasets.apps', 'many', { spec: { replicas: user.random.between(1, 6) } }),
      async (user) => {
        const names = user.podNames('many-');
        if (names.length > 0) await user.delete('pods', user.random.pick(names));
      },
      async (user) => {
        await shrink(user);
        await burst(user);
      },
    ],
  };
};

export const daemons: ScenarioOf = ({ random }) => {
  const maxSurge = random.pick([0, 1]);
  let version = 1;
  return {
    setUp: (user) =>
      user.create('daemonsets.apps', {
        metadata: { name: 'agent' },
        spec: {
          selector: { matchLabels: { app: 'agent' } },
          updateStrategy: { rollingUpdate: { maxSurge, maxUnavailable: maxSurge === 0 ? 1 : 0 } },
          template: template('agent', 'agent:1'),
        },
      }),
    acts: [
      (user) => {
        version += 1;
        const containers = [{ name: 'c', image: `agent:${version}`, resources: { requests: { cpu: '100m' } } }];
        return user.patch('daemonsets.apps', 'agent', { spec: { template: { spec: { containers } } } });
      },
      async (user) => {
        const names = user.podNames('agent-');
        if (names.length > 0) await user.delete('pods', user.random.pick(names));
      },
    ],
  };
};

/** A namespace is deleted with everything in it. */
export const namespaces: ScenarioOf = () => ({
  async setUp(user) {
    await user.create('deployments.apps', {
      metadata: { name: 'gone' },
      spec: { replicas: 2, selector: { matchLabels: { app: 'gone' } }, template: template('gone', 'i:1') },
    });
    await user.create('configmaps', { metadata: { name: 'gone', finalizers: ['sim/held'] } });
  },
  acts: [
    async (user) => {
      await user.delete('namespaces', user.namespace);
      await user.sleep(user.random.between(1000, 15_000));
      await user.patch('configmaps', 'gone', { metadata: { finalizers: null } });
    },
  ],
});
