/** StatefulSets, DaemonSets and ReplicationControllers on real nodes: stable names in DNS, a pod on each node, rollouts. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { until } from '#lab/until.ts';
import type { Cluster } from './cluster.ts';

const ns = 'workloads';
const patience = { timeoutMs: 60_000, everyMs: 500 };

export function workloadSuite(cluster: () => Cluster): void {
  describe('StatefulSets, DaemonSets and ReplicationControllers', () => {
    const kubectl = (...args: string[]): Promise<string> => cluster().kubectl(['-n', ns, ...args]);
    const template = (app: string, env: object[] = []): object => ({
      metadata: { labels: { app } },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [
          { name: 'web', image: 'tinkernetes/web:1', env, readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 } },
        ],
      },
    });
    const workload = (kind: string, name: string, more: object = {}): object => ({
      apiVersion: 'apps/v1',
      kind,
      metadata: { name, namespace: ns },
      spec: { selector: { matchLabels: { app: name } }, template: template(name), ...more },
    });

    before(async () => {
      await cluster().namespace(ns);
    });

    it('a StatefulSet gives its pods names that DNS knows, and updates them from the highest down', async () => {
      await cluster().apply(
        {
          apiVersion: 'v1',
          kind: 'Service',
          metadata: { name: 'db', namespace: ns },
          spec: { clusterIP: 'None', selector: { app: 'db' }, ports: [{ port: 8080 }] },
        },
        workload('StatefulSet', 'db', { replicas: 2, serviceName: 'db' }),
      );
      const pods = await cluster().untilReadyPods(ns, 'app=db', 2);
      assert.deepEqual(
        pods.map(({ metadata }) => metadata.name),
        ['db-0', 'db-1'],
      );
      assert.equal((await cluster().exec(ns, 'db-1', ['hostname'])).trim(), 'db-1');
      const address = pods[0]?.status?.podIP ?? '';
      await until(
        'db-0 has a name',
        async () => {
          const found = await cluster()
            .exec(ns, 'db-1', ['nslookup', `db-0.db.${ns}.svc.cluster.local`])
            .catch(() => '');
          return found.includes(address) ? true : undefined;
        },
        patience,
      );
      await kubectl('set', 'env', 'statefulset/db', 'VERSION=2');
      assert.match(await kubectl('rollout', 'status', 'statefulset/db', '--timeout=120s'), /2 new pods have been updated/);
      const after = await cluster().untilReadyPods(ns, 'app=db', 2);
      assert.ok(after.every(({ metadata }, index) => metadata.uid !== pods[index]?.metadata.uid));
      await kubectl('rollout', 'undo', 'statefulset/db');
      assert.match(await kubectl('rollout', 'status', 'statefulset/db', '--timeout=120s'), /2 new pods have been updated/);
    });

    it('a DaemonSet runs on each node, and is rolled out and back', async () => {
      await cluster().apply(workload('DaemonSet', 'agent'));
      const nodes = (await cluster().client.resource('nodes').list()).items.map(({ metadata }) => metadata.name).sort();
      const pods = await cluster().untilReadyPods(ns, 'app=agent', nodes.length);
      assert.deepEqual(pods.map(({ spec }) => spec.nodeName).sort(), nodes);
      await kubectl('set', 'env', 'ds/agent', 'VERSION=2');
      assert.match(await kubectl('rollout', 'status', 'ds/agent', '--timeout=120s'), /successfully rolled out/);
      await kubectl('rollout', 'undo', 'ds/agent');
      assert.match(await kubectl('rollout', 'status', 'ds/agent', '--timeout=120s'), /successfully rolled out/);
      await cluster().untilReadyPods(ns, 'app=agent', nodes.length);
    });

    it('a ReplicationController brings back pods that are deleted', async () => {
      const spec = { replicas: 2, template: template('rc') };
      await cluster().apply({ apiVersion: 'v1', kind: 'ReplicationController', metadata: { name: 'rc', namespace: ns }, spec });
      const [first] = await cluster().untilReadyPods(ns, 'app=rc', 2);
      await kubectl('delete', 'pod', first?.metadata.name ?? '', '--wait=false');
      await until(
        'another pod',
        async () => {
          const pods = await cluster().untilReadyPods(ns, 'app=rc', 2);
          return pods.every(({ metadata }) => metadata.uid !== first?.metadata.uid) ? true : undefined;
        },
        patience,
      );
    });
  });
}
