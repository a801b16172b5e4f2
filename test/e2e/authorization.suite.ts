/**
 * Authorization in a cluster with default settings: nodes can read only their own objects, and no component makes a request that is
 * forbidden to it.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { ExecError, execFile } from '#agent/host/exec.ts';
import { agentContext, agentUsers } from '#api/agent-users.ts';
import { kubectlPath } from '#lab/kubectl.ts';
import { busybox, type Cluster, isReady } from './cluster.ts';

const ns = 'rights';

export function authorizationSuite(cluster: () => Cluster): void {
  describe('authorization', () => {
    before(async () => {
      await cluster().namespace(ns);
    });

    /** kubectl with the credentials of a node's agent. @param user absent: its kubelet */
    async function asAgent(worker: number, args: readonly string[], user?: string): Promise<string> {
      const { dataDir } = cluster().lab.hosts[worker] ?? { dataDir: '' };
      const context = user === undefined ? [] : [`--context=${agentContext(user)}`];
      const argv = [kubectlPath(), `--kubeconfig=${join(dataDir, 'pki/kubelet.conf')}`, ...context, ...args];
      try {
        return (await execFile(argv, { timeoutMs: 60_000 })).stdout;
      } catch (error) {
        if (error instanceof ExecError) return error.result.stderr;
        throw error;
      }
    }

    it('shows a node the secrets of its own pods, and of no others', async () => {
      const pods = ['worker-1', 'worker-2'].map((node) =>
        busybox(
          ns,
          `on-${node}`,
          'trap exit TERM; sleep 3600 & wait',
          { nodeName: node, volumes: [{ name: 's', secret: { secretName: `of-${node}` } }] },
          { volumeMounts: [{ name: 's', mountPath: '/s' }] },
        ),
      );
      const secret = (node: string) => ({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: `of-${node}`, namespace: ns },
        stringData: { key: node },
      });
      await cluster().apply(secret('worker-1'), secret('worker-2'), ...pods);
      for (const node of ['worker-1', 'worker-2']) await cluster().untilPod(ns, `on-${node}`, 'Ready', isReady);
      assert.equal(await cluster().exec(ns, 'on-worker-1', ['cat', '/s/key']), 'worker-1');
      assert.match(await asAgent(0, ['-n', ns, 'get', 'secret', 'of-worker-1', '-o', 'name']), /^secret\/of-worker-1/);
      assert.match(
        await asAgent(0, ['-n', ns, 'get', 'secret', 'of-worker-2']),
        /Error from server \(Forbidden\): secrets "of-worker-2" is forbidden: User "system:node:worker-1" cannot get resource "secrets" in API group "" in the namespace "rights": no relationship found between node 'worker-1' and this object/,
      );
      assert.match(
        await asAgent(0, ['get', 'node', 'worker-2']),
        /node 'worker-1' cannot read 'worker-2', only its own Node object/,
      );
      assert.match(
        await asAgent(0, ['label', 'node', 'worker-1', 'node-restriction.kubernetes.io/x=y']),
        /is not allowed to modify labels/,
      );
      await cluster().kubectl(['-n', ns, 'delete', 'pod', '--all', '--now']);
    });

    it('lets the other parts of an agent read what they need, and nothing else', async () => {
      const cases: [user: string, may: string, mayNot: string][] = [
        [agentUsers.proxy, 'endpointslices', 'pods'],
        [agentUsers.network, 'nodes', 'services'],
        [agentUsers.networkPolicy, 'networkpolicies', 'services'],
        [agentUsers.dns, 'namespaces', 'secrets'],
      ];
      for (const [user, may, mayNot] of cases) {
        assert.match(await asAgent(1, ['auth', 'can-i', 'list', may, '-A'], user), /^yes/);
        assert.match(
          await asAgent(1, ['get', mayNot, '-A'], user),
          new RegExp(`User "${user}" cannot list resource "${mayNot}"`),
        );
      }
    });

    it('is aggregated: a namespace can be given to somebody with the role edit', async () => {
      await cluster().kubectl(['-n', ns, 'create', 'rolebinding', 'jane', '--clusterrole=edit', '--user=jane']);
      const asJane = (...args: string[]): Promise<string> => cluster().kubectl([...args, '--as=jane', '-n', ns]);
      assert.match(await asJane('auth', 'can-i', 'create', 'deployments.apps'), /^yes/);
      assert.match(
        await cluster().kubectlFails(['get', 'nodes', '--as=jane']),
        /User "jane" cannot list resource "nodes" in API group ""/,
      );
    });
  });
}
