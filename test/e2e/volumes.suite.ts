/**
 * Volumes and files of containers, on real mounts: subPaths that change, expressions that are corrected, and files that
 * containers plant.
 */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import type { ContainerStatus, Pod } from '#api/types.generated.ts';
import { until } from '#lab/until.ts';
import { busybox, type Cluster, isReady } from './cluster.ts';

const own = (pod: Pod): ContainerStatus | undefined => pod.status?.containerStatuses?.[0];
const waiting = (pod: Pod): string => {
  const { reason = '', message = '' } = own(pod)?.state?.waiting ?? {};
  return `${reason}: ${message}`;
};

export function volumeSuite(cluster: () => Cluster, runtime: 'containerd' | 'docker'): void {
  describe('volumes', () => {
    const ns = 'volumes';
    const kubectl = (...args: string[]): Promise<string> => cluster().kubectl(['-n', ns, ...args]);
    const untilPod = (name: string, what: string, wanted: (pod: Pod) => boolean): Promise<Pod> =>
      cluster().untilPod(ns, name, what, wanted);
    /** Ends the container, and waits for the next one. */
    async function restart(name: string): Promise<void> {
      const before = own(await untilPod(name, 'Ready', isReady))?.restartCount ?? 0;
      await kubectl('exec', name, '--', 'kill', '1');
      await untilPod(name, 'restarted and Ready', (pod) => isReady(pod) && (own(pod)?.restartCount ?? 0) > before);
    }

    before(async () => {
      await cluster().namespace(ns);
    });

    it('give a restarted container the key of a changed ConfigMap or Secret that it mounts by subPath', async () => {
      const meta = (name: string): object => ({ name, namespace: ns });
      await cluster().apply(
        { apiVersion: 'v1', kind: 'ConfigMap', metadata: meta('keys'), data: { key: 'old', dir: 'x' } },
        { apiVersion: 'v1', kind: 'Secret', metadata: meta('keys'), stringData: { key: 'old' } },
      );
      const volumes = [
        { name: 'c', configMap: { name: 'keys' } },
        { name: 's', secret: { secretName: 'keys' } },
        { name: 'p', projected: { sources: [{ configMap: { name: 'keys', items: [{ key: 'key', path: 'deep/key' }] } }] } },
      ];
      const volumeMounts = [
        { name: 'c', mountPath: '/c', subPath: 'key' },
        { name: 's', mountPath: '/s', subPath: 'key' },
        { name: 'p', mountPath: '/p', subPath: 'deep' },
        { name: 'c', mountPath: '/whole/c' },
        { name: 's', mountPath: '/whole/s' },
        { name: 'p', mountPath: '/whole/p' },
      ];
      const command = "trap 'exit 1' TERM; while :; do sleep 1; done";
      await cluster().apply(busybox(ns, 'keys', command, { volumes }, { volumeMounts }));
      await untilPod('keys', 'Ready', isReady);
      const read = (...files: string[]): Promise<string> => kubectl('exec', 'keys', '--', 'cat', ...files);
      assert.equal(await read('/c', '/s', '/p/key'), 'oldoldold');
      await kubectl('patch', 'configmap', 'keys', '-p', '{"data":{"key":"new"}}');
      await kubectl('patch', 'secret', 'keys', '-p', '{"stringData":{"key":"new"}}');
      await until(
        'the volumes are written anew',
        async () => (await read('/whole/c/key', '/whole/s/key', '/whole/p/deep/key')) === 'newnewnew',
        { timeoutMs: 180_000, everyMs: 1000 },
      );
      // A subPath mount does not follow changes of the volume; upstream behaves the same.
      assert.equal(await read('/c', '/s'), 'oldold');
      await restart('keys');
      assert.equal(await read('/c', '/s', '/p/key'), 'newnewnew');
    });

    const expressions: [name: string, annotation: string | undefined, message: RegExp][] = [
      ['missing', undefined, /^CreateContainerConfigError: missing value for ANNOTATION$/],
      ['empty', '', /^CreateContainerConfigError: missing value for ANNOTATION$/],
      ['absolute', '/tmp', /^CreateContainerConfigError: error SubPath `\/tmp\/x` must not be an absolute path$/],
      ['upwards', '..', /^CreateContainerConfigError: unable to provision SubPath `\.\.\/x`: must not contain '\.\.'$/],
    ];
    for (const [name, annotation, message] of expressions) {
      it(`let a pod whose subPathExpr is ${name} wait, until its annotation is corrected`, async () => {
        const env = [{ name: 'ANNOTATION', valueFrom: { fieldRef: { fieldPath: "metadata.annotations['path']" } } }];
        const volumeMounts = [
          { name: 'v', mountPath: '/part', subPathExpr: '$(ANNOTATION)/x' },
          { name: 'v', mountPath: '/whole' },
        ];
        const pod = busybox(ns, name, 'sleep 3600', { volumes: [{ name: 'v', emptyDir: {} }] }, { env, volumeMounts });
        Object.assign(pod['metadata'] as object, annotation === undefined ? {} : { annotations: { path: annotation } });
        await cluster().apply(pod);
        await untilPod(name, 'refused', (one) => message.test(waiting(one)));
        await kubectl('annotate', '--overwrite', 'pod', name, 'path=mended');
        await untilPod(name, 'Ready', isReady);
        await kubectl('exec', name, '--', 'touch', '/whole/mended/x/file');
        assert.equal(await kubectl('exec', name, '--', 'ls', '/part'), 'file\n');
      });
    }

    it('belong to the fsGroup, with the folders in them', async () => {
      const volumes = [
        { name: 'c', configMap: { name: 'keys', defaultMode: 0o400 } },
        { name: 's', secret: { secretName: 'keys' } },
        { name: 'd', downwardAPI: { items: [{ path: 'name', fieldRef: { fieldPath: 'metadata.name' } }] } },
        { name: 'p', projected: { sources: [{ secret: { name: 'keys' } }] } },
        { name: 'e', emptyDir: {} },
      ];
      const volumeMounts = volumes.map(({ name }) => ({ name, mountPath: `/${name}` }));
      const securityContext = { fsGroup: 1234, runAsUser: 1000 };
      const command = 'stat -c "%a %g" /c /s /d /p /e; stat -L -c "%a %g" /c/key; cat /c/key >/dev/null && echo readable';
      await cluster().apply(
        busybox(ns, 'group', command, { volumes, securityContext, restartPolicy: 'Never' }, { volumeMounts }),
      );
      await untilPod('group', 'Succeeded', ({ status }) => status?.phase === 'Succeeded');
      assert.equal(await kubectl('logs', 'group'), `${'2777 1234\n'.repeat(5)}440 1234\nreadable\n`);
    });

    it('of type image fail with the message of a runtime that cannot mount them', async () => {
      const volumes = [{ name: 'i', image: { reference: 'busybox', pullPolicy: 'IfNotPresent' } }];
      const volumeMounts = [{ name: 'i', mountPath: '/image' }];
      await cluster().apply(busybox(ns, 'image', 'ls /image', { volumes }, { volumeMounts }));
      const words = runtime === 'docker' ? /docker cannot mount an image as a volume/ : /failed to (mkdir|stat) ""/;
      await untilPod('image', 'refused', (pod) => waiting(pod).startsWith('CreateContainerError: ') && words.test(waiting(pod)));
    });

    it('with which a container fills its log folder with FIFOs and endless links do not block the node', async () => {
      const [worker] = cluster().lab.hosts;
      assert.ok(worker);
      const volumes = [{ name: 'logs', hostPath: { path: join(worker.dataDir, 'pods') } }];
      const volumeMounts = [{ name: 'logs', mountPath: '/logs' }];
      // The container replaces its own log by a FIFO and a rotated log by an endless link, and its termination message is read
      // from the log. With Docker, the agent makes the log after the container has started, perhaps between rm and mkfifo; then
      // the loop repeats.
      const command = `cd /logs/${ns}_"$HOSTNAME"_*/main && until rm -f 0.log && mkfifo 0.log; do :; done && ln -s /dev/zero 0.log.20260101-000000 && sleep 3600`;
      const names = Array.from({ length: 5 }, (_, index) => `plant-${index}`);
      const more = { volumes, nodeName: worker.name, restartPolicy: 'Never' };
      for (const name of names)
        await cluster().apply(
          busybox(ns, name, command, more, { volumeMounts, terminationMessagePolicy: 'FallbackToLogsOnError' }),
        );
      for (const name of names) {
        await untilPod(name, 'running', (pod) => own(pod)?.state?.running !== undefined);
        const planted = `ls /logs/${ns}_${name}_*/main/0.log.20260101-000000`;
        await until(
          'it has planted them',
          () =>
            kubectl('exec', name, '--', 'sh', '-c', planted).then(
              () => true,
              () => false,
            ),
          { timeoutMs: 120_000, everyMs: 500 },
        );
      }
      const answers = await Promise.all(
        names.map((name) => kubectl('logs', '--tail=5', name).catch((error: unknown) => String(error))),
      );
      for (const answer of answers) assert.match(answer, /0\.log is a FIFO, not a regular file/);
      // The agent still starts pods, serves logs, and removes everything.
      await cluster().apply(busybox(ns, 'others', 'echo fine', { nodeName: worker.name, restartPolicy: 'Never' }));
      await untilPod('others', 'Succeeded', ({ status }) => status?.phase === 'Succeeded');
      assert.equal(await kubectl('logs', 'others'), 'fine\n');
      await kubectl('delete', 'pod', '--grace-period=1', ...names);
      await until(
        'the planted files are gone',
        async () => !(await readdir(join(worker.dataDir, 'pods'))).some((name) => name.includes('_plant-')),
        { timeoutMs: 120_000, everyMs: 500 },
      );
    });
  });
}
