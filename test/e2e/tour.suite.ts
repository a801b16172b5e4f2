/** What users of other Kubernetes distributions do sooner or later, and bugs that were found once. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { kubectlPath } from '#lab/kubectl.ts';
import { until } from '#lab/until.ts';
import { background, busybox, type Cluster, isReady } from './cluster.ts';

const ns = 'tour';

export function tourSuite(cluster: () => Cluster): void {
  describe('a tour', () => {
    const sleeper = 'trap exit TERM; sleep 3600 & wait';

    before(async () => {
      await cluster().namespace(ns);
    });

    it('returns every exit code, and survives clients that are killed during a command', async () => {
      await cluster().apply(busybox(ns, 'busy', sleeper));
      await cluster().untilPod(ns, 'busy', 'Ready', isReady);
      const kubeconfig = ['--kubeconfig', cluster().lab.kubeconfig];
      const exec = [kubectlPath(), ...kubeconfig, '-n', ns, 'exec', 'busy', '--', 'sh', '-c'];
      const endless = background([...exec, 'while echo more output; do :; done']);
      await until('output', async () => endless.output().length > 0, { timeoutMs: 60_000 });
      await endless.stop();
      // The exit code was lost about once in thirty times.
      for (let round = 0; round < 40; round++) {
        const refusal = await cluster().kubectlFails(['-n', ns, 'exec', 'busy', '--', 'sh', '-c', 'echo out; exit 3']);
        assert.equal(refusal.trim(), 'command terminated with exit code 3');
      }
    });

    it('gives the resources of a pod that was preempted without grace period to the preempting pod', async () => {
      const { status } = await cluster().client.resource('nodes').get({ name: 'worker-2' });
      const resources = { requests: { cpu: `${Math.floor(Number(status?.allocatable?.['cpu']) * 600)}m` } };
      const onSecond = { nodeSelector: { 'kubernetes.io/hostname': 'worker-2' } };
      const pod = (name: string, more: object): Record<string, unknown> =>
        busybox(ns, name, sleeper, { terminationGracePeriodSeconds: 0, ...onSecond, ...more }, { resources });
      await cluster().apply(pod('low', {}));
      await cluster().untilPod(ns, 'low', 'Ready', isReady);
      await cluster().apply(pod('high', { priorityClassName: 'system-cluster-critical' }));
      const settled = await cluster().untilPod(ns, 'high', 'settled', (one) => isReady(one) || one.status?.phase === 'Failed');
      assert.deepEqual([settled.status?.phase, settled.status?.reason], ['Running', undefined]);
      await cluster().untilEvent(ns, 'Preempted', 'low', /^Preempted by pod \S+ on node worker-2$/);
      await cluster().kubectl(['-n', ns, 'delete', 'pod', 'high']);
    });
  });
}
