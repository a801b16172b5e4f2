/** A node failure: worker 2 is disconnected, its pods are replaced, and it cleans up when it is connected again. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { execFile } from '#agent/host/exec.ts';
import type { EndpointSlice, Node, NodeCondition, Pod } from '#api/types.generated.ts';
import { until } from '#lab/until.ts';
import { runtimeSocket } from '#lab/worker.ts';
import { type Cluster, isReady } from './cluster.ts';

const ns = 'node-failure';
/** Below 30086, from where on the server assigns random node ports. */
const nodePort = 30040;
const replicas = 4;
const unreachable = 'node.kubernetes.io/unreachable';

export function nodeFailureSuite(cluster: () => Cluster): void {
  describe('a disconnected node', { timeout: 300_000 }, () => {
    const link = (state: 'up' | 'down'): Promise<unknown> =>
      execFile(['ip', 'link', 'set', cluster().lab.hosts[1]?.hostLink ?? assert.fail(), state]);
    const node = (): Promise<Node> => cluster().client.resource('nodes').get({ name: 'worker-2' });
    const ready = ({ status }: Node): NodeCondition | undefined => status?.conditions?.find(({ type }) => type === 'Ready');
    const pods = async (): Promise<Pod[]> =>
      (await cluster().client.resource('pods').list({ namespace: ns, labelSelector: 'app=web' })).items;
    const readyAddresses = async (): Promise<string[]> => {
      const { items } = await cluster()
        .client.resource('endpointslices.discovery.k8s.io')
        .list({ namespace: ns, labelSelector: 'kubernetes.io/service-name=web' });
      return items
        .flatMap((slice: EndpointSlice) => slice.endpoints ?? [])
        .filter(({ conditions }) => conditions?.ready === true)
        .map(({ addresses }) => addresses[0] ?? '');
    };
    const ask = async (): Promise<string> => {
      const answer = await fetch(`http://${cluster().lab.hosts[0]?.ip}:${nodePort}/`, {
        headers: { connection: 'close' },
        signal: AbortSignal.timeout(30_000),
      });
      return /^Hello from (\S+)/.exec(await answer.text())?.[1] ?? assert.fail();
    };
    /** The containers in worker 2's runtime, running or not. */
    const containers = async (): Promise<string[]> => {
      const { lab } = cluster();
      const socket = runtimeSocket(lab, lab.hosts[1] ?? assert.fail());
      const argv =
        lab.runtime === 'docker'
          ? ['docker', `--host=unix://${socket}`, 'ps', '--all', '--quiet', '--no-trunc']
          : ['ctr', `--address=${socket}`, '--namespace=k8s.io', 'containers', 'list', '--quiet'];
      return (await execFile(argv)).stdout.trim().split('\n');
    };
    let lost: Pod[];
    let lostContainers: string[];

    before(async () => {
      await cluster().namespace(ns);
      const labels = { app: 'web' };
      await cluster().apply(
        {
          apiVersion: 'apps/v1',
          kind: 'Deployment',
          metadata: { name: 'web', namespace: ns },
          spec: {
            replicas,
            selector: { matchLabels: labels },
            template: {
              metadata: { labels },
              spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'web', image: 'tinkernetes/web:1' }] },
            },
          },
        },
        {
          apiVersion: 'v1',
          kind: 'Service',
          metadata: { name: 'web', namespace: ns },
          spec: { type: 'NodePort', selector: labels, ports: [{ port: 80, targetPort: 8080, nodePort }] },
        },
      );
      const all = await cluster().untilReadyPods(ns, 'app=web', replicas);
      lost = all.filter(({ spec }) => spec?.nodeName === 'worker-2');
      assert.ok(lost.length > 0 && lost.length < replicas, `${lost.length} of ${replicas} pods are on worker-2`);
      lostContainers = lost.map(({ status }) => status?.containerStatuses?.[0]?.containerID?.split('://')[1] ?? assert.fail());
      const answered = new Set<string>();
      await until('every pod answers', async () => answered.add(await ask()).size === replicas, { timeoutMs: 120_000 });
    });

    it('is detected after the grace period: its condition is Unknown, and taints keep pods away', async () => {
      const cutOff = Date.now();
      await link('down');
      const found = await until(
        'the node is Unknown',
        async () => {
          const one = await node();
          return ready(one)?.status === 'Unknown' ? one : undefined;
        },
        { timeoutMs: 120_000, everyMs: 100 },
      );
      // The last heartbeat came at most 2 s before the disconnection. The grace period is 16 s.
      assert.ok(Date.now() - cutOff >= 8_000, 'not before the grace period');
      assert.deepEqual(
        { reason: ready(found)?.reason, message: ready(found)?.message },
        { reason: 'NodeStatusUnknown', message: 'Kubelet stopped posting node status.' },
      );
      await until(
        'both taints are there',
        async () => {
          const effects = (await node()).spec?.taints
            ?.filter(({ key }) => key === unreachable)
            .map(({ effect }) => effect)
            .sort();
          return effects?.join() === 'NoExecute,NoSchedule';
        },
        { timeoutMs: 60_000 },
      );
      assert.match(await cluster().kubectl(['get', 'node', 'worker-2']), /worker-2 +NotReady /);
      await until(
        'its pods are reported as not ready',
        async () => (await pods()).filter(({ spec }) => spec?.nodeName === 'worker-2').every((pod) => !isReady(pod)),
        { timeoutMs: 60_000 },
      );
    });

    it('gets no more requests once the endpoints are updated', async () => {
      const lostIps = lost.map(({ status }) => status?.podIP ?? '');
      await until('the endpoints are updated', async () => (await readyAddresses()).every((ip) => !lostIps.includes(ip)), {
        timeoutMs: 60_000,
      });
      await until(
        'worker 1 has the rules',
        async () => {
          const rules = await cluster().onWorker(0, ['iptables-save', '-t', 'nat']);
          return lostIps.every((ip) => !rules.includes(`--to-destination ${ip}:8080`));
        },
        { timeoutMs: 60_000 },
      );
      const lostNames = lost.map(({ metadata }) => metadata.name);
      for (let count = 0; count < 100; count++) assert.ok(!lostNames.includes(await ask()));
    });

    it('has its pods replaced on the other node after the tolerated time', async () => {
      const replaced = await until(
        'all replicas are on worker 1',
        async () => {
          const all = await pods();
          const fine = all.filter(
            (pod) => isReady(pod) && pod.metadata.deletionTimestamp === undefined && pod.spec?.nodeName === 'worker-1',
          );
          return fine.length === replicas ? all : undefined;
        },
        { timeoutMs: 120_000, everyMs: 100 },
      );
      const tainted = Date.parse(
        (await node()).spec?.taints?.find(({ key, effect }) => key === unreachable && effect === 'NoExecute')?.timeAdded ?? '',
      );
      for (const { metadata } of lost) {
        const now =
          replaced.find((pod) => pod.metadata.name === metadata.name) ??
          assert.fail(`${metadata.name} is gone although nobody can have stopped it`);
        const evicted = Date.parse(now.metadata.deletionTimestamp ?? '') - (now.metadata.deletionGracePeriodSeconds ?? 0) * 1000;
        const toleratedMs = evicted - tainted;
        // Both times have whole seconds. The default toleration is five minutes.
        assert.ok(
          toleratedMs >= 2_000 && toleratedMs <= 60_000,
          `${metadata.name} was evicted ${toleratedMs} ms after the taint`,
        );
      }
      const answered = new Set<string>();
      await until('every replacement answers', async () => answered.add(await ask()).size === replicas, { timeoutMs: 120_000 });
    });

    it('is Ready again when it is connected again, and removes the replaced pods', async () => {
      const before = await containers();
      for (const id of lostContainers) assert.ok(before.includes(id), `${id} ran on while the node was cut off`);
      await link('up');
      await until(
        'the node is Ready',
        async () => {
          const one = await node();
          return ready(one)?.status === 'True' && !one.spec?.taints?.some(({ key }) => key === unreachable);
        },
        { timeoutMs: 120_000, everyMs: 100, onTimeout: async () => JSON.stringify((await node()).spec) },
      );
      const names = lost.map(({ metadata }) => metadata.name);
      await until('its old pods are gone', async () => (await pods()).every(({ metadata }) => !names.includes(metadata.name)), {
        timeoutMs: 120_000,
      });
      await until(
        'their containers are gone',
        async () => {
          const left = await containers();
          return lostContainers.every((id) => !left.includes(id));
        },
        { timeoutMs: 90_000, everyMs: 200, onTimeout: async () => `left: ${(await containers()).join()}` },
      );
      assert.equal((await pods()).length, replicas);
    });

    it('runs new pods, which can be reached', async () => {
      await cluster().kubectl(['-n', ns, 'scale', 'deployment/web', `--replicas=${replicas + 2}`]);
      const all = await cluster().untilReadyPods(ns, 'app=web', replicas + 2);
      const back = all.filter(({ spec }) => spec?.nodeName === 'worker-2').map(({ metadata }) => metadata.name);
      assert.equal(back.length, 2, 'the emptier node takes both');
      await until('one of them answers', async () => back.includes(await ask()), { timeoutMs: 120_000 });
    });
  });
}
