/** Pods on real containers: their content, and how they start, fail, restart and end. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { Pod } from '#api/types.generated.ts';
import { kubectlPath } from '#lab/kubectl.ts';
import { until } from '#lab/until.ts';
import { background, busybox, type Cluster, isReady } from './cluster.ts';

const waiting = (pod: Pod): string | undefined => pod.status?.containerStatuses?.[0]?.state?.waiting?.reason;

export function podSuite(cluster: () => Cluster): void {
  describe('pods', () => {
    const ns = 'pods';
    const kubectl = (...args: string[]): Promise<string> => cluster().kubectl(['-n', ns, ...args]);
    const logs = (name: string, ...args: string[]): Promise<string> => kubectl('logs', name, ...args);
    const succeeded = (name: string): Promise<Pod> =>
      cluster().untilPod(ns, name, 'Succeeded', ({ status }) => status?.phase === 'Succeeded');

    before(async () => {
      await cluster().namespace(ns);
    });

    it("run from the lab's own registry, whatever the pull policy", async () => {
      await kubectl(
        'run',
        'always',
        '--image=busybox',
        '--image-pull-policy=Always',
        '--restart=Never',
        '--',
        'echo',
        'hello from busybox',
      );
      await succeeded('always');
      assert.equal(await logs('always'), 'hello from busybox\n');
    });

    it('run init containers in order before their containers, which share volumes', async () => {
      const mount = [{ name: 'work', mountPath: '/work' }];
      const init = (name: string): object => ({
        name,
        image: 'busybox',
        command: ['sh', '-c', `echo ${name} >> /work/log`],
        volumeMounts: mount,
      });
      const more = {
        initContainers: [init('first'), init('second')],
        volumes: [{ name: 'work', emptyDir: {} }],
        restartPolicy: 'Never',
      };
      await cluster().apply(busybox(ns, 'init', 'cat /work/log', more, { volumeMounts: mount }));
      await succeeded('init');
      assert.equal(await logs('init'), 'first\nsecond\n');
    });

    it('get environment from values, fields, resources, config maps and secrets', async () => {
      await cluster().apply({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'config', namespace: ns },
        data: { color: 'blue', size: 'big' },
      });
      await cluster().apply({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'secret', namespace: ns },
        stringData: { password: 's3cret' },
      });
      const env = [
        { name: 'PLAIN', value: 'x' },
        { name: 'EXPANDED', value: '$(PLAIN)-y' },
        { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
        { name: 'LABEL', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
        { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1m' } } },
        { name: 'COLOR', valueFrom: { configMapKeyRef: { name: 'config', key: 'color' } } },
        { name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'secret', key: 'password' } } },
      ];
      const container = {
        env,
        envFrom: [{ configMapRef: { name: 'config' }, prefix: 'C_' }],
        resources: { limits: { cpu: '250m' } },
      };
      const command = 'echo $PLAIN $EXPANDED $NODE $LABEL $CPU $COLOR $PASSWORD $C_size';
      await cluster().apply(busybox(ns, 'env', command, { restartPolicy: 'Never' }, container));
      const pod = await succeeded('env');
      assert.equal(await logs('env'), `x x-y ${pod.spec.nodeName} env 250 blue s3cret big\n`);
    });

    it('mount config maps, secrets, host paths and their service account', async () => {
      const volumes = [
        { name: 'config', configMap: { name: 'config', items: [{ key: 'color', path: 'deep/color' }] } },
        { name: 'secret', secret: { secretName: 'secret', defaultMode: 0o400 } },
        { name: 'host', hostPath: { path: '/etc/hostname', type: 'File' } },
      ];
      const volumeMounts = [
        { name: 'config', mountPath: '/config' },
        { name: 'secret', mountPath: '/secret', readOnly: true },
        { name: 'host', mountPath: '/hostname', readOnly: true },
      ];
      const account = '/var/run/secrets/kubernetes.io/serviceaccount';
      const command = `cat /config/deep/color; echo; stat -L -c %a /secret/password; cat ${account}/namespace; echo; head -1 ${account}/ca.crt; cut -d. -f1 ${account}/token | wc -l; test -s /hostname && echo host`;
      await cluster().apply(busybox(ns, 'mounts', command, { volumes, restartPolicy: 'Never' }, { volumeMounts }));
      await succeeded('mounts');
      assert.equal(await logs('mounts'), `blue\n400\n${ns}\n-----BEGIN CERTIFICATE-----\n1\nhost\n`);
    });

    it('show a changed config map in a running container', async () => {
      const volumes = [{ name: 'config', configMap: { name: 'config' } }];
      await cluster().apply(
        busybox(ns, 'follow', 'sleep 3600', { volumes }, { volumeMounts: [{ name: 'config', mountPath: '/config' }] }),
      );
      await cluster().untilPod(ns, 'follow', 'Ready', isReady);
      await kubectl('patch', 'configmap', 'config', '-p', '{"data":{"color":"green"}}');
      await until(
        'the container sees the change',
        async () => (await kubectl('exec', 'follow', '--', 'cat', '/config/color')) === 'green',
        { timeoutMs: 120_000, everyMs: 1000 },
      );
    });

    it('can use the API with their service account token', async () => {
      await cluster().apply(busybox(ns, 'api', 'sleep 3600'));
      await cluster().untilPod(ns, 'api', 'Ready', isReady);
      await kubectl('exec', 'api', '--', 'sh', '-c', 'nc -w 2 $KUBERNETES_SERVICE_HOST $KUBERNETES_SERVICE_PORT </dev/null');
      // Debian's busybox has no TLS, so the test sends the request itself, with the pod's token.
      const token = await kubectl('exec', 'api', '--', 'cat', '/var/run/secrets/kubernetes.io/serviceaccount/token');
      const whoami = JSON.parse(
        await kubectl(
          'auth',
          'whoami',
          '--kubeconfig=/dev/null',
          `--server=${cluster().lab.apiServer}`,
          '--insecure-skip-tls-verify',
          `--token=${token}`,
          '-o',
          'json',
        ),
      ) as { status: { userInfo: { username: string; extra: Record<string, string[]> } } };
      assert.equal(whoami.status.userInfo.username, 'system:serviceaccount:pods:default');
      assert.deepEqual(whoami.status.userInfo.extra['authentication.kubernetes.io/pod-name'], ['api']);
    });

    it('restart with back-off when they exit at once, and keep the termination message', async () => {
      await cluster().apply(busybox(ns, 'crash', 'echo last words; exit 3'));
      const pod = await cluster().untilPod(
        ns,
        'crash',
        'in CrashLoopBackOff',
        (one) => waiting(one) === 'CrashLoopBackOff' && (one.status?.containerStatuses?.[0]?.restartCount ?? 0) >= 1,
      );
      const status = pod.status?.containerStatuses?.[0];
      assert.equal(status?.lastState?.terminated?.exitCode, 3);
      assert.match(status?.state?.waiting?.message ?? '', /^back-off \d+s restarting failed container=main pod=crash_pods\(/);
      assert.equal(await logs('crash', '--previous'), 'last words\n');
      await until(
        'kubectl shows it, between two starts',
        async () => /crash +0\/1 +CrashLoopBackOff +[1-9]/.test(await kubectl('get', 'pod', 'crash')),
        { timeoutMs: 120_000 },
      );
      await cluster().untilEvent(ns, 'BackOff', 'crash', /^Back-off restarting failed container main in pod crash_pods\(/);
    });

    it('end as Failed or Succeeded by their restart policy', async () => {
      await cluster().apply(busybox(ns, 'never', 'exit 4', { restartPolicy: 'Never' }));
      const failed = await cluster().untilPod(ns, 'never', 'Failed', ({ status }) => status?.phase === 'Failed');
      assert.equal(failed.status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 4);
      const count = 'test -e /work/tried || { touch /work/tried; exit 1; }';
      const more = { restartPolicy: 'OnFailure', volumes: [{ name: 'work', emptyDir: {} }] };
      await cluster().apply(busybox(ns, 'onfailure', count, more, { volumeMounts: [{ name: 'work', mountPath: '/work' }] }));
      const pod = await succeeded('onfailure');
      assert.equal(pod.status?.containerStatuses?.[0]?.restartCount, 1);
    });

    it('report why an image cannot be pulled', async () => {
      await kubectl('run', 'noimage', '--image=no-such-image:1');
      await cluster().untilPod(ns, 'noimage', 'in ImagePullBackOff', (pod) => waiting(pod) === 'ImagePullBackOff');
      await cluster().untilEvent(ns, 'Failed', 'noimage', /^Failed to pull image "no-such-image:1": /);
      await cluster().untilEvent(ns, 'BackOff', 'noimage', /^Back-off pulling image "no-such-image:1"/);
      await kubectl('run', 'neverpull', '--image=no-such-image:1', '--image-pull-policy=Never');
      await cluster().untilPod(ns, 'neverpull', 'in ErrImageNeverPull', (pod) => waiting(pod) === 'ErrImageNeverPull');
    });

    it('wait for a missing volume, report it, and start when it exists', async () => {
      const volumes = [{ name: 'late', configMap: { name: 'late' } }];
      await cluster().apply(
        busybox(
          ns,
          'latevolume',
          'cat /late/a',
          { volumes, restartPolicy: 'Never' },
          { volumeMounts: [{ name: 'late', mountPath: '/late' }] },
        ),
      );
      await cluster().untilEvent(
        ns,
        'FailedMount',
        'latevolume',
        /^MountVolume\.SetUp failed for volume "late" : configmap "late" not found$/,
      );
      await cluster().untilPod(ns, 'latevolume', 'in ContainerCreating', (pod) => waiting(pod) === 'ContainerCreating');
      await kubectl('create', 'configmap', 'late', '--from-literal=a=now');
      await succeeded('latevolume');
      assert.equal(await logs('latevolume'), 'now');
    });

    it('follow their probes: readiness removes them from endpoints, liveness restarts them', async () => {
      const probes = {
        readinessProbe: { exec: { command: ['test', '-e', '/tmp/ready'] }, periodSeconds: 1, timeoutSeconds: 30 },
        // The timeout is long, because each failure restarts the container and a busy machine may answer late.
        livenessProbe: {
          exec: { command: ['test', '!', '-e', '/tmp/sick'] },
          periodSeconds: 1,
          timeoutSeconds: 30,
          failureThreshold: 1,
        },
      };
      await cluster().apply(busybox(ns, 'probed', 'trap exit TERM; sleep 3600 & wait', {}, probes));
      await cluster().untilEvent(ns, 'Unhealthy', 'probed', /^Readiness probe failed: /);
      await kubectl('exec', 'probed', '--', 'touch', '/tmp/ready');
      await cluster().untilPod(ns, 'probed', 'Ready', isReady);
      await kubectl('exec', 'probed', '--', 'touch', '/tmp/sick');
      await cluster().untilEvent(ns, 'Killing', 'probed', /^Container main failed liveness probe, will be restarted$/);
      await cluster().untilPod(ns, 'probed', 'restarted', (pod) => pod.status?.containerStatuses?.[0]?.restartCount === 1);
    });

    it('answer HTTP and TCP probes, and fail gRPC probes when nothing speaks gRPC', async () => {
      const probe = (probes: Record<string, unknown>): Record<string, unknown> => ({
        image: 'tinkernetes/web:1',
        command: undefined,
        ...probes,
      });
      const good = { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 };
      await cluster().apply(
        busybox(
          ns,
          'http',
          '',
          {},
          probe({ readinessProbe: good, startupProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 } }),
        ),
      );
      await cluster().untilPod(ns, 'http', 'Ready', isReady);
      await cluster().apply(busybox(ns, 'grpc', '', {}, probe({ readinessProbe: { grpc: { port: 8080 }, periodSeconds: 1 } })));
      await cluster().untilEvent(ns, 'Unhealthy', 'grpc', /^Readiness probe failed: /);
    });

    it('run their hooks, and have their grace period', async () => {
      const lifecycle = {
        postStart: { exec: { command: ['sh', '-c', 'echo started > /out/hooks'] } },
        preStop: { exec: { command: ['sh', '-c', 'echo stopping >> /out/hooks'] } },
      };
      const more = {
        volumes: [{ name: 'out', hostPath: { path: `${cluster().scratch}/hooks`, type: 'DirectoryOrCreate' } }],
        terminationGracePeriodSeconds: 60,
      };
      const command = 'trap "echo terminated >> /out/hooks; exit 0" TERM; while :; do sleep 0.1; done';
      await cluster().apply(
        busybox(ns, 'hooks', command, more, { lifecycle, volumeMounts: [{ name: 'out', mountPath: '/out' }] }),
      );
      await cluster().untilPod(ns, 'hooks', 'Ready', isReady);
      await kubectl('delete', 'pod', 'hooks');
      const { readFileSync } = await import('node:fs');
      assert.equal(readFileSync(`${cluster().scratch}/hooks/hooks`, 'utf8'), 'started\nstopping\nterminated\n');
    });

    it('have their limits in their control groups', async () => {
      const resources = { requests: { cpu: '100m', memory: '32Mi' }, limits: { cpu: '500m', memory: '64Mi' } };
      await cluster().apply(busybox(ns, 'limits', 'sleep 3600', {}, { resources }));
      const pod = await cluster().untilPod(ns, 'limits', 'Ready', isReady);
      assert.equal(pod.status?.qosClass, 'Burstable');
      const v1 =
        'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.shares';
      const v2 = 'cat /sys/fs/cgroup/memory.max; cut -d" " -f1 /sys/fs/cgroup/cpu.max; cat /sys/fs/cgroup/cpu.weight';
      const seen = await kubectl(
        'exec',
        'limits',
        '--',
        'sh',
        '-c',
        `if test -e /sys/fs/cgroup/memory.max; then ${v2}; else ${v1}; fi`,
      );
      assert.deepEqual(seen.split('\n').slice(0, 2), [String(64 * 1024 * 1024), '50000']);
    });

    it('are killed when they use more memory than their limit', async () => {
      const resources = { limits: { memory: '16Mi' } };
      await cluster().apply(busybox(ns, 'oom', 'tail /dev/zero', { restartPolicy: 'Never' }, { resources }));
      const pod = await cluster().untilPod(ns, 'oom', 'Failed', ({ status }) => status?.phase === 'Failed');
      assert.equal(pod.status?.containerStatuses?.[0]?.state?.terminated?.reason, 'OOMKilled');
    });

    it('serve their logs: followed, limited, since a time, with times', async () => {
      await cluster().apply(
        busybox(ns, 'talk', 'for i in 1 2 3 4 5; do echo line $i; sleep 0.2; done; echo problem >&2', { restartPolicy: 'Never' }),
      );
      await cluster().untilPod(ns, 'talk', 'started', ({ status }) => status?.phase !== 'Pending');
      assert.equal(await logs('talk', '--follow'), 'line 1\nline 2\nline 3\nline 4\nline 5\nproblem\n');
      assert.equal(await logs('talk', '--tail=2'), 'line 5\nproblem\n');
      assert.equal(await logs('talk', '--limit-bytes=6'), 'line 1');
      assert.match(await logs('talk', '--timestamps', '--tail=1'), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z problem\n$/);
      assert.equal(await logs('talk', '--since=1h', '--tail=1'), 'problem\n');
    });

    it('allow exec, attach and port-forward with kubectl', async () => {
      const web = { image: 'tinkernetes/web:1', command: undefined };
      await cluster().apply(busybox(ns, 'web', '', {}, web));
      await cluster().untilPod(ns, 'web', 'Ready', isReady);
      assert.equal(await kubectl('exec', 'web', '--', 'echo', 'in the container'), 'in the container\n');
      assert.equal(await cluster().kubectl(['-n', ns, 'exec', '-i', 'web', '--', 'cat'], { stdin: 'over stdin' }), 'over stdin');
      const failure = await cluster().kubectlFails(['-n', ns, 'exec', 'web', '--', 'sh', '-c', 'exit 7']);
      assert.match(failure, /command terminated with exit code 7/);
      await until('its server listens', () => kubectl('exec', 'web', '--', 'wget', '-qO-', 'http://127.0.0.1:8080/'), {
        timeoutMs: 60_000,
      });
      const forward = background([
        kubectlPath(),
        `--kubeconfig=${cluster().lab.kubeconfig}`,
        '-n',
        ns,
        'port-forward',
        'pod/web',
        ':8080',
      ]);
      try {
        const address = await until(
          'the port is forwarded',
          async () => /Forwarding from (127\.0\.0\.1:\d+)/.exec(forward.output())?.[1],
          { timeoutMs: 60_000, onTimeout: forward.output },
        );
        assert.match(await (await fetch(`http://${address}/`)).text(), /^Hello from web /);
      } finally {
        await forward.stop();
      }
      await cluster().apply(
        busybox(
          ns,
          'echo',
          'while read line; do echo "heard $line"; done',
          { restartPolicy: 'Never' },
          { stdin: true, stdinOnce: true },
        ),
      );
      await cluster().untilPod(ns, 'echo', 'Ready', isReady);
      const output = await cluster().kubectl(['-n', ns, 'attach', '-i', 'echo'], { stdin: 'one\ntwo\n' });
      assert.match(output, /heard one\nheard two\n/);
    });
  });
}
