/**
 * Files that containers plant at paths that the kubelet reads, writes or removes: through a hostPath on the log folder, through
 * volumes, or in any other place that they can write to. The parts of the kubelet meet many of each kind at once. Meanwhile they
 * must answer other requests, must not use more memory, and must not change files outside. A part that blocked at a FIFO would
 * hold one of Node's four file threads for ever.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  globSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pino } from 'pino';
import { execFile } from '#agent/host/exec.ts';
import { createMounts } from '#agent/host/mount.ts';
import { removeTreeBelow } from '#agent/host/remove-tree.ts';
import { openFolder, writeFileIn } from '#agent/host/safe-open.ts';
import { containerMounts, prepareLog } from '#agent/kubelet/container/container-mounts.ts';
import { containerAnnotations, containerLabels } from '#agent/kubelet/container/labels.ts';
import { removeLogs } from '#agent/kubelet/logs/log-file.ts';
import { createLogRotation } from '#agent/kubelet/logs/log-rotation.ts';
import { kubeletPaths } from '#agent/kubelet/paths.ts';
import { createObserver } from '#agent/kubelet/pod/observe.ts';
import { aContainer, aPod, observedContainer } from '#agent/kubelet/pods.testing.ts';
import { readLog } from '#agent/kubelet/server/log-reader.ts';
import { createPathGate } from '#agent/kubelet/volumes/path-gate.ts';
import { noClaims } from '#agent/kubelet/volumes/volumes.testing.ts';
import { createVolumes } from '#agent/kubelet/volumes/volumes.ts';
import { writeContainerLog } from '#agent/runtime/docker/container-log.ts';
import type { ContainerRuntime, ContainerStatus } from '#agent/runtime/runtime.ts';
import type { Pod } from '#api/types.generated.ts';
import { systemClock } from '#client/clock.ts';

/** More than Node has threads for files: if each pod blocked one, no thread would be left. */
const podsPerKind = 5;
/** Time limit of everything. With a blocked thread it would take for ever. */
const limitMs = 60_000;
const maxGrowthBytes = 300 * 2 ** 20;

type Plant = (path: string) => unknown;
const sockets: Server[] = [];

const root = realpathSync(mkdtempSync(join(tmpdir(), 'container-files-')));
const outside = join(root, 'outside');
const kinds: Record<string, Plant> = {
  fifo: (path) => execFileSync('mkfifo', [path]),
  'endless link': (path) => symlinkSync('/dev/zero', path),
  'blocking link': (path) => symlinkSync(join(outside, 'fifo'), path),
  'link out': (path) => symlinkSync(join(outside, 'precious'), path),
  'link to a folder': (path) => symlinkSync(outside, path),
  'link to itself': (path) => symlinkSync(path, path),
  device: (path) => execFileSync('mknod', [path, 'c', '1', '5']),
  terminal: (path) => execFileSync('mknod', [path, 'c', '5', '0']),
  socket: (path) => sockets.push(createServer().listen(path)),
  folder: (path) => mkdirSync(join(path, 'full'), { recursive: true }),
  terabyte: (path) => {
    writeFileSync(path, '');
    truncateSync(path, 2 ** 40);
  },
  'one line of 16 MB': (path) => writeFileSync(path, Buffer.alloc(16 * 2 ** 20, 'x')),
};

