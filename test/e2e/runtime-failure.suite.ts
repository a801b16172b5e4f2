/** What users see when a node's container runtime fails. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { daemonPid } from '#agent/host/daemon.ts';
import type { NodeCondition, Pod } from '#api/types.generated.ts';
import { until } from '#lab/until.ts';
import { runtimeDaemon } from '#lab/worker.ts';
import { busybox, type Cluster, isReady } from './cluster.ts';

const ns = 'runtime-failure';

export function runtimeFailureSuite(cluster: () => Cluster): void {
  describe('a container runtime that hangs', { timeout: 300_000 }, () => {
    const ready = async (): Promise<NodeCondition | undefined> =>
      (await cluster().client.resource('nodes').get({ name: 'worker-2' })).status?.conditions?.find(
        ({ type }) => type === 'Ready',
      );
    const signal = (name: NodeJS.Signals): void => {
      const { lab } = cluster();
      const pid = daemonPid(runtimeDaemon(lab, lab.hosts[1] ?? assert.fail()).pidFile);
      process.kill(pid ?? assert.fail('the runtime does not run'), name);
    };
    let lasting: Pod;

    before(async () => {
      await cluster().namespace(ns);
      const tolerations = [{ key: 'node.kubernetes.io/not-ready', operator: 'Exists' }];
      await cluster().apply(busybox(ns, 'lasting', 'sleep 3600', { nodeName: 'worker-2', tolerations }));
      lasting = await cluster().untilPod(ns, 'lasting', 'Ready', isReady);
    });

    // An idle machine needs half of this. The unit tests of the kubelet's runtime health check the exact time on a fake clock.
    it('makes its node NotReady within a minute', async () => {
      signal('SIGSTOP');
      const stoppedMs = Date.now();
      try {
        await until('the node is not ready', async () => (await ready())?.status === 'False', {
          timeoutMs: 120_000,
          everyMs: 100,
        });
        assert.ok(Date.now() - stoppedMs < 60_000, `${Date.now() - stoppedMs} ms`);
        const { reason, message } = (await ready()) ?? {};
        assert.deepEqual([reason, message], ['KubeletNotReady', 'container runtime is down']);
      } finally {
        signal('SIGCONT');
      }
    });

    it('makes it Ready at once when it continues, with unchanged pods', async () => {
      await until('the node is ready', async () => (await ready())?.status === 'True', { timeoutMs: 60_000, everyMs: 100 });
      const pod = await cluster().untilPod(ns, 'lasting', 'Ready', isReady);
      assert.deepEqual(pod.status?.containerStatuses, lasting.status?.containerStatuses);
    });
  });
}
