/** Deployments as users see them: updated while they serve, rolled back, scaled, paused, deleted with everything they own. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { isNotFound } from '#api/status.ts';
import type { Deployment, Pod } from '#api/types.generated.ts';
import { until } from '#lab/until.ts';
import type { Cluster } from './cluster.ts';

const ns = 'deployments';
/** Below 30086, from where on the server assigns random node ports. */
const nodePort = 30020;

interface Load {
  /** The versions that answered, in order. */
  versions: string[];
  failures: string[];
}

export function deploymentSuite(cluster: () => Cluster): void {
  describe('Deployments', () => {
    const kubectl = (...args: string[]): Promise<string> => cluster().kubectl(['-n', ns, ...args]);
    const deployment = (name: string, replicas: number, strategy: object, image = 'tinkernetes/web:1'): object => ({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace: ns },
      spec: {
        replicas,
        strategy,
        selector: { matchLabels: { app: name } },
        template: {
          metadata: { labels: { app: name } },
          spec: {
            terminationGracePeriodSeconds: 30,
            containers: [
              {
                name: 'web',
                image,
                ports: [{ name: 'http', containerPort: 8080 }],
                readinessProbe: { tcpSocket: { port: 'http' }, periodSeconds: 1, timeoutSeconds: 10 },
                // The pod goes on answering until the rules of all nodes show that it is terminating.
                lifecycle: { preStop: { sleep: { seconds: 5 } } },
              },
            ],
          },
        },
      },
    });
    const get = (name: string): Promise<Deployment> => cluster().client.resource('deployments.apps').get({ namespace: ns, name });
    const replicaSets = async (name: string): Promise<string[]> =>
      (
        await cluster()
          .client.resource('replicasets.apps')
          .list({ namespace: ns, labelSelector: `app=${name}` })
      ).items
        .map(({ metadata }) => metadata.name)
        .sort();
    const podsOf = async (name: string): Promise<Pod[]> =>
      (
        await cluster()
          .client.resource('pods')
          .list({ namespace: ns, labelSelector: `app=${name}` })
      ).items;

    /** All states of the Deployment that a watch shows while `change` and its rollout run. */
    const statesDuring = async (name: string, change: () => Promise<unknown>): Promise<Deployment[]> => {
      const states: Deployment[] = [];
      const stop = new AbortController();
      const { resourceVersion } = (await get(name)).metadata;
      const watching = (async () => {
        const events = cluster()
          .client.resource('deployments.apps')
          .watch({ namespace: ns, fieldSelector: `metadata.name=${name}`, resourceVersion }, stop.signal);
        for await (const { type, object } of events) if (type === 'MODIFIED') states.push(object as Deployment);
      })();
      try {
        await change();
        await kubectl('rollout', 'status', `deployment/${name}`, '--timeout=120s');
      } finally {
        stop.abort();
        await watching;
      }
      return states;
    };

    /** Sends requests to the Service, each in a new connection, until `work` is done. */
    const underLoad = async (work: () => Promise<unknown>): Promise<Load> => {
      const load: Load = { versions: [], failures: [] };
      let done = false;
      const asking = (async () => {
        while (!done) {
          const { ip } = cluster().lab.hosts[(load.versions.length + load.failures.length) % 2] ?? assert.fail();
          try {
            const answer = await fetch(`http://${ip}:${nodePort}/`, {
              headers: { connection: 'close' },
              signal: AbortSignal.timeout(30_000),
            });
            load.versions.push(/version (\d)/.exec(await answer.text())?.[1] ?? 'none');
          } catch (error) {
            load.failures.push(String((error as Error).cause ?? error));
          }
          await delay(20);
        }
      })();
      await work().finally(() => (done = true));
      await asking;
      return load;
    };

    before(async () => {
      await cluster().namespace(ns);
      await cluster().apply(deployment('web', 3, { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } }), {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'web', namespace: ns },
        spec: { type: 'NodePort', selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http', nodePort }] },
      });
      await kubectl('rollout', 'status', 'deployment/web', '--timeout=120s');
      for (const { ip } of cluster().lab.hosts)
        await until(`${ip} answers`, () => fetch(`http://${ip}:${nodePort}/`, { headers: { connection: 'close' } }), {
          timeoutMs: 60_000,
        });
    });

    it('update with one extra pod and none unavailable, and every request is answered', async () => {
      let states: Deployment[] = [];
      const load = await underLoad(async () => {
        states = await statesDuring('web', () => kubectl('set', 'image', 'deployment/web', 'web=tinkernetes/web:2'));
        await until(
          'only the next version is there',
          async () => (await podsOf('web')).every(({ spec }) => spec?.containers[0]?.image === 'tinkernetes/web:2'),
          { timeoutMs: 120_000 },
        );
      });
      assert.deepEqual(load.failures, []);
      assert.deepEqual([...new Set(load.versions)], ['1', '2'], 'first the old version alone, then also the new one');
      assert.equal(load.versions.at(-1), '2');
      const counts = states.map(({ status }) => ({ all: status?.replicas ?? 0, available: status?.availableReplicas ?? 0 }));
      assert.ok(
        counts.every(({ all, available }) => all <= 4 && available >= 3),
        JSON.stringify(counts),
      );
      assert.ok(
        counts.some(({ all }) => all === 4),
        'the surge was used',
      );
      assert.equal((await replicaSets('web')).length, 2, 'the old ReplicaSet is kept, to roll back to');
    });

    it('show rollout status and history, and roll back', async () => {
      assert.match(await kubectl('rollout', 'status', 'deployment/web'), /^deployment "web" successfully rolled out\n$/);
      assert.match(
        await kubectl('rollout', 'history', 'deployment/web'),
        /^deployment\.apps\/web \nREVISION +CHANGE-CAUSE\n1 +<none>\n2 +<none>\n/,
      );
      assert.match(await kubectl('rollout', 'history', 'deployment/web', '--revision=1'), /Image:\s+tinkernetes\/web:1\n/);
      const before = await replicaSets('web');
      assert.equal(await kubectl('rollout', 'undo', 'deployment/web'), 'deployment.apps/web rolled back\n');
      await kubectl('rollout', 'status', 'deployment/web', '--timeout=120s');
      assert.match(await kubectl('rollout', 'history', 'deployment/web'), /REVISION +CHANGE-CAUSE\n2 +<none>\n3 +<none>\n/);
      assert.deepEqual(await replicaSets('web'), before, 'the first ReplicaSet is used again');
      await until(
        'the first version answers',
        async () =>
          /version 1/.test(
            await (await fetch(`http://${cluster().lab.hosts[0]?.ip}:${nodePort}/`, { headers: { connection: 'close' } })).text(),
          ),
        { timeoutMs: 60_000 },
      );
    });

    it('update with one pod unavailable and none extra when configured so', async () => {
      await cluster().apply(deployment('tight', 2, { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } }));
      await kubectl('rollout', 'status', 'deployment/tight', '--timeout=120s');
      const states = await statesDuring('tight', () => kubectl('set', 'image', 'deployment/tight', 'web=tinkernetes/web:2'));
      const counts = states.map(({ status }) => ({ all: status?.replicas ?? 0, available: status?.availableReplicas ?? 0 }));
      assert.ok(
        counts.every(({ all, available }) => all <= 2 && available >= 1),
        JSON.stringify(counts),
      );
      assert.ok(
        counts.some(({ available }) => available === 1),
        'one was taken away first',
      );
      await kubectl('delete', 'deployment', 'tight');
    });

    it('with strategy Recreate end all old pods before the first new one starts', async () => {
      await cluster().apply(deployment('recreate', 2, { type: 'Recreate' }));
      await kubectl('rollout', 'status', 'deployment/recreate', '--timeout=120s');
      const old = await podsOf('recreate');
      await kubectl('set', 'image', 'deployment/recreate', 'web=tinkernetes/web:2');
      await kubectl('rollout', 'status', 'deployment/recreate', '--timeout=120s');
      const pods = await cluster().untilReadyPods(ns, 'app=recreate', 2);
      const created = Math.min(...pods.map(({ metadata }) => Date.parse(metadata.creationTimestamp ?? '')));
      for (const { metadata } of old) {
        const killedMs = await until(
          `the event that ${metadata.name} is killed`,
          async () => {
            const killing = await cluster()
              .client.resource('events')
              .list({ namespace: ns, fieldSelector: `involvedObject.name=${metadata.name},reason=Killing` });
            return Date.parse(killing.items[0]?.firstTimestamp ?? '');
          },
          { timeoutMs: 60_000 },
        );
        // The preStop hook alone takes five seconds. Times have whole seconds.
        assert.ok(
          killedMs + 4000 <= created,
          `${metadata.name} was killed at ${killedMs}, the first new pod was created at ${created}`,
        );
      }
      assert.deepEqual(
        pods.map(({ spec }) => spec?.containers[0]?.image),
        ['tinkernetes/web:2', 'tinkernetes/web:2'],
      );
      await kubectl('delete', 'deployment', 'recreate');
    });

    it('are scaled up and down', async () => {
      assert.equal(await kubectl('scale', 'deployment/web', '--replicas=5'), 'deployment.apps/web scaled\n');
      await cluster().untilReadyPods(ns, 'app=web', 5);
      await until('its status tells', async () => (await get('web')).status?.readyReplicas === 5, { timeoutMs: 60_000 });
      assert.match(await kubectl('get', 'deployment', 'web'), /\nweb +5\/5 +5 +5 /);
      await kubectl('scale', 'deployment/web', '--replicas=1');
      await cluster().untilReadyPods(ns, 'app=web', 1);
      assert.match(
        await cluster().kubectlFails(['-n', ns, 'scale', 'deployment/web', '--current-replicas=7', '--replicas=2']),
        /Expected replicas to be 7, was 1/,
      );
    });

    it('do not roll out while paused, and roll out all changes when resumed', async () => {
      await kubectl('rollout', 'pause', 'deployment/web');
      const before = await replicaSets('web');
      await kubectl('set', 'image', 'deployment/web', 'web=tinkernetes/web:2');
      await kubectl('set', 'env', 'deployment/web', 'EXTRA=1');
      const seen = await until(
        'the controller has seen the change',
        async () => {
          const one = await get('web');
          return one.status?.observedGeneration === one.metadata.generation ? one : undefined;
        },
        { timeoutMs: 60_000 },
      );
      assert.equal(seen.status?.updatedReplicas ?? 0, 0);
      assert.deepEqual(await replicaSets('web'), before);
      await kubectl('rollout', 'resume', 'deployment/web');
      await kubectl('rollout', 'status', 'deployment/web', '--timeout=120s');
      const added = (await replicaSets('web')).filter((name) => !before.includes(name));
      assert.equal(added.length, 1, 'both changes at once');
    });

    it('report that they do not progress, and why', async () => {
      await cluster().apply({ ...deployment('stuck', 1, { type: 'Recreate' }, 'no-such-image:1') });
      await kubectl('patch', 'deployment', 'stuck', '-p', '{"spec":{"progressDeadlineSeconds":2}}');
      const condition = await until(
        'its deadline is exceeded',
        async () => {
          const { status } = await get('stuck');
          return status?.conditions?.find(({ type, reason }) => type === 'Progressing' && reason === 'ProgressDeadlineExceeded');
        },
        { timeoutMs: 120_000 },
      );
      assert.match(condition.message ?? '', /^ReplicaSet "stuck-\w+" has timed out progressing\.$/);
      assert.match(
        await cluster().kubectlFails(['-n', ns, 'rollout', 'status', 'deployment/stuck']),
        /deployment "stuck" exceeded its progress deadline/,
      );
      await kubectl('delete', 'deployment', 'stuck');
    });

    it('replace a pod that is deleted', async () => {
      const [pod] = await cluster().untilReadyPods(ns, 'app=web', 1);
      await kubectl('delete', 'pod', pod?.metadata.name ?? '');
      const [next] = await cluster().untilReadyPods(ns, 'app=web', 1);
      assert.notEqual(next?.metadata.uid, pod?.metadata.uid);
    });

    it('are deleted with ReplicaSets and pods, unless the deletion orphans them', async () => {
      await cluster().apply(deployment('orphaned', 1, { type: 'RollingUpdate' }));
      const [pod] = await cluster().untilReadyPods(ns, 'app=orphaned', 1);
      await kubectl('delete', 'deployment', 'orphaned', '--cascade=orphan');
      const [name] = await replicaSets('orphaned');
      const left = await cluster()
        .client.resource('replicasets.apps')
        .get({ namespace: ns, name: name ?? '' });
      assert.deepEqual(left.metadata.ownerReferences ?? [], []);
      assert.deepEqual(
        (await podsOf('orphaned')).map(({ metadata }) => metadata.uid),
        [pod?.metadata.uid],
      );

      await kubectl('delete', 'replicaset', name ?? '', '--cascade=foreground');
      assert.deepEqual(await podsOf('orphaned'), [], 'foreground: the pods went first');
      await kubectl('delete', 'deployment', 'web');
      await until(
        'its ReplicaSets and pods are gone',
        async () => (await replicaSets('web')).length === 0 && (await podsOf('web')).length === 0,
        { timeoutMs: 120_000 },
      );
    });

    it('are deleted with their namespace', async () => {
      await cluster().apply(deployment('last', 2, { type: 'RollingUpdate' }));
      await cluster().untilReadyPods(ns, 'app=last', 2);
      assert.equal(await cluster().kubectl(['delete', 'namespace', ns, '--timeout=120s']), `namespace "${ns}" deleted\n`);
      await assert.rejects(cluster().client.resource('namespaces').get({ name: ns }), isNotFound);
      assert.deepEqual([...(await podsOf('last')), ...(await replicaSets('last'))], []);
    });
  });
}