describe('files that containers plant', { timeout: 500_000 }, () => {
  const paths = kubeletPaths(join(root, 'data'), join(root, 'logs'));
  const log = pino({ level: 'silent' });
  const mounts = createMounts(execFile);
  const volumes = createVolumes({
    paths,
    mounts: { ...mounts, isMountPoint: async () => true },
    gate: createPathGate(systemClock),
    sources: {
      objects: {
        configMap: async () => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: aPod().metadata, data: { key: 'value' } }),
        secret: () => Promise.reject(new Error('no')),
      },
      tokens: { token: async () => '', forget: () => undefined },
    },
    claims: noClaims,
  });
  const container = aContainer('c', { terminationMessagePath: '/t', terminationMessagePolicy: 'FallbackToLogsOnError' });
  const facts = { nodeName: 'n1', hostIps: [], podIps: [], allocatable: {} };

  before(() => {
    mkdirSync(outside, { recursive: true });
    writeFileSync(join(outside, 'precious'), 'precious');
    execFileSync('mkfifo', [join(outside, 'fifo')]);
    for (const path of [paths.podsDir, paths.podLogsRoot]) mkdirSync(path, { recursive: true });
  });
  after(async () => {
    for (const socket of sockets) socket.close();
    // After a regression, threads may still be blocked. This releases them; otherwise the process would never end.
    for (const path of globSync(join(root, '**/*'))) {
      if ((await stat(path).catch(() => undefined))?.isFIFO() === true)
        closeSync(openSync(path, constants.O_RDWR | constants.O_NONBLOCK));
    }
    await mounts.unmountBelow(root);
    rmSync(root, { recursive: true, force: true });
  });

  const podOf = (uid: string): Pod =>
    aPod(
      {
        containers: [container],
        volumes: [
          { name: 'v', emptyDir: {} },
          { name: 'm', configMap: { name: 'm' } },
        ],
      },
      { metadata: { uid } },
    );
  const logOf = (uid: string): string => join(paths.podLogDir({ namespace: 'shop', name: 'web', uid }), 'c/0.log');

  function runtimeOf(uid: string): ContainerRuntime {
    const status: ContainerStatus = observedContainer(container, 1, {
      status: {
        labels: containerLabels(podOf(uid), container),
        annotations: containerAnnotations(podOf(uid), container, 0),
        mounts: [{ containerPath: '/t', hostPath: paths.terminationLog(uid, 'c', 0) }],
        logPath: logOf(uid),
      },
    }).status;
    return {
      listPodSandbox: async () => [],
      listContainers: async () => [{ id: uid }],
      containerStatus: async () => status,
      reopenContainerLog: async () => undefined,
    } as unknown as ContainerRuntime;
  }

  /** Does everything that the kubelet does with a pod's files. Each part may fail, none may block. */
  async function meet(uid: string): Promise<void> {
    const pod = podOf(uid);
    const signal = AbortSignal.timeout(1000);
    const read = async (options: { follow: boolean; tailLines?: number }): Promise<void> => {
      for await (const text of readLog(logOf(uid), { timestamps: false, ...options }, async () => false, signal))
        assert.ok(!text.includes('precious'));
    };
    const observed = async (): Promise<void> => {
      const { containers } = await createObserver(runtimeOf(uid), paths.podsDir).observe({ uid, name: 'web', namespace: 'shop' });
      assert.ok(!containers[0]?.status.message.includes('precious'));
    };
    const subPath = (name: string): Promise<unknown> =>
      containerMounts({
        pod,
        container: { ...container, volumeMounts: [{ name: 'v', mountPath: '/v', subPath: name }] },
        restartCount: 1,
        volumes: new Map([['v', { hostPath: paths.volumeDir(uid, 'kubernetes.io/empty-dir', 'v'), readOnly: false }]]),
        images: new Map(),
        env: new Map(),
        hostsFile: '',
        paths,
        mounts,
        gate: createPathGate(systemClock),
      });
    const hosts = async (): Promise<void> => {
      await using folder = await openFolder(paths.podsDir, paths.podDir(uid));
      await writeFileIn(folder, 'etc-hosts', 'x', 0o644);
    };
    const dockerLog = async (): Promise<void> => {
      const none = (): Promise<never> => Promise.reject(new Error('no log'));
      await writeContainerLog({ path: logOf(uid), positionFile: join(root, uid), tty: false, follow: none, remainder: none });
    };
    const steps: (() => Promise<unknown>)[] = [
      () => read({ follow: false }),
      () => read({ follow: false, tailLines: 10 }),
      () => read({ follow: true }),
      observed,
      () => createLogRotation({ runtime: runtimeOf(uid), log, maxBytes: 1, maxFiles: 5 }).rotate(),
      () => subPath('x'),
      () => subPath('x/y/z'),
      hosts,
      dockerLog,
      () => volumes.setUp(pod, facts),
      () => prepareLog(paths, pod, container, 0),
      () => removeLogs(logOf(uid)),
    ];
    for (const step of steps) {
      await step().catch((error: unknown) => {
        if (error instanceof assert.AssertionError) throw error;
      });
    }
    // These must not fail: a removed pod leaves nothing, whatever its files were.
    await mounts.unmountBelow(paths.podDir(uid));
    await removeTreeBelow(paths.podsDir, paths.podDir(uid));
    await removeTreeBelow(paths.podLogsRoot, join(logOf(uid), '../..'));
  }

  /** Plants one kind of file in every place that a container may write to. */
  async function prepare(uid: string, plant: Plant): Promise<void> {
    await volumes.setUp(podOf(uid), facts);
    const [log, message] = [logOf(uid), paths.terminationLog(uid, 'c', 0)];
    for (const path of [log, message]) mkdirSync(join(path, '..'), { recursive: true });
    const configMap = paths.volumeDir(uid, 'kubernetes.io/configmap', 'm');
    rmSync(join(configMap, '..data/key'));
    for (const path of [
      log,
      `${log}.20260101-000000`,
      message,
      paths.etcHosts(uid),
      join(paths.volumeDir(uid, 'kubernetes.io/empty-dir', 'v'), 'x'),
      join(configMap, '..data/key'),
      join(configMap, '..data_tmp'),
    ])
      plant(path);
  }

  for (const [kind, plant] of Object.entries(kinds)) {
    it(`of the kind "${kind}" block nothing`, async () => {
      const uids = Array.from({ length: podsPerKind }, (_, index) => `${kind.replaceAll(' ', '-')}-${index}`);
      for (const uid of uids) await prepare(uid, plant);
      const before = process.memoryUsage().rss;
      const startedMs = performance.now();
      const work = Promise.all(uids.map(meet)).then(() => 'done');
      const hang = new Promise<string>((resolve) => setTimeout(resolve, limitMs, 'hangs').unref());
      let slowestMs = 0;
      let outcome = '';
      void work.then(
        (done) => (outcome = done),
        () => (outcome = 'failed'),
      );
      while (outcome === '' && performance.now() - startedMs < limitMs) {
        const askedMs = performance.now();
        // Reads another file of the node, with the same threads.
        await Promise.race([stat('/etc/hosts'), hang]);
        slowestMs = Math.max(slowestMs, performance.now() - askedMs);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      assert.equal(await Promise.race([work, hang]), 'done');
      assert.ok(slowestMs < 20_000, `another file was looked at in ${slowestMs} ms`);
      const grown = process.memoryUsage().rss - before;
      assert.ok(grown < maxGrowthBytes, `${grown} bytes more`);
      assert.equal(readFileSync(join(outside, 'precious'), 'utf8'), 'precious');
      assert.deepEqual(globSync('**/*', { cwd: outside }).sort(), ['fifo', 'precious']);
      for (const uid of uids) await assert.rejects(stat(paths.podDir(uid)), { code: 'ENOENT' });
    });
  }
});
