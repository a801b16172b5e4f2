/** NetworkPolicies on real pods of two nodes. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { ExecError } from '#agent/host/exec.ts';
import type { Pod } from '#api/types.generated.ts';
import { until } from '#lab/until.ts';
import type { Cluster } from './cluster.ts';

const ns = 'policies';
const other = 'policies-other';

export function networkPolicySuite(cluster: () => Cluster): void {
  describe('NetworkPolicies', () => {
    const pod = (namespace: string, name: string, node: string, labels: object, container: object): object => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace, labels },
      spec: {
        nodeSelector: { 'kubernetes.io/hostname': node },
        terminationGracePeriodSeconds: 1,
        containers: [
          { name: 'main', image: 'busybox', command: ['sh', '-c', 'trap exit TERM; sleep 3600 & wait'], ...container },
        ],
      },
    });
    const web = (name: string, node: string): object =>
      pod(
        ns,
        name,
        node,
        { app: 'web' },
        {
          image: 'tinkernetes/web:1',
          command: undefined,
          ports: [{ name: 'http', containerPort: 8080 }],
          readinessProbe: { httpGet: { port: 8080 }, periodSeconds: 1 },
        },
      );
    const policy = (name: string, spec: object): object => ({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name, namespace: ns },
      spec: { podSelector: { matchLabels: { app: 'web' } }, ...spec },
    });
    const reaches = async (namespace: string, client: string, server: Pod): Promise<boolean> => {
      try {
        await cluster().exec(namespace, client, ['wget', '-T', '2', '-qO-', `http://${server.status?.podIP}:8080/`]);
        return true;
      } catch (error) {
        if (error instanceof ExecError) return false;
        throw error;
      }
    };
    /** A change reaches both nodes soon, not at once. */
    const untilReaches = (wanted: boolean, namespace: string, client: string, server: Pod): Promise<unknown> =>
      until(
        `${client} ${wanted ? 'reaches' : 'does not reach'} ${server.metadata.name}`,
        async () => (await reaches(namespace, client, server)) === wanted,
        {
          timeoutMs: 30_000,
          everyMs: 200,
        },
      );
    let servers: Pod[];

    before(async () => {
      await cluster().namespace(ns);
      await cluster().namespace(other);
      await cluster().apply(
        web('web-1', 'worker-1'),
        web('web-2', 'worker-2'),
        pod(ns, 'friend', 'worker-1', { friend: 'yes' }, {}),
        pod(ns, 'stranger', 'worker-1', {}, {}),
        pod(other, 'outsider', 'worker-2', {}, {}),
      );
      servers = await cluster().untilReadyPods(ns, 'app=web', 2);
      await cluster().untilReadyPods(ns, 'app!=web', 2);
      await cluster().untilReadyPods(other, '', 1);
    });

    it('deny all ingress by default, on the same node and from the other one, and leave probes alone', async () => {
      for (const server of servers) assert.ok(await reaches(ns, 'stranger', server));
      await cluster().apply(policy('deny', {}));
      for (const server of servers) {
        await untilReaches(false, ns, 'stranger', server);
        await untilReaches(false, other, 'outsider', server);
      }
      const restarts = await cluster().untilReadyPods(ns, 'app=web', 2);
      assert.deepEqual(
        restarts.map(({ metadata }) => metadata.name),
        ['web-1', 'web-2'],
      );
    });

    it('add up: pods by label, namespaces by name, named ports', async () => {
      await cluster().apply(
        policy('friends', {
          ingress: [{ from: [{ podSelector: { matchLabels: { friend: 'yes' } } }], ports: [{ port: 'http' }] }],
        }),
        policy('other', {
          ingress: [{ from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': other } } }] }],
        }),
      );
      for (const server of servers) {
        await untilReaches(true, ns, 'friend', server);
        await untilReaches(true, other, 'outsider', server);
        assert.equal(await reaches(ns, 'stranger', server), false);
      }
      await cluster().kubectl(['-n', ns, 'label', 'pod', 'friend', 'friend-']);
      for (const server of servers) await untilReaches(false, ns, 'friend', server);
    });

    it('follow a pod that is made anew with another address', async () => {
      await cluster().kubectl(['-n', ns, 'delete', 'pod', 'web-1', '--now']);
      await cluster().apply(web('web-1', 'worker-1'));
      servers = await cluster().untilReadyPods(ns, 'app=web', 2);
      for (const server of servers) {
        assert.equal(await reaches(ns, 'stranger', server), false);
        await untilReaches(true, other, 'outsider', server);
      }
    });

    it('hold from the first packet of a pod', async () => {
      await cluster().apply({
        ...policy('no-egress', { policyTypes: ['Egress'] }),
        spec: { podSelector: { matchLabels: { job: 'early' } }, policyTypes: ['Egress'] },
      });
      await cluster().kubectl(['-n', ns, 'delete', 'networkpolicy', 'deny', 'friends', 'other']);
      for (const server of servers) await untilReaches(true, ns, 'stranger', server);
      const target = `http://${servers[1]?.status?.podIP}:8080/`;
      const names = [1, 2, 3].map((number) => `early-${number}`);
      await cluster().apply(
        ...names.map((name) => {
          const early = pod(ns, name, 'worker-1', { job: 'early' }, { command: ['wget', '-T', '3', '-qO-', target] }) as Pod;
          return { ...early, spec: { ...early.spec, restartPolicy: 'Never' } };
        }),
      );
      for (const name of names) {
        const ended = await cluster().untilPod(ns, name, 'has ended', ({ status }) =>
          ['Failed', 'Succeeded'].includes(status?.phase ?? ''),
        );
        assert.equal(ended.status?.phase, 'Failed', `${name} reached ${target}`);
      }
    });

    it('are rules that name them', async () => {
      const rules = await cluster().onWorker(0, ['nft', 'list', 'table', 'inet', 'tinkernetes-network-policy']);
      assert.match(rules, /isolated by policies\/no-egress/);
    });
  });
}
