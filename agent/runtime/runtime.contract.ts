/** The tests that every {@link ContainerRuntime} must pass, on a real runtime. `cri.test.ts` and `docker.test.ts` call them. */
import assert from 'node:assert/strict';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { until } from '#lab/until.ts';
import { busyboxImage, type TestNode } from './node.testing.ts';
import { type ContainerEvent, type ContainerRuntime, isNotFound, isUnavailable, RuntimeError } from './runtime.ts';
import type { SpdyStream } from './streaming/spdy-stream.ts';
import { openChannels, openSpdy, textOf } from './streams.testing.ts';
import type { ContainerConfig, ContainerStatus, PodSandboxConfig } from './types.ts';

export interface RuntimeUnderTest {
  node: TestNode;
  runtime: ContainerRuntime;
  /** The `runtimeName` that `version()` must return. */
  runtimeName: string;
  /** Makes another client of the same daemon, as a restarted agent does. */
  createRuntime(): ContainerRuntime;
  stopDaemon(): Promise<void>;
  startDaemon(): Promise<void>;
  /** Connects to the host of a streaming URL from the place of the kubelet. */
  dial(url: URL): Promise<Duplex>;
}

const waitMs = { timeoutMs: 60_000, everyMs: 20 };
let sequence = 0;

export function runtimeContract(name: string, start: () => Promise<RuntimeUnderTest>): void {
  describe(`${name} as a container runtime`, { timeout: 1_800_000 }, () => {
    let under: RuntimeUnderTest;
    let runtime: ContainerRuntime;
    before(async () => {
      under = await start();
      runtime = under.runtime;
    });
    after(async () => {
      if (under === undefined) return;
      for (const { id } of await runtime.listPodSandbox()) await runtime.removePodSandbox(id);
      await runtime.close();
      await under.node.dispose();
    });

    /* -------------------------------------------------------------- helpers */

    async function podConfig(more: Partial<PodSandboxConfig> = {}): Promise<PodSandboxConfig> {
      const podName = `pod-${++sequence}`;
      const uid = `uid-${sequence}`;
      const logDirectory = join(under.node.dir, 'pods', `default_${podName}_${uid}`);
      await mkdir(join(logDirectory, 'main'), { recursive: true });
      return {
        metadata: { name: podName, namespace: 'default', uid, attempt: 0 },
        hostname: podName,
        logDirectory,
        labels: { 'io.kubernetes.pod.name': podName, 'io.kubernetes.pod.uid': uid, suite: name },
        annotations: { note: 'from the test' },
        linux: {
          cgroupParent: `/${under.node.name}/${uid}`,
          securityContext: { namespaceOptions: { network: 'POD', pid: 'CONTAINER', ipc: 'POD' } },
        },
        ...more,
      };
    }

    function containerConfig(command: readonly string[], more: Partial<ContainerConfig> = {}): ContainerConfig {
      // The kubelet always sends this. CRI's default would be the sandbox's PID namespace.
      const securityContext = {
        namespaceOptions: { network: 'POD', pid: 'CONTAINER', ipc: 'POD' } as const,
        ...more.linux?.securityContext,
      };
      return {
        metadata: { name: 'main', attempt: 0 },
        image: { image: busyboxImage },
        command,
        labels: { 'io.kubernetes.container.name': 'main' },
        annotations: { 'io.kubernetes.container.restartCount': '0' },
        logPath: 'main/0.log',
        ...more,
        linux: { ...more.linux, securityContext },
      };
    }

    /** Starts a sandbox with one running container. `after` removes it, so the test need not. */
    async function run(command: readonly string[], more: Partial<ContainerConfig> = {}, pod: Partial<PodSandboxConfig> = {}) {
      const sandboxConfig = await podConfig(pod);
      const sandbox = await runtime.runPodSandbox(sandboxConfig);
      const container = await runtime.createContainer(sandbox, containerConfig(command, more), sandboxConfig);
      await runtime.startContainer(container);
      return { sandbox, container, sandboxConfig, logFile: join(sandboxConfig.logDirectory ?? '', 'main/0.log') };
    }

    const exited = (id: string): Promise<ContainerStatus> =>
      until(
        `container ${id} ends`,
        async () => {
          const status = await runtime.containerStatus(id);
          return status.state === 'CONTAINER_EXITED' ? status : undefined;
        },
        waitMs,
      );

    const logHas = (file: string, part: string): Promise<string> =>
      until(
        `${file} has ${part}`,
        async () => {
          const text = await readFile(file, 'utf8');
          return text.includes(part) ? text : undefined;
        },
        { ...waitMs, onTimeout: () => readFile(file, 'utf8') },
      );

    const output = async (id: string, ...cmd: string[]): Promise<string> => {
      const { stdout, stderr, exitCode } = await runtime.execSync(id, cmd, 10_000);
      assert.equal(exitCode, 0, String(stderr));
      return stdout.toString('utf8').trim();
    };

    const sleeper = ['sh', '-c', 'trap "exit 0" TERM; echo ready; while true; do sleep 1 & wait $!; done'];

    /* -------------------------------------------------------------- the runtime itself */

    describe('version and status', () => {
      it('returns its name and version', async () => {
        const version = await runtime.version();
        assert.equal(version.runtimeName, under.runtimeName);
        assert.equal(version.runtimeApiVersion, 'v1');
        assert.match(version.runtimeVersion, /^v?\d+\.\d+/);
      });

      it('is ready, and so is its network', async () => {
        const { conditions } = await runtime.status();
        assert.deepEqual(
          conditions
            .filter(({ type }) => type === 'RuntimeReady' || type === 'NetworkReady')
            .map(({ type, status }) => [type, status])
            .sort(),
          [
            ['NetworkReady', true],
            ['RuntimeReady', true],
          ],
        );
      });

      it('returns its cgroup driver or undefined', async () => {
        const { cgroupDriver } = await runtime.runtimeConfig();
        assert.ok(cgroupDriver === undefined || cgroupDriver === 'CGROUPFS', String(cgroupDriver));
      });
    });

    /* -------------------------------------------------------------- sandboxes */

    describe('pod sandboxes', () => {
      it('can be run, inspected, stopped and removed', async () => {
        const config = await podConfig();
        const id = await runtime.runPodSandbox(config);
        const status = await runtime.podSandboxStatus(id);
        assert.equal(status.state, 'SANDBOX_READY');
        assert.deepEqual(status.metadata, config.metadata);
        assert.ok(status.network.ip.startsWith(`${under.node.podNetwork}.`), status.network.ip);
        assert.deepEqual(status.labels, config.labels);
        assert.deepEqual(status.annotations, config.annotations);
        assert.deepEqual(status.namespaceOptions, { network: 'POD', pid: 'CONTAINER', ipc: 'POD' });
        assert.ok(Math.abs(status.createdAtMs - Date.now()) < 60_000, String(status.createdAtMs));

        await runtime.stopPodSandbox(id);
        assert.equal((await runtime.podSandboxStatus(id)).state, 'SANDBOX_NOTREADY');
        await runtime.removePodSandbox(id);
        await assert.rejects(runtime.podSandboxStatus(id), isNotFound);
      });

      it('can be stopped and removed twice, and when they do not exist', async () => {
        const id = await runtime.runPodSandbox(await podConfig());
        await runtime.stopPodSandbox(id);
        await runtime.stopPodSandbox(id);
        await runtime.removePodSandbox(id);
        await runtime.removePodSandbox(id);
        await runtime.stopPodSandbox('0'.repeat(64));
        await runtime.removePodSandbox('0'.repeat(64));
      });

      it('free their address', async () => {
        const id = await runtime.runPodSandbox(await podConfig());
        const { network } = await runtime.podSandboxStatus(id);
        const lease = join(under.node.dir, 'ipam', under.node.name, network.ip);
        assert.match(await readFile(lease, 'utf8'), new RegExp(`^${id}`));
        await runtime.stopPodSandbox(id);
        await assert.rejects(readFile(lease), { code: 'ENOENT' });
      });

      it('are removed with their containers', async () => {
        const { sandbox, container } = await run(sleeper);
        await runtime.stopPodSandbox(sandbox);
        assert.equal((await runtime.containerStatus(container)).state, 'CONTAINER_EXITED');
        await runtime.removePodSandbox(sandbox);
        await assert.rejects(runtime.containerStatus(container), isNotFound);
      });

      it('are listed by id, state and labels', async () => {
        const config = await podConfig();
        const ready = await runtime.runPodSandbox(config);
        const stopped = await runtime.runPodSandbox(await podConfig());
        await runtime.stopPodSandbox(stopped);
        const ids = async (filter: Parameters<ContainerRuntime['listPodSandbox']>[0]): Promise<string[]> =>
          (await runtime.listPodSandbox(filter)).map(({ id }) => id);
        assert.deepEqual(await ids({ id: ready }), [ready]);
        assert.deepEqual(await ids({ labelSelector: { 'io.kubernetes.pod.uid': config.metadata.uid } }), [ready]);
        assert.deepEqual(await ids({ labelSelector: { 'io.kubernetes.pod.uid': config.metadata.uid, suite: 'another' } }), []);
        const notReady = await ids({ state: 'SANDBOX_NOTREADY' });
        assert.ok(notReady.includes(stopped) && !notReady.includes(ready));
        const [item] = await runtime.listPodSandbox({ id: ready });
        assert.deepEqual(item?.metadata, config.metadata);
        assert.deepEqual(item?.annotations, config.annotations);
      });

      it('set host name, resolver and sysctls for their containers', async () => {
        const dnsConfig = {
          servers: ['10.0.0.10'],
          searches: ['default.svc.cluster.local', 'svc.cluster.local'],
          options: ['ndots:5'],
        };
        const config = await podConfig({ dnsConfig });
        const withSysctl = { ...config, linux: { ...config.linux, sysctls: { 'net.ipv4.ip_unprivileged_port_start': '1000' } } };
        const sandbox = await runtime.runPodSandbox(withSysctl);
        const id = await runtime.createContainer(sandbox, containerConfig(sleeper), withSysctl);
        await runtime.startContainer(id);
        assert.equal(await output(id, 'hostname'), config.hostname);
        assert.deepEqual((await output(id, 'cat', '/etc/resolv.conf')).split('\n'), [
          'search default.svc.cluster.local svc.cluster.local',
          'nameserver 10.0.0.10',
          'options ndots:5',
        ]);
        assert.equal(await output(id, 'cat', '/proc/sys/net/ipv4/ip_unprivileged_port_start'), '1000');
      });

      it('map host ports', async () => {
        const pod = { portMappings: [{ protocol: 'TCP' as const, containerPort: 8080, hostPort: 18080 }] };
        const { container } = await run(['sh', '-c', 'while true; do echo from the pod | nc -l -p 8080; done'], {}, pod);
        const address = `${under.node.podNetwork}.1`;
        const answer = await until(
          'the host port answers',
          async () => {
            const socket = await under.node.dial(address, 18080);
            return await firstBytes(socket);
          },
          waitMs,
        );
        assert.match(answer, /from the pod/);
        await runtime.stopContainer(container, 0);
      });

      it("share the node's network when asked, without an address of their own", async () => {
        const config = await podConfig();
        const hostNetwork = {
          ...config,
          hostname: '',
          linux: {
            ...config.linux,
            securityContext: { namespaceOptions: { network: 'NODE' as const, pid: 'CONTAINER' as const, ipc: 'POD' as const } },
          },
        };
        const sandbox = await runtime.runPodSandbox(hostNetwork);
        const status = await runtime.podSandboxStatus(sandbox);
        assert.equal(status.network.ip, '');
        assert.equal(status.namespaceOptions.network, 'NODE');
        const container = containerConfig(sleeper, {
          linux: { securityContext: { namespaceOptions: { network: 'NODE', pid: 'CONTAINER', ipc: 'POD' } } },
        });
        const id = await runtime.createContainer(sandbox, container, hostNetwork);
        await runtime.startContainer(id);
        assert.match(await output(id, 'ip', '-o', 'link'), /cni0/);
      });
    });

    /* -------------------------------------------------------------- containers */

    describe('containers', () => {
      it('can be created, started, stopped and removed', async () => {
        const sandboxConfig = await podConfig();
        const sandbox = await runtime.runPodSandbox(sandboxConfig);
        const config = containerConfig(sleeper);
        const id = await runtime.createContainer(sandbox, config, sandboxConfig);
        const created = await runtime.containerStatus(id);
        assert.equal(created.state, 'CONTAINER_CREATED');
        assert.equal(created.startedAtMs, 0);
        await runtime.startContainer(id);
        const running = await runtime.containerStatus(id);
        assert.equal(running.state, 'CONTAINER_RUNNING');
        assert.ok(running.startedAtMs >= running.createdAtMs);
        assert.equal(running.finishedAtMs, 0);
        assert.deepEqual(running.metadata, config.metadata);
        assert.deepEqual(running.labels, config.labels);
        assert.deepEqual(running.annotations, config.annotations);
        assert.equal(running.logPath, join(sandboxConfig.logDirectory ?? '', 'main/0.log'));
        assert.ok(running.imageRef !== '');
        await logHas(running.logPath, 'ready');
        await runtime.stopContainer(id, 30);
        const stopped = await runtime.containerStatus(id);
        assert.deepEqual([stopped.state, stopped.exitCode, stopped.reason], ['CONTAINER_EXITED', 0, 'Completed']);
        assert.ok(stopped.finishedAtMs >= stopped.startedAtMs);
        await runtime.stopContainer(id, 30);
        await runtime.removeContainer(id);
        await runtime.removeContainer(id);
        await assert.rejects(runtime.containerStatus(id), isNotFound);
        await runtime.stopContainer(id, 30);
      });

      it('report exit code and reason', async () => {
        const cases: readonly [readonly string[], number, string][] = [
          [['true'], 0, 'Completed'],
          [['sh', '-c', 'exit 3'], 3, 'Error'],
          [['sh', '-c', 'sleep 60 & kill -9 $!; wait $!'], 137, 'Error'],
        ];
        for (const [command, exitCode, reason] of cases) {
          const { container } = await run(command);
          const status = await exited(container);
          assert.deepEqual([status.exitCode, status.reason], [exitCode, reason], command.join(' '));
        }
      });

      it('are killed with SIGKILL after the grace period', async () => {
        const { container, logFile } = await run(['sh', '-c', 'trap "" TERM; echo deaf; while true; do sleep 1; done']);
        await logHas(logFile, 'deaf');
        const startMs = Date.now();
        await runtime.stopContainer(container, 1);
        assert.ok(Date.now() - startMs >= 900);
        assert.equal((await runtime.containerStatus(container)).exitCode, 137);
      });

      it('report OOMKilled when they ran out of memory', async () => {
        const resources = { memoryLimitInBytes: 16 * 1024 * 1024, memorySwapLimitInBytes: 16 * 1024 * 1024 };
        const cases: Readonly<Record<string, readonly string[]>> = {
          'in its first milliseconds': ['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=64M', 'count=10'],
          'in a child process': ['sh', '-c', 'dd if=/dev/zero of=/dev/null bs=64M count=10 || exit 3'],
        };
        for (const [name, command] of Object.entries(cases)) {
          const { container } = await run(command, { linux: { resources } });
          const status = await exited(container);
          assert.deepEqual([status.reason, status.exitCode !== 0], ['OOMKilled', true], `${name}: ${JSON.stringify(status)}`);
        }
      });

      it('fail to start with a reason when the command does not exist', async () => {
        const sandboxConfig = await podConfig();
        const sandbox = await runtime.runPodSandbox(sandboxConfig);
        const id = await runtime.createContainer(sandbox, containerConfig(['/no/such/program']), sandboxConfig);
        await assert.rejects(
          runtime.startContainer(id),
          (error: Error) => error instanceof RuntimeError && /no such file or directory/.test(error.message),
        );
        const status = await runtime.containerStatus(id);
        assert.equal(status.state, 'CONTAINER_EXITED');
        assert.ok([127, 128].includes(status.exitCode), String(status.exitCode));
        assert.match(status.message, /no such file or directory/);
      });

      it('cannot be created from an absent image', async () => {
        const sandboxConfig = await podConfig();
        const sandbox = await runtime.runPodSandbox(sandboxConfig);
        const config = containerConfig(['true'], { image: { image: 'docker.io/library/absent:1' } });
        await assert.rejects(runtime.createContainer(sandbox, config, sandboxConfig), isNotFound);
      });

      it('are listed by id, state, sandbox and labels', async () => {
        const { sandbox, container } = await run(sleeper);
        const ids = async (filter: Parameters<ContainerRuntime['listContainers']>[0]): Promise<string[]> =>
          (await runtime.listContainers(filter)).map(({ id }) => id);
        assert.deepEqual(await ids({ id: container }), [container]);
        assert.deepEqual(await ids({ podSandboxId: sandbox }), [container]);
        assert.deepEqual(await ids({ podSandboxId: sandbox, state: 'CONTAINER_EXITED' }), []);
        assert.deepEqual(await ids({ podSandboxId: sandbox, labelSelector: { 'io.kubernetes.container.name': 'main' } }), [
          container,
        ]);
        assert.deepEqual(await ids({ podSandboxId: sandbox, labelSelector: { 'io.kubernetes.container.name': 'other' } }), []);
        const [item] = await runtime.listContainers({ id: container });
        assert.deepEqual(
          [item?.state, item?.podSandboxId, item?.metadata],
          ['CONTAINER_RUNNING', sandbox, { name: 'main', attempt: 0 }],
        );
        assert.ok(item !== undefined && item.image.image !== '' && item.imageRef !== '');
      });

      it('get environment, working directory, arguments and user', async () => {
        const { container } = await run(sleeper, {
          envs: [{ key: 'GREETING', value: 'grüß Gott = $HOME' }],
          workingDir: '/tmp',
          linux: { securityContext: { runAsUser: 1234, runAsGroup: 2345, supplementalGroups: [3456], noNewPrivs: true } },
        });
        assert.equal(await output(container, 'sh', '-c', 'echo "$GREETING"'), 'grüß Gott = $HOME');
        assert.equal(await output(container, 'pwd'), '/tmp');
        assert.equal(await output(container, 'id', '-u'), '1234');
        assert.equal(await output(container, 'id', '-g'), '2345');
        assert.match(await output(container, 'grep', 'Groups', '/proc/1/status'), /\b3456\b/);
        assert.match(await output(container, 'grep', 'NoNewPrivs', '/proc/1/status'), /1$/);
      });

      it('get mounts, read-only ones and a read-only root', async () => {
        const writable = join(under.node.dir, 'writable');
        const readonly = join(under.node.dir, 'readonly');
        await mkdir(writable, { recursive: true });
        await mkdir(readonly, { recursive: true });
        await writeFile(join(readonly, 'file'), 'given');
        const { container } = await run(sleeper, {
          mounts: [
            { hostPath: writable, containerPath: '/writable' },
            { hostPath: readonly, containerPath: '/readonly', readonly: true },
            { hostPath: join(readonly, 'file'), containerPath: '/etc/hosts', readonly: true },
          ],
          linux: { securityContext: { readonlyRootfs: true } },
        });
        await output(container, 'sh', '-c', 'echo taken > /writable/file');
        assert.equal(await readFile(join(writable, 'file'), 'utf8'), 'taken\n');
        assert.equal(await output(container, 'cat', '/readonly/file'), 'given');
        assert.equal(await output(container, 'cat', '/etc/hosts'), 'given');
        assert.notEqual((await runtime.execSync(container, ['touch', '/readonly/new'], 0)).exitCode, 0);
        assert.notEqual((await runtime.execSync(container, ['touch', '/new'], 0)).exitCode, 0);
        const { mounts } = await runtime.containerStatus(container);
        assert.deepEqual(
          mounts
            .filter(({ containerPath }) => containerPath.endsWith('able') || containerPath === '/readonly')
            .map(({ containerPath, hostPath, readonly: ro }) => [containerPath, hostPath, ro])
            .sort(),
          [
            ['/readonly', readonly, true],
            ['/writable', writable, false],
          ],
        );
      });

      it('get capabilities as asked', async () => {
        const effective = async (capabilities: { addCapabilities?: string[]; dropCapabilities?: string[] }): Promise<bigint> => {
          const { container } = await run(sleeper, { linux: { securityContext: { capabilities } } });
          return BigInt(`0x${(await output(container, 'grep', 'CapEff', '/proc/1/status')).split(/\s+/)[1]}`);
        };
        const netAdmin = 1n << 12n;
        const chown = 1n;
        const [byDefault, added, dropped] = [
          await effective({}),
          await effective({ addCapabilities: ['NET_ADMIN'] }),
          await effective({ dropCapabilities: ['ALL'] }),
        ];
        assert.deepEqual([byDefault & netAdmin, byDefault & chown], [0n, chown]);
        assert.equal(added & netAdmin, netAdmin);
        assert.equal(dropped, 0n);
      });

      it('have the limits of their configuration, and new ones after an update', async () => {
        const resources = { cpuShares: 512, cpuQuota: 50_000, cpuPeriod: 100_000, memoryLimitInBytes: 64 * 1024 * 1024 };
        const { container, sandboxConfig } = await run(sleeper, { linux: { resources } });
        const cgroup = async (controller: string, file: string): Promise<string> =>
          (
            await readFile(join('/sys/fs/cgroup', controller, sandboxConfig.linux?.cgroupParent ?? '', container, file), 'utf8')
          ).trim();
        assert.equal(await cgroup('cpu', 'cpu.shares'), '512');
        assert.equal(await cgroup('cpu', 'cpu.cfs_quota_us'), '50000');
        assert.equal(await cgroup('memory', 'memory.limit_in_bytes'), String(64 * 1024 * 1024));
        await runtime.updateContainerResources(container, {
          ...resources,
          cpuShares: 256,
          memoryLimitInBytes: 128 * 1024 * 1024,
          memorySwapLimitInBytes: 128 * 1024 * 1024,
        });
        assert.equal(await cgroup('cpu', 'cpu.shares'), '256');
        assert.equal(await cgroup('memory', 'memory.limit_in_bytes'), String(128 * 1024 * 1024));
      });

      it('share network and IPC, and processes when asked', async () => {
        const namespaceOptions = { network: 'POD', pid: 'POD', ipc: 'POD' } as const;
        const config = await podConfig();
        const sandboxConfig = { ...config, linux: { ...config.linux, securityContext: { namespaceOptions } } };
        const sandbox = await runtime.runPodSandbox(sandboxConfig);
        const ids: string[] = [];
        for (const containerName of ['one', 'two']) {
          const more = {
            metadata: { name: containerName, attempt: 0 },
            logPath: `${containerName}.log`,
            linux: { securityContext: { namespaceOptions } },
          };
          const id = await runtime.createContainer(sandbox, containerConfig(sleeper, more), sandboxConfig);
          await runtime.startContainer(id);
          ids.push(id);
        }
        const namespaces = await Promise.all(
          ids.map((id) => Promise.all(['net', 'ipc', 'pid'].map((kind) => output(id, 'readlink', `/proc/self/ns/${kind}`)))),
        );
        assert.deepEqual(namespaces[0], namespaces[1]);
        assert.match(await output(ids[0] ?? '', 'cat', '/proc/1/cmdline'), /pause/);
      });
    });

    /* -------------------------------------------------------------- logs */

    describe('logs', () => {
      const line = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d) (stdout|stderr) [FP] /;
      const bodies = (text: string): string[] =>
        text
          .trimEnd()
          .split('\n')
          .map((one) => one.replace(/^\S+ /, ''));

      it('are in CRI format, per stream, with a partial last line when it has no line end', async () => {
        const { container, logFile } = await run(['sh', '-c', 'echo out; sleep 0.2; echo err >&2; sleep 0.2; printf "no end"']);
        await exited(container);
        const text = await logHas(logFile, 'no end');
        for (const one of text.trimEnd().split('\n')) assert.match(one, line);
        assert.deepEqual(bodies(text), ['stdout F out', 'stderr F err', 'stdout P no end']);
      });

      it('continue in a new file after the old one was renamed', async () => {
        const { container, logFile } = await run([
          'sh',
          '-c',
          'echo before; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo behind; sleep 600',
        ]);
        await logHas(logFile, 'before');
        await rename(logFile, `${logFile}.1`);
        await runtime.reopenContainerLog(container);
        await output(container, 'touch', '/tmp/go');
        assert.deepEqual(bodies(await logHas(logFile, 'behind')), ['stdout F behind']);
        assert.deepEqual(bodies(await readFile(`${logFile}.1`, 'utf8')), ['stdout F before']);
      });

      it('neither lose nor repeat a line when the agent is restarted', async () => {
        const { container, logFile } = await run([
          'sh',
          '-c',
          'i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); sleep 0.01; done; echo the end',
        ]);
        await logHas(logFile, 'line 20');
        await under.runtime.close();
        under.runtime = under.createRuntime();
        runtime = under.runtime;
        await runtime.listContainers();
        await exited(container);
        const numbers = bodies(await logHas(logFile, 'the end')).slice(0, -1);
        assert.deepEqual(
          numbers,
          Array.from({ length: 300 }, (_, index) => `stdout F line ${index}`),
        );
      });
    });

    /* -------------------------------------------------------------- exec */

    describe('execSync', () => {
      it('returns both outputs and the exit code', async () => {
        const { container } = await run(sleeper);
        const result = await runtime.execSync(container, ['sh', '-c', 'echo out; echo err >&2; exit 7'], 60_000);
        assert.deepEqual([result.stdout.toString(), result.stderr.toString(), result.exitCode], ['out\n', 'err\n', 7]);
      });

      it('gives up after its timeout', async () => {
        const { container } = await run(sleeper);
        const startMs = Date.now();
        await assert.rejects(
          runtime.execSync(container, ['sleep', '60'], 1000),
          (error) => error instanceof RuntimeError && error.code === 'DeadlineExceeded',
        );
        assert.ok(Date.now() - startMs < 40_000);
      });

      it('ends, and kills the command, when its signal aborts', async () => {
        const { container } = await run(sleeper);
        const over = new AbortController();
        const call = runtime.execSync(container, ['sleep', '4321'], 0, over.signal);
        const sleeping = async (): Promise<boolean> =>
          (await runtime.execSync(container, ['sh', '-c', 'ps | grep -q "[s]leep 4321"'], 60_000)).exitCode === 0;
        await until('the command runs', sleeping, waitMs);
        over.abort();
        await assert.rejects(call, (error) => error instanceof RuntimeError && error.code === 'Cancelled');
        await until('the command is gone', async () => !(await sleeping()), waitMs);
      });

      it('fails with NotFound for an absent container', async () => {
        await assert.rejects(runtime.execSync('0'.repeat(64), ['true'], 1000), isNotFound);
      });
    });

    describe('streaming', () => {
      it('runs a command with both directions and its exit code', async () => {
        const { container } = await run(sleeper);
        const url = await runtime.exec({
          containerId: container,
          cmd: ['sh', '-c', 'read line; echo "got $line"; echo oops >&2; exit 5'],
          tty: false,
          stdin: true,
          stdout: true,
          stderr: true,
        });
        const channels = await openChannels(new URL(url), under.dial);
        channels.write(0, 'hello\n');
        await channels.closed;
        assert.equal(channels.text(1), 'got hello\n');
        assert.equal(channels.text(2), 'oops\n');
        assert.deepEqual(JSON.parse(channels.text(3)).details.causes, [{ reason: 'ExitCode', message: '5' }]);
      });

      it('runs a terminal that can be resized', async () => {
        const { container } = await run(sleeper);
        const url = await runtime.exec({
          containerId: container,
          cmd: ['sh'],
          tty: true,
          stdin: true,
          stdout: true,
          stderr: false,
        });
        const channels = await openChannels(new URL(url), under.dial);
        channels.write(4, JSON.stringify({ Width: 97, Height: 31 }));
        await until(
          'the size arrives',
          async () => {
            channels.write(0, 'stty size\n');
            return channels.text(1).includes('31 97');
          },
          { timeoutMs: 60_000, everyMs: 200 },
        );
        channels.write(0, 'exit\n');
        await channels.closed;
        assert.equal(JSON.parse(channels.text(3)).status, 'Success');
      });

      it('attaches to the first process', async () => {
        const { container } = await run(['sh', '-c', 'while read line; do echo "heard $line"; done'], { stdin: true });
        const url = await runtime.attach({ containerId: container, tty: false, stdin: true, stdout: true, stderr: true });
        const channels = await openChannels(new URL(url), under.dial);
        channels.write(0, 'me\n');
        await until('the answer comes', async () => channels.text(1).includes('heard me'), waitMs);
        channels.close();
      });

      it('runs a command over SPDY, as kubectl does, with much data both ways', async () => {
        const { container } = await run(sleeper);
        const cmd = ['sh', '-c', 'cat; echo done >&2; exit 6'];
        const session = await openSpdy(
          new URL(await runtime.exec({ containerId: container, cmd, tty: false, stdin: true, stdout: true, stderr: true })),
          under.dial,
          'v4.channel.k8s.io',
        );
        const open = (streamType: string): Promise<SpdyStream> => session.open({ streamType });
        const error = await open('error');
        const [stdin, stdout, stderr] = [await open('stdin'), await open('stdout'), await open('stderr')];
        const sent = 'abcdefghijklmnop'.repeat(50_000);
        stdin.end(sent);
        const [received, errors, status] = await Promise.all([textOf(stdout), textOf(stderr), textOf(error)]);
        assert.equal(received.length, sent.length);
        assert.ok(received === sent);
        assert.equal(errors, 'done\n');
        assert.deepEqual(JSON.parse(status).details.causes, [{ reason: 'ExitCode', message: '6' }]);
        await session.close();
      });

      it('resizes a terminal over SPDY', async () => {
        const { container } = await run(sleeper);
        const request = {
          containerId: container,
          cmd: ['sh', '-c', 'read go; stty size'],
          tty: true,
          stdin: true,
          stdout: true,
          stderr: false,
        };
        const session = await openSpdy(new URL(await runtime.exec(request)), under.dial, 'v4.channel.k8s.io');
        const error = await session.open({ streamType: 'error' });
        const [stdin, stdout, resize] = [
          await session.open({ streamType: 'stdin' }),
          await session.open({ streamType: 'stdout' }),
          await session.open({ streamType: 'resize' }),
        ];
        resize.write(JSON.stringify({ Width: 77, Height: 22 }) + '\n');
        // The size travels on another stream than the input, so the test waits for one round trip.
        await until(
          'the terminal has the size',
          async () =>
            (
              await runtime.execSync(container, ['sh', '-c', 'for t in /dev/pts/[0-9]*; do stty size < $t; done'], 60_000)
            ).stdout.includes('22 77'),
          waitMs,
        );
        stdin.write('go\n');
        const [output, status] = await Promise.all([textOf(stdout), textOf(error)]);
        assert.match(output, /22 77/);
        assert.equal(JSON.parse(status).status, 'Success');
        await session.close();
      });

      it('forwards several connections over one SPDY session', async () => {
        const { sandbox } = await run(['httpd', '-f', '-p', '127.0.0.1:7777', '-h', '/tmp']);
        const session = await openSpdy(new URL(await runtime.portForward(sandbox, [7777])), under.dial, 'portforward.k8s.io');
        let requestId = 0;
        const ask = async (port: number): Promise<{ answer: string; failure: string }> => {
          const headers = { port: String(port), requestID: String(requestId++) };
          const error = await session.open({ ...headers, streamType: 'error' });
          error.end();
          const data = await session.open({ ...headers, streamType: 'data' });
          data.write('GET /nothing HTTP/1.0\r\n\r\n');
          const [answer, failure] = await Promise.all([textOf(data).catch(() => ''), textOf(error)]);
          return { answer, failure };
        };
        await until('httpd listens', async () => (await ask(7777)).answer.startsWith('HTTP/1.'), waitMs);
        const answers = await Promise.all([ask(7777), ask(7777), ask(7777)]);
        for (const { answer, failure } of answers) assert.match(`${answer}${failure}`, /^HTTP\/1\.[01] 404/);
        assert.match((await ask(7778)).failure, /refused/i);
        await session.close();
      });

      it('fails with NotFound instead of returning a URL', async () => {
        const request = { containerId: '0'.repeat(64), cmd: ['true'], tty: false, stdin: false, stdout: true, stderr: true };
        await assert.rejects(runtime.exec(request), isNotFound);
        await assert.rejects(runtime.portForward('0'.repeat(64)), isNotFound);
      });

      it("forwards a port that is bound to the pod's loopback only", async () => {
        const { sandbox } = await run(['httpd', '-f', '-p', '127.0.0.1:7777', '-h', '/tmp']);
        const answer = await until(
          'the port answers',
          async () => {
            const url = new URL(await runtime.portForward(sandbox, [7777]));
            const channels = await openChannels(url, under.dial);
            channels.write(0, 'GET /nothing HTTP/1.0\r\n\r\n');
            // The first two bytes of each channel are the port.
            const text = await until('bytes', async () => channels.text(0).slice(2), { timeoutMs: 5000, everyMs: 20 }).catch(
              () => '',
            );
            channels.close();
            return text;
          },
          waitMs,
        );
        assert.match(answer, /^HTTP\/1\.[01] 404/);
      });
    });

    /* -------------------------------------------------------------- images */

    describe('images', () => {
      it('are found by tag and ID, and undefined when absent', async () => {
        const image = await runtime.imageStatus({ image: busyboxImage });
        assert.ok(image !== undefined && image.sizeBytes > 0);
        assert.ok(
          image.repoTags.some((tag) => tag.endsWith('library/busybox:latest') || tag === 'busybox:latest'),
          image.repoTags.join(),
        );
        assert.equal((await runtime.imageStatus({ image: image.id }))?.id, image.id);
        assert.equal(await runtime.imageStatus({ image: 'docker.io/library/absent:1' }), undefined);
        assert.ok((await runtime.listImages()).some(({ id }) => id === image.id));
      });

      it('are pulled, run and removed', async () => {
        const reference = `${under.node.registry}/tinkernetes/web:1`;
        const ref = await runtime.pullImage({ image: reference });
        const image = await runtime.imageStatus({ image: reference });
        assert.ok(image !== undefined);
        assert.ok(image.repoTags.includes(reference), image.repoTags.join());
        assert.ok(
          image.repoDigests.some((digest) => digest.startsWith(`${under.node.registry}/tinkernetes/web@sha256:`)),
          image.repoDigests.join(),
        );
        const { container } = await run(sleeper, { image: { image: ref } });
        assert.equal((await runtime.containerStatus(container)).image.image !== '', true);
        await runtime.removeContainer(container);
        await runtime.removeImage({ image: reference });
        assert.equal(await runtime.imageStatus({ image: reference }), undefined);
        await runtime.removeImage({ image: reference });
      });

      it('fail with NotFound when the registry does not have them', async () => {
        await assert.rejects(runtime.pullImage({ image: `${under.node.registry}/absent/image:1` }), isNotFound);
      });

      it('are counted in the image filesystem', async () => {
        const { imageFilesystems } = await runtime.imageFsInfo();
        assert.ok((imageFilesystems[0]?.usedBytes ?? 0) > 0 && imageFilesystems[0]?.mountpoint.startsWith('/'));
      });
    });

    /* -------------------------------------------------------------- stats and events */

    describe('stats', () => {
      it('report CPU and memory of a running container', async () => {
        const { container, sandbox } = await run(sleeper);
        const stats = await runtime.containerStats(container);
        assert.equal(stats.id, container);
        assert.deepEqual(stats.metadata, { name: 'main', attempt: 0 });
        assert.ok((stats.cpu?.usageCoreNanoSeconds ?? 0) > 0);
        assert.ok((stats.memory?.workingSetBytes ?? 0) > 0);
        assert.deepEqual(
          (await runtime.listContainerStats({ podSandboxId: sandbox })).map(({ id }) => id),
          [container],
        );
        await assert.rejects(runtime.containerStats('0'.repeat(64)), (error) => error instanceof RuntimeError);
      });
    });

    describe('events', () => {
      it("report a container's start and end after its status shows it", async () => {
        const stop = new AbortController();
        const events = runtime.containerEvents(stop.signal);
        const { container } = await run(['true']);
        const seen: ContainerEvent[] = [];
        for await (const event of events) {
          if (event.containerId !== container) continue;
          seen.push(event);
          if (event.type === 'CONTAINER_STOPPED_EVENT') break;
        }
        assert.equal((await runtime.containerStatus(container)).state, 'CONTAINER_EXITED');
        assert.ok(
          seen.some(({ type }) => type === 'CONTAINER_STARTED_EVENT'),
          JSON.stringify(seen),
        );
        stop.abort();
      });

      it('end when their signal aborts', async () => {
        const stop = new AbortController();
        const events = runtime.containerEvents(stop.signal);
        stop.abort();
        for await (const event of events) assert.fail(JSON.stringify(event));
      });
    });

    /* -------------------------------------------------------------- a restart of the daemon */

    it('fails with Unavailable while the daemon is down, and knows its containers after a restart', async () => {
      const { sandbox, container, logFile } = await run(['sh', '-c', 'while true; do echo tick; sleep 0.1; done']);
      await logHas(logFile, 'tick');
      const broken = runtime.containerEvents(new AbortController().signal);
      const { ip } = (await runtime.podSandboxStatus(sandbox)).network;
      await under.stopDaemon();
      await assert.rejects(runtime.version(), isUnavailable);
      await assert.rejects(async () => {
        for await (const event of broken) assert.ok(event.containerId !== '');
      }, RuntimeError);
      await under.startDaemon();
      assert.equal((await runtime.containerStatus(container)).state, 'CONTAINER_RUNNING');
      assert.equal((await runtime.podSandboxStatus(sandbox)).network.ip, ip);
      await runtime.stopContainer(container, 0);
      await runtime.removePodSandbox(sandbox);
    });
  });
}

/** Collects the bytes until the other side closes. */
async function firstBytes(socket: Duplex): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) {
    chunks.push(chunk as Buffer);
    break;
  }
  return Buffer.concat(chunks).toString('utf8');
}
