/**
 * When the control plane or an agent is killed at any moment, no acknowledged write is lost and no running container is touched.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { daemonPid } from '#agent/host/daemon.ts';
import type { Pod } from '#api/types.generated.ts';
import { serverDaemon, startControlPlane } from '#lab/control-plane.ts';
import { until } from '#lab/until.ts';
import { agentDaemon, startAgent } from '#lab/worker.ts';
import { busybox, type Cluster, isReady } from './cluster.ts';

const ns = 'durability';
/** Below 30086, from where on the server assigns random node ports. */
const nodePort = 30030;

export function durabilitySuite(cluster: () => Cluster): void {
  describe('acknowledged writes and running containers', () => {
    const folder = (): string => join(cluster().scratch, 'durability');
    const lines = (file: string): string[] =>
      readFileSync(join(folder(), file), 'utf8')
        .trimEnd()
        .split('\n')
        .filter((line) => line !== '');
    const on = (node: string): Record<string, unknown> => ({
      nodeSelector: { 'kubernetes.io/hostname': node },
      volumes: [{ name: 'out', hostPath: { path: folder() } }],
    });
    const mounts = { volumeMounts: [{ name: 'out', mountPath: '/out' }] };
    const pods = async (): Promise<Pod[]> => (await cluster().client.resource('pods').list({ namespace: ns })).items;
    const worker = (): Cluster['lab']['hosts'][number] => cluster().lab.hosts[0] ?? assert.fail();

    /** Sends SIGKILL and waits until the process has ended. */
    const kill = async (pidFile: string): Promise<void> => {
      process.kill(daemonPid(pidFile) ?? assert.fail(`${pidFile} names no process`), 'SIGKILL');
      await until('the process is gone', async () => daemonPid(pidFile) === undefined, { timeoutMs: 60_000 });
    };
    const killServer = (): Promise<void> => kill(serverDaemon(cluster().lab).pidFile);
    /** The running containers with their start times. No restart of an agent may change them. */
    const identities = async (): Promise<Record<string, string>> =>
      Object.fromEntries(
        (await pods()).map(({ metadata, status }) => {
          const container = status?.containerStatuses?.[0];
          return [
            metadata.name,
            `${container?.containerID} since ${container?.state?.running?.startedAt}, restarted ${container?.restartCount}`,
          ];
        }),
      );
    const askNodePort = async (index: number): Promise<string> => {
      const answer = await fetch(`http://${cluster().lab.hosts[index]?.ip}:${nodePort}/`, {
        headers: { connection: 'close' },
        signal: AbortSignal.timeout(30_000),
      });
      return answer.text();
    };

    before(async () => {
      mkdirSync(folder());
      for (const file of ['answers', 'starts']) writeFileSync(join(folder(), file), '');
      await cluster().namespace(ns);
      const labels = { app: 'web' };
      const asker =
        'trap exit TERM; while :; do wget -qO- http://web/ >> /out/answers || echo FAILED >> /out/answers; sleep 0.1; done';
      const mortal =
        'trap exit TERM; echo $HOSTNAME >> /out/starts; while ! rm /out/die 2> /dev/null; do sleep 0.1; done; exit 1';
      await cluster().apply(
        {
          apiVersion: 'v1',
          kind: 'Service',
          metadata: { name: 'web', namespace: ns },
          spec: { type: 'NodePort', selector: labels, ports: [{ port: 80, targetPort: 8080, nodePort }] },
        },
        {
          apiVersion: 'apps/v1',
          kind: 'Deployment',
          metadata: { name: 'web', namespace: ns },
          spec: {
            replicas: 2,
            selector: { matchLabels: labels },
            template: {
              metadata: { labels },
              spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'web', image: 'tinkernetes/web:1' }] },
            },
          },
        },
      );
      await cluster().untilReadyPods(ns, 'app=web', 2);
      for (const index of [0, 1]) {
        const answered = new Set<string>();
        await until(
          'both pods answer',
          async () => answered.add(/^Hello from (\S+)/.exec(await askNodePort(index))?.[1] ?? '').size === 2,
          { timeoutMs: 60_000 },
        );
      }
      await cluster().apply(
        busybox(ns, 'asker', asker, on('worker-2'), mounts),
        busybox(ns, 'mortal', mortal, on('worker-1'), mounts),
      );
      for (const name of ['asker', 'mortal']) await cluster().untilPod(ns, name, 'Ready', isReady);
      await until('the asker is answered', async () => lines('answers').length > 0, { timeoutMs: 60_000 });
      writeFileSync(join(folder(), 'answers'), '');
    });

    it('survive kill -9 of the control plane at any moment', { timeout: 300_000 }, async () => {
      const acknowledged: string[] = [];
      const { lab, client } = cluster();
      let writing = true;
      let refused = 0;
      const write = async (writer: number): Promise<void> => {
        for (let count = 0; writing; count++) {
          const name = `w${writer}-${count}`;
          try {
            await client
              .resource('configmaps')
              .create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: ns }, data: { name } });
            acknowledged.push(name);
          } catch {
            refused++; // The server was killed meanwhile, so it is unknown whether this write has happened.
            await until('the server answers again', () => client.resource('namespaces').get({ name: ns }), {
              timeoutMs: 120_000,
            });
          }
        }
      };
      const writers = [1, 2, 3, 4].map(write);
      for (let round = 1; round <= 4; round++) {
        const goal = acknowledged.length + randomInt(20, 150);
        await until(`${goal} are acknowledged`, async () => acknowledged.length >= goal, { timeoutMs: 120_000, everyMs: 1 });
        await killServer();
        await startControlPlane(lab);
      }
      writing = false;
      await Promise.all(writers);
      assert.ok(refused > 0, 'the kills met writes under way');
      const kept = new Map(
        (await client.resource('configmaps').list({ namespace: ns })).items.map(({ metadata, data }) => [
          metadata.name,
          data?.['name'],
        ]),
      );
      assert.deepEqual(
        acknowledged.filter((name) => kept.get(name) !== name),
        [],
      );
    });

    it('still answer and are restarted while there is no control plane', { timeout: 300_000 }, async () => {
      const restarts = lines('starts').length;
      await killServer();
      try {
        for (const index of [0, 1, 0, 1, 0, 1]) assert.match(await askNodePort(index), /^Hello from web-/);
        const before = lines('answers').length;
        await until('a pod is answered by name', async () => lines('answers').length >= before + 20, { timeoutMs: 120_000 });
        writeFileSync(join(folder(), 'die'), '');
        await until('the agent restarts the container that died', async () => lines('starts').length === restarts + 1, {
          timeoutMs: 120_000,
        });
      } finally {
        await startControlPlane(cluster().lab);
      }
      await cluster().untilPod(
        ns,
        'mortal',
        'reported as restarted',
        (pod) => pod.status?.containerStatuses?.[0]?.restartCount === 1 && isReady(pod),
      );
      assert.deepEqual(
        lines('answers').filter((line) => !line.startsWith('Hello from web-')),
        [],
        'the Service always answered',
      );
    });

    it('are managed again by agents, controllers and scheduler after that', async () => {
      await cluster().kubectl(['-n', ns, 'scale', 'deployment/web', '--replicas=4']);
      await cluster().untilReadyPods(ns, 'app=web', 4);
      await until(
        'both nodes are Ready',
        async () =>
          (await cluster().client.resource('nodes').list()).items.every(({ status }) =>
            status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True'),
          ),
        { timeoutMs: 60_000 },
      );
    });

    it('are not touched by kill -9 of an agent, nor by its restart', async () => {
      const before = await identities();
      const pid = daemonPid(agentDaemon(cluster().lab, worker()).pidFile);
      await kill(agentDaemon(cluster().lab, worker()).pidFile);
      const doomed =
        (await pods()).find(({ metadata, spec }) => metadata.labels?.['app'] === 'web' && spec?.nodeName === 'worker-1')?.metadata
          .name ?? assert.fail('no web pod on worker-1');
      for (const index of [0, 1, 0, 1]) assert.match(await askNodePort(index), /^Hello from web-/);
      await cluster().kubectl(['-n', ns, 'delete', 'pod', doomed, '--wait=false']);
      await startAgent(cluster().lab, worker());
      assert.notEqual(daemonPid(agentDaemon(cluster().lab, worker()).pidFile), pid);
      // The new agent has finished its first sync when it deletes the pods that were deleted meanwhile, and starts new ones.
      await cluster().apply(busybox(ns, 'afterwards', 'trap exit TERM; sleep 3600 & wait', on('worker-1'), mounts));
      await cluster().untilPod(ns, 'afterwards', 'Ready', isReady);
      await until('the deleted pod is gone', async () => (await pods()).every(({ metadata }) => metadata.name !== doomed), {
        timeoutMs: 120_000,
      });
      await cluster().untilReadyPods(ns, 'app=web', 4);
      const now = await identities();
      for (const [name, identity] of Object.entries(before)) if (name !== doomed) assert.equal(now[name], identity, name);
    });
  });
}
