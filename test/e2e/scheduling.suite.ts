/** Which nodes pods get, and the messages for pods that fit no node. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Pod, PodCondition } from '#api/types.generated.ts';
import { busybox, type Cluster, isReady } from './cluster.ts';

const ns = 'scheduling';
const noVictims = 'no new claims to deallocate, preemption: 0/2 nodes are available: 2 ';

export function schedulingSuite(cluster: () => Cluster): void {
  describe('the scheduler', () => {
    const sleeper = 'trap exit TERM; sleep 3600 & wait';
    const kubectl = (...args: string[]): Promise<string> => cluster().kubectl(['-n', ns, ...args]);
    const get = (name: string): Promise<Pod> => cluster().client.resource('pods').get({ namespace: ns, name });
    const run = (name: string, more: object = {}, container: object = {}): Promise<void> =>
      cluster().apply(busybox(ns, name, sleeper, { ...more }, { ...container }));
    const ready = (name: string): Promise<Pod> => cluster().untilPod(ns, name, 'Ready', isReady);
    /** Checks that the pod's condition and its event have this message. */
    const unschedulable = async (name: string, message: RegExp): Promise<void> => {
      const scheduled = ({ status }: Pod): PodCondition | undefined =>
        status?.conditions?.find(({ type }) => type === 'PodScheduled');
      const pod = await cluster().untilPod(ns, name, 'Unschedulable', (one) => scheduled(one)?.reason === 'Unschedulable');
      assert.equal(scheduled(pod)?.status, 'False');
      assert.match(scheduled(pod)?.message ?? '', message);
      await cluster().untilEvent(ns, 'FailedScheduling', name, message);
    };

    before(async () => {
      await cluster().namespace(ns);
    });
    after(async () => {
      await cluster().kubectl(['uncordon', 'worker-1', 'worker-2']);
      const { spec } = await cluster().client.resource('nodes').get({ name: 'worker-2' });
      if (spec?.taints?.some(({ key }) => key === 'drill')) await kubectl('taint', 'node', 'worker-2', 'drill-');
    });

    it('has two nodes that are ready and take pods of everybody', async () => {
      const { items } = await cluster().client.resource('nodes').list();
      const open = items.filter(
        ({ spec, status }) =>
          spec?.unschedulable !== true &&
          (spec?.taints ?? []).length === 0 &&
          status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true,
      );
      assert.equal(open.length, 2);
    });

    it('reports the reasons per node why a pod cannot be scheduled: resources, and labels', async () => {
      await run('huge', {}, { resources: { requests: { cpu: '1000', memory: '100Ti' } } });
      await unschedulable(
        'huge',
        new RegExp(
          `^0/2 nodes are available: 2 Insufficient cpu, 2 Insufficient memory\\. ${noVictims}Preemption is not helpful for scheduling\\.$`,
        ),
      );
      await run('picky', { nodeSelector: { disk: 'fast' } });
      await unschedulable(
        'picky',
        new RegExp(
          `^0/2 nodes are available: 2 node\\(s\\) didn't match Pod's node affinity/selector\\. ${noVictims}Preemption is not helpful for scheduling\\.$`,
        ),
      );
    });

    it('places the pod when a node changes so that it fits', async () => {
      await kubectl('label', 'node', 'worker-2', 'disk=fast');
      assert.equal((await ready('picky')).spec?.nodeName, 'worker-2');
      await kubectl('label', 'node', 'worker-2', 'disk-');
    });

    it('avoids cordoned and tainted nodes, except for pods that tolerate them', async () => {
      await kubectl('cordon', 'worker-1');
      await kubectl('taint', 'node', 'worker-2', 'drill=on:NoSchedule');
      await run('intolerant');
      await unschedulable(
        'intolerant',
        /^0\/2 nodes are available: 1 node\(s\) had untolerated taint\(s\), 1 node\(s\) were unschedulable\. /,
      );
      await run('tolerant', { tolerations: [{ key: 'drill', operator: 'Exists' }] });
      assert.equal((await ready('tolerant')).spec?.nodeName, 'worker-2');
      assert.equal((await get('intolerant')).spec?.nodeName, undefined);
      await kubectl('uncordon', 'worker-1');
      assert.equal((await ready('intolerant')).spec?.nodeName, 'worker-1');
      await kubectl('taint', 'node', 'worker-2', 'drill=on:NoSchedule-');
    });

    it('uses a host port once per node, and again when it is free', async () => {
      const port = { ports: [{ containerPort: 8080, hostPort: 31999 }] };
      const nodes: (string | undefined)[] = [];
      for (const name of ['port-1', 'port-2']) {
        await run(name, {}, port);
        nodes.push((await ready(name)).spec?.nodeName);
      }
      assert.deepEqual(nodes.sort(), ['worker-1', 'worker-2']);
      await run('port-3', {}, port);
      await unschedulable(
        'port-3',
        /^0\/2 nodes are available: 2 node\(s\) didn't have free ports for the requested pod ports\. /,
      );
      const { spec } = await get('port-1');
      await kubectl('delete', 'pod', 'port-1');
      assert.equal((await ready('port-3')).spec?.nodeName, spec?.nodeName);
    });

    it('spreads the pods of a Deployment over the nodes', async () => {
      await kubectl('create', 'deployment', 'spread', '--image=tinkernetes/web:1', '--replicas=6');
      const pods = await cluster().untilReadyPods(ns, 'app=spread', 6);
      const perNode = Map.groupBy(pods, ({ spec }) => spec?.nodeName);
      assert.deepEqual(
        [...perNode.values()].map((own) => own.length),
        [3, 3],
      );
    });
  });
}
