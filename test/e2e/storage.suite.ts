/** Persistent volumes on real nodes: data survives its pod, and is deleted with its claim. */
import assert from 'node:assert/strict';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import type { PersistentVolume, PersistentVolumeClaim } from '#api/types.generated.ts';
import { until } from '#lab/until.ts';
import { busybox, type Cluster, isReady } from './cluster.ts';

const ns = 'storage';
const patience = { timeoutMs: 60_000, everyMs: 250 };
const sleeping = "trap 'exit 0' TERM; while :; do sleep 1; done";

export function storageSuite(cluster: () => Cluster): void {
  describe('persistent volumes', () => {
    const kubectl = (...args: string[]): Promise<string> => cluster().kubectl(['-n', ns, ...args]);
    const resources = { requests: { storage: '1Gi' } };
    const spec = { accessModes: ['ReadWriteOnce'], resources };
    const claim = (name: string, more: object = {}): object => ({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name, namespace: ns },
      spec: { ...spec, ...more },
    });
    const mounting = (claimName: string): Record<string, unknown> => ({
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName } }],
    });
    const at = (more: object = {}): Record<string, unknown> => ({
      volumeMounts: [{ name: 'data', mountPath: '/data', ...more }],
    });
    const claimOf = (name: string): Promise<PersistentVolumeClaim> =>
      cluster().client.resource('persistentvolumeclaims').get({ namespace: ns, name });
    const volumeOf = async (name: string): Promise<PersistentVolume> =>
      cluster()
        .client.resource('persistentvolumes')
        .get({ name: (await claimOf(name)).spec.volumeName ?? '' });
    const exec = (pod: string, ...argv: string[]): Promise<string> => cluster().exec(ns, pod, argv);
    const isThere = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined)) !== undefined;
    const untilGone = (path: string): Promise<true> =>
      until(`${path} is removed`, async () => !(await isThere(path)) || undefined, patience) as Promise<true>;

    before(async () => {
      await cluster().namespace(ns);
    });

    it('a StatefulSet keeps the data of each pod when the pods are deleted', async () => {
      await cluster().apply({
        apiVersion: 'apps/v1',
        kind: 'StatefulSet',
        metadata: { name: 'db', namespace: ns },
        spec: {
          replicas: 2,
          serviceName: 'db',
          selector: { matchLabels: { app: 'db' } },
          template: {
            metadata: { labels: { app: 'db' } },
            spec: {
              terminationGracePeriodSeconds: 1,
              containers: [
                { name: 'main', image: 'busybox', imagePullPolicy: 'IfNotPresent', command: ['sh', '-c', sleeping], ...at() },
              ],
            },
          },
          volumeClaimTemplates: [{ metadata: { name: 'data' }, spec }],
        },
      });
      await cluster().untilReadyPods(ns, 'app=db', 2);
      for (const pod of ['db-0', 'db-1']) await exec(pod, 'sh', '-c', `echo of ${pod} >/data/file`);
      const nodes = async (): Promise<(string | undefined)[]> =>
        (await cluster().untilReadyPods(ns, 'app=db', 2)).map((pod) => pod.spec.nodeName);
      const before = await nodes();
      await kubectl('delete', 'pod', 'db-0', 'db-1');
      assert.deepEqual(await nodes(), before);
      for (const pod of ['db-0', 'db-1']) assert.equal(await exec(pod, 'cat', '/data/file'), `of ${pod}\n`);
      const { spec: volume } = await volumeOf('data-db-1');
      assert.equal(await readFile(join(volume.local?.path ?? '', 'file'), 'utf8'), 'of db-1\n');
      assert.match(await kubectl('get', 'pvc'), /data-db-0 +Bound +pvc-\S+ +1Gi +RWO +local-path /);
    });

    it('a claim waits for its first pod, and its folder is removed after the last pod and the claim', async () => {
      await cluster().apply(claim('one'));
      await cluster().untilEvent(ns, 'WaitForFirstConsumer', 'one', /^waiting for first consumer to be created before binding$/);
      assert.equal((await claimOf('one')).status?.phase, 'Pending');
      await cluster().apply({
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'app', namespace: ns },
        spec: {
          selector: { matchLabels: { app: 'app' } },
          strategy: { type: 'Recreate' },
          template: {
            metadata: { labels: { app: 'app' } },
            spec: {
              terminationGracePeriodSeconds: 1,
              securityContext: { runAsUser: 1000, fsGroup: 2000 },
              ...mounting('one'),
              containers: [
                {
                  name: 'main',
                  image: 'busybox',
                  imagePullPolicy: 'IfNotPresent',
                  command: ['sh', '-c', sleeping],
                  ...at({ subPath: 'deep' }),
                },
              ],
            },
          },
        },
      });
      const [pod] = await cluster().untilReadyPods(ns, 'app=app', 1);
      const name = pod?.metadata.name ?? '';
      await exec(name, 'sh', '-c', 'echo x >/data/file');
      const volume = await volumeOf('one');
      const path = volume.spec.local?.path ?? '';
      assert.equal((await stat(path)).gid, 2000);
      const { uid, gid } = await stat(join(path, 'deep/file'));
      assert.deepEqual([uid, gid], [1000, 2000]);
      await kubectl('delete', 'pvc', 'one', '--wait=false');
      assert.match(await kubectl('describe', 'pvc', 'one'), /Status: +Terminating/);
      assert.equal(await isThere(path), true);
      await kubectl('delete', 'deployment', 'app');
      await untilGone(path);
      await until(
        'the volume is gone',
        async () => !(await kubectl('get', 'pv', '-o', 'name')).includes(volume.metadata.name) || undefined,
        patience,
      );
    });

    it('a claim grows, and its pod runs on', async () => {
      await cluster().apply(claim('grows'), busybox(ns, 'grower', sleeping, mounting('grows'), at()));
      await cluster().untilPod(ns, 'grower', 'Ready', isReady);
      await kubectl('patch', 'pvc', 'grows', '-p', '{"spec":{"resources":{"requests":{"storage":"5Gi"}}}}');
      await until(
        'it shows',
        async () => (await claimOf('grows')).status?.capacity?.['storage'] === '5Gi' || undefined,
        patience,
      );
      assert.equal(await exec('grower', 'ls', '/data'), '');
    });

    it('an ephemeral volume lives as long as its pod', async () => {
      const volumes = [{ name: 'data', ephemeral: { volumeClaimTemplate: { spec } } }];
      await cluster().apply(busybox(ns, 'scratch', sleeping, { volumes }, at()));
      await cluster().untilPod(ns, 'scratch', 'Ready', isReady);
      await exec('scratch', 'sh', '-c', 'echo x >/data/file');
      const path = (await volumeOf('scratch-data')).spec.local?.path ?? '';
      assert.deepEqual(await readdir(path), ['file']);
      await kubectl('delete', 'pod', 'scratch');
      await untilGone(path);
      assert.match(await cluster().kubectlFails(['-n', ns, 'get', 'pvc', 'scratch-data']), /not found/);
    });

    it('a pod may only read a claim that it asks for so, also a hostPath volume that was made by hand', async () => {
      const folder = join(cluster().scratch, 'by-hand');
      await cluster().apply(
        {
          apiVersion: 'v1',
          kind: 'PersistentVolume',
          metadata: { name: 'by-hand' },
          spec: {
            accessModes: ['ReadWriteOnce'],
            capacity: { storage: '1Gi' },
            storageClassName: 'by-hand',
            hostPath: { path: folder, type: 'DirectoryOrCreate' },
          },
        },
        claim('by-hand', { storageClassName: 'by-hand' }),
        busybox(ns, 'writer', 'echo x >/data/file; sleep 3600', mounting('by-hand'), at()),
      );
      await cluster().untilPod(ns, 'writer', 'Ready', isReady);
      const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: 'by-hand', readOnly: true } }];
      await cluster().apply(busybox(ns, 'reader', 'touch /data/new 2>&1; cat /data/file; sleep 3600', { volumes }, at()));
      await cluster().untilPod(ns, 'reader', 'Ready', isReady);
      await until(
        'it has read',
        async () => /Read-only file system\nx/.test(await kubectl('logs', 'reader')) || undefined,
        patience,
      );
      await kubectl('delete', 'pod', 'reader', 'writer', '--grace-period=1');
      await kubectl('delete', 'pvc', 'by-hand');
      await kubectl('wait', '--for=jsonpath={.status.phase}=Released', 'pv/by-hand', '--timeout=30s');
      assert.equal(await readFile(join(folder, 'file'), 'utf8'), 'x\n');
      await kubectl('delete', 'pv', 'by-hand');
    });

    it('a folder that is not there is told, and a claim that is not bound', async () => {
      const hostname = cluster().lab.hosts[0]?.name ?? '';
      const onHost = { key: 'kubernetes.io/hostname', operator: 'In', values: [hostname] };
      await cluster().apply(
        {
          apiVersion: 'v1',
          kind: 'PersistentVolume',
          metadata: { name: 'missing' },
          spec: {
            accessModes: ['ReadWriteOnce'],
            capacity: { storage: '1Gi' },
            storageClassName: 'missing',
            local: { path: '/no/such/folder' },
            nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [onHost] }] } },
          },
        },
        claim('missing', { storageClassName: 'missing' }),
        claim('unbound', { storageClassName: 'nobody' }),
        busybox(ns, 'without-folder', sleeping, { ...mounting('missing'), nodeName: hostname }, at()),
        busybox(ns, 'without-volume', sleeping, { ...mounting('unbound'), nodeName: hostname }, at()),
      );
      const absent =
        /^MountVolume\.NewMounter initialization failed for volume "missing" : path "\/no\/such\/folder" does not exist$/;
      await cluster().untilEvent(ns, 'FailedMount', 'without-folder', absent);
      const unbound =
        /^Unable to attach or mount volumes: unmounted volumes=\[data\], .* error processing PVC storage\/unbound: PVC is not bound$/;
      await cluster().untilEvent(ns, 'FailedMount', 'without-volume', unbound);
      await kubectl('delete', 'pod', 'without-folder', 'without-volume');
      await kubectl('delete', 'pvc', 'missing', 'unbound');
      await kubectl('delete', 'pv', 'missing');
    });

    it('a claim whose pods are gone goes with its data, and nothing else on the node', async () => {
      await kubectl('delete', 'statefulset', 'db');
      const paths = await Promise.all(
        ['data-db-0', 'data-db-1'].map(async (name) => (await volumeOf(name)).spec.local?.path ?? ''),
      );
      await kubectl('delete', 'pvc', 'data-db-0');
      await untilGone(paths[0] ?? '');
      assert.equal(await readFile(join(paths[1] ?? '', 'file'), 'utf8'), 'of db-1\n');
    });
  });
}
