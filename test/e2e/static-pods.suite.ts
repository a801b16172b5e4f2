/** Pods whose manifests lie on the node: they follow their files, and the API only shows them. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { stopDaemon } from '#agent/host/daemon.ts';
import { isNotFound } from '#api/status.ts';
import type { Pod } from '#api/types.generated.ts';
import { serverDaemon, startControlPlane } from '#lab/control-plane.ts';
import { until } from '#lab/until.ts';
import { agentDaemon, startAgent } from '#lab/worker.ts';
import { busybox, type Cluster, isReady } from './cluster.ts';

const namespace = 'kube-system';
const name = 'hello-worker-1';

export function staticPodSuite(cluster: () => Cluster): void {
  describe('static pods', () => {
    const file = (): string => join(cluster().manifests, 'hello.yaml');
    const folder = (): string => join(cluster().scratch, 'static');
    const write = (text: string): void => writeFileSync(file(), text);
    const manifest = (says: string): string =>
      JSON.stringify(
        busybox(
          namespace,
          'hello',
          `echo ${says} > /out/$NODE; echo ${says}; trap exit TERM; while :; do sleep 0.1; done`,
          {
            hostNetwork: true,
            priorityClassName: 'system-node-critical',
            terminationGracePeriodSeconds: 5,
            volumes: [{ name: 'out', hostPath: { path: folder(), type: 'DirectoryOrCreate' } }],
          },
          {
            env: [{ name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } }],
            volumeMounts: [{ name: 'out', mountPath: '/out' }],
          },
        ),
      );
    const untilRunning = (what: string, wanted: (pod: Pod) => boolean = isReady): Promise<Pod> =>
      cluster().untilPod(namespace, name, what, (pod) => isReady(pod) && wanted(pod));
    const containerId = ({ status }: Pod): string | undefined => status?.containerStatuses?.[0]?.containerID;
    const hash = ({ metadata }: Pod): string | undefined => metadata.annotations?.['kubernetes.io/config.hash'];
    const untilGone = (): Promise<boolean> =>
      until(
        `${name} is gone`,
        async () => {
          try {
            await cluster().client.resource('pods').get({ namespace, name });
            return undefined;
          } catch (error) {
            if (!isNotFound(error)) throw error;
            return true;
          }
        },
        { timeoutMs: 60_000, everyMs: 100 },
      );
    const worker = (): Cluster['lab']['hosts'][number] => cluster().lab.hosts[0] ?? assert.fail();
    const agentLog = (): string => readFileSync(agentDaemon(cluster().lab, worker()).logFile, 'utf8');

    before(() => write(manifest('one')));
    after(() => rmSync(file(), { force: true }));

    it('run under the name of their node, shown by a mirror pod that the node owns', async () => {
      const pod = await untilRunning('ready');
      const { annotations = {}, ownerReferences } = pod.metadata;
      assert.match(hash(pod) ?? '', /^[0-9a-f]{32}$/);
      assert.equal(annotations['kubernetes.io/config.mirror'], hash(pod));
      assert.equal(annotations['kubernetes.io/config.source'], 'file');
      assert.match(annotations['kubernetes.io/config.seen'] ?? '', /^\d{4}-\d\d-\d\dT/);
      const node = await cluster().client.resource('nodes').get({ name: 'worker-1' });
      assert.deepEqual(ownerReferences, [
        { apiVersion: 'v1', kind: 'Node', name: 'worker-1', uid: node.metadata.uid, controller: true },
      ]);
      assert.equal(pod.spec.nodeName, 'worker-1');
      assert.equal(pod.spec.priority, 2_000_001_000);
      assert.ok(
        pod.spec.tolerations?.some(({ key, operator, effect }) => !key && operator === 'Exists' && effect === 'NoExecute'),
      );
      assert.equal(pod.status?.hostIP, worker().ip);
      assert.equal(existsSync(folder()), true);
      await cluster().untilPod(namespace, 'hello-worker-2', 'ready', isReady);
    });

    it('have logs, exec and describe with events, by their mirror pod', async () => {
      assert.match(await cluster().kubectl(['-n', namespace, 'logs', name]), /^one$/m);
      assert.equal(await cluster().exec(namespace, name, ['echo', 'in', 'it']), 'in it\n');
      const text = await cluster().kubectl(['-n', namespace, 'describe', 'pod', name]);
      assert.match(text, /Controlled By: +Node\/worker-1/);
      assert.match(text, /Started +\S+ +kubelet +spec.containers\{main\}: Container started/);
    });

    // By kubectl 1.36: earlier ones wait until there is no pod of this name, and miss that moment, because the kubelet makes the next one at once.
    it('outlive a deletion: kubectl delete takes the mirror pod, and the container runs on', async () => {
      const before = await untilRunning('ready');
      await cluster().kubectl(['-n', namespace, 'delete', 'pod', name]);
      const after = await untilRunning('there again', ({ metadata }) => metadata.uid !== before.metadata.uid);
      assert.equal(containerId(after), containerId(before));
      assert.equal(hash(after), hash(before));
    });

    it('start again with a changed manifest', async () => {
      const before = await untilRunning('ready');
      write(manifest('two'));
      const after = await untilRunning('another', (pod) => hash(pod) !== hash(before));
      assert.notEqual(containerId(after), containerId(before));
      assert.match(await cluster().kubectl(['-n', namespace, 'logs', name]), /^two$/m);
    });

    it('keep their containers when the kubelet starts again', async () => {
      const before = await untilRunning('ready');
      await stopDaemon(agentDaemon(cluster().lab, worker()).pidFile);
      await startAgent(cluster().lab, worker());
      await until('the agent has found the pod', async () => agentLog().split('Adding static pod path').length > 2, {
        timeoutMs: 60_000,
      });
      await cluster().kubectl(['-n', namespace, 'delete', 'pod', name]);
      const after = await untilRunning('mirrored by the new kubelet', ({ metadata }) => metadata.uid !== before.metadata.uid);
      assert.equal(containerId(after), containerId(before));
    });

    it('are told of in the log when their manifest breaks, end with the next look at all manifests, and heal', async () => {
      write(`${manifest('two').slice(0, 200)}`);
      await until('the log says so', async () => agentLog().includes("couldn't parse as pod("), { timeoutMs: 60_000 });
      await untilGone();
      write(manifest('three'));
      await untilRunning('healed');
      assert.match(await cluster().kubectl(['-n', namespace, 'logs', name]), /^three$/m);
    });

    it('start while there is no API server, also by a kubelet that has not reached one yet', async () => {
      rmSync(file());
      await untilGone();
      mkdirSync(folder(), { recursive: true });
      for (const node of ['worker-1', 'worker-2']) rmSync(join(folder(), node), { force: true });
      await stopDaemon(serverDaemon(cluster().lab).pidFile);
      try {
        await stopDaemon(agentDaemon(cluster().lab, worker()).pidFile);
        write(manifest('alone'));
        await startAgent(cluster().lab, worker());
        for (const { name: node } of cluster().lab.hosts)
          await until(`it runs on ${node}`, async () => existsSync(join(folder(), node)), { timeoutMs: 60_000, everyMs: 100 });
        assert.equal(readFileSync(join(folder(), 'worker-1'), 'utf8'), 'alone\n');
      } finally {
        await startControlPlane(cluster().lab);
      }
      await untilRunning('mirrored');
    });

    it('end when their manifest is removed, and leave no mirror pod', async () => {
      rmSync(file());
      await untilGone();
      assert.equal(
        await cluster().kubectl(['-n', namespace, 'get', 'pods', '--field-selector=spec.nodeName=worker-1', '-o', 'name']),
        '',
      );
    });
  });
}
