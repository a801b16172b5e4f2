/**
 * Test support: a machine for a container runtime. It is a network namespace with a CNI network, a registry and the lab's images.
 * Its files are in one temporary folder. `dispose` removes everything, also after a failed test.
 */
import { randomBytes } from 'node:crypto';
import { glob, mkdir, mkdtemp, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { type DaemonSpec, killProcesses, logTail, startDaemon, stopDaemon } from '#agent/host/daemon.ts';
import { execFile } from '#agent/host/exec.ts';
import { openPipe, pipeDuplex } from '#agent/host/pipe.ts';
import { removeCniResults, removeShimSockets } from '#agent/runtime/cri/killed-containerd.ts';
import { buildLabImages, type LabImage } from '#lab/images/lab-images.ts';
import { imageArchive } from '#lab/images/oci-image.ts';
import { until } from '#lab/until.ts';

export const busyboxImage = 'docker.io/library/busybox:latest';

export interface TestNode {
  /** Name of the namespace and of the cgroup: `trt-` and six digits. */
  name: string;
  dir: string;
  cniConfDir: string;
  cniBinDir: string;
  /** `host:port` under which the runtime reaches the registry. It serves `library/busybox` and `tinkernetes/web`. */
  registry: string;
  /** The first three bytes of every pod's address, for example `10.88.1`. */
  podNetwork: string;
  /** An archive of pause and busybox for `docker load` or `ctr images import`. */
  imageArchive: string;
  nsenter(argv: readonly string[]): string[];
  /** Starts a daemon inside the namespace and waits until `ready`. */
  start(spec: Pick<DaemonSpec, 'name' | 'argv'>, ready: () => Promise<boolean>): Promise<void>;
  stop(name: string): Promise<void>;
  /** Opens a TCP connection from inside the namespace. */
  dial(host: string, port: number): Promise<Duplex>;
  dispose(): Promise<void>;
}

export async function createTestNode(): Promise<TestNode> {
  const name = `trt-${randomBytes(3).toString('hex')}`;
  const podNetwork = `10.${200 + Math.floor(Math.random() * 50)}.${Math.floor(Math.random() * 250)}`;
  const dir = await mkdtemp(join(tmpdir(), `${name}-`));
  const pidFile = (daemon: string): string => join(dir, `${daemon}.pid`);
  const nsenter = (argv: readonly string[]): string[] => ['nsenter', `--net=/run/netns/${name}`, ...argv];
  const started = new Set<string>();

  const node: TestNode = {
    name,
    dir,
    cniConfDir: join(dir, 'net.d'),
    cniBinDir: '/usr/lib/cni',
    registry: '127.0.0.1:5000',
    podNetwork,
    imageArchive: join(dir, 'images.tar'),
    nsenter,

    async start(spec, ready) {
      const logFile = join(dir, `${spec.name}.log`);
      started.add(spec.name);
      await startDaemon({
        ...spec,
        argv: nsenter(spec.argv),
        pidFile: pidFile(spec.name),
        logFile,
        env: { OTEL_TRACES_EXPORTER: 'none' },
      });
      await until(`${spec.name} answers`, ready, { timeoutMs: 120_000, onTimeout: () => logTail(logFile) });
    },

    stop: (daemon) => stopDaemon(pidFile(daemon)),

    async dial(host, port) {
      return pipeDuplex(await openPipe(nsenter(['busybox', 'nc', host, String(port)])));
    },

    async dispose() {
      for (const daemon of started) await stopDaemon(pidFile(daemon));
      await cleanUp(name, dir);
    },
  };

  await execFile(['ip', 'netns', 'add', name]);
  try {
    await execFile(['ip', '-n', name, 'link', 'set', 'lo', 'up']);
    await writeCniConfig(node);
    const images = await buildLabImages(execFile);
    await writeFile(
      node.imageArchive,
      await imageArchive(images.filter(({ repository }) => repository !== 'tinkernetes/web').map(archived)),
    );
    await startRegistry(node, images);
    return node;
  } catch (error) {
    await node.dispose();
    throw error;
  }
}

const archived = ({ repository, tags, image }: LabImage): { references: string[]; image: LabImage['image'] } => ({
  references: tags.map((tag) => `${repository === 'pause' ? 'registry.k8s.io' : 'docker.io'}/${repository}:${tag}`),
  image,
});

async function writeCniConfig({ cniConfDir, dir, name, podNetwork }: TestNode): Promise<void> {
  const ipam = {
    type: 'host-local',
    ranges: [[{ subnet: `${podNetwork}.0/24` }]],
    routes: [{ dst: '0.0.0.0/0' }],
    dataDir: join(dir, 'ipam'),
  };
  const plugins = [
    { type: 'bridge', bridge: 'cni0', isGateway: true, hairpinMode: true, ipam },
    { type: 'portmap', capabilities: { portMappings: true } },
  ];
  await mkdir(cniConfDir, { recursive: true });
  await writeFile(join(cniConfDir, '10-test.conflist'), JSON.stringify({ cniVersion: '0.4.0', name, plugins }));
}

/**
 * Starts the registry and writes the images directly into its storage, because its port is reachable only inside the namespace.
 */
async function startRegistry(node: TestNode, images: readonly LabImage[]): Promise<void> {
  const root = join(node.dir, 'registry');
  const base = join(root, 'docker/registry/v2');
  const put = async (path: string, content: string | Uint8Array): Promise<void> => {
    await mkdir(join(base, path, '..'), { recursive: true });
    await writeFile(join(base, path), content);
  };
  const hex = (digest: string): string => digest.slice('sha256:'.length);
  for (const { repository, tags, image } of images) {
    for (const { digest, bytes } of [image.manifest, image.config, ...image.layers]) {
      await put(`blobs/sha256/${hex(digest).slice(0, 2)}/${hex(digest)}/data`, bytes);
    }
    const home = `repositories/${repository}`;
    for (const { digest } of [image.config, ...image.layers]) await put(`${home}/_layers/sha256/${hex(digest)}/link`, digest);
    const { digest } = image.manifest;
    await put(`${home}/_manifests/revisions/sha256/${hex(digest)}/link`, digest);
    for (const tag of tags) {
      await put(`${home}/_manifests/tags/${tag}/current/link`, digest);
      await put(`${home}/_manifests/tags/${tag}/index/sha256/${hex(digest)}/link`, digest);
    }
  }
  const config = {
    version: '0.1',
    log: { level: 'error' },
    storage: { filesystem: { rootdirectory: root } },
    http: { addr: node.registry },
  };
  await writeFile(join(node.dir, 'registry.yml'), JSON.stringify(config));
  await node.start({ name: 'registry', argv: ['docker-registry', 'serve', join(node.dir, 'registry.yml')] }, async () => {
    const answer = await execFile(node.nsenter(['busybox', 'wget', '-q', '-O', '-', `http://${node.registry}/v2/`]));
    return answer.stdout.includes('{');
  });
}

/* ------------------------------------------------------------------ cleaning up */

/** Removes everything of a test node. It also works for a node whose test was killed. */
export async function cleanUp(name: string, dir: string): Promise<void> {
  await killProcesses(() => pidsInCgroup(name));
  await killProcesses(() => pidsInNamespace(name));
  for (const state of ['state', 'docker-exec/containerd/daemon']) await removeShimSockets(join(dir, state));
  await removeCniResults(dir);
  await unmountBelow(dir);
  await execFile(['ip', 'netns', 'delete', name]);
  await removeCgroup(name);
  await rm(dir, { recursive: true, force: true });
}

async function cgroupFolders(name: string): Promise<string[]> {
  const folders = await readdir('/sys/fs/cgroup');
  const roots = ['/sys/fs/cgroup', ...folders.map((folder) => join('/sys/fs/cgroup', folder))];
  const found: string[] = [];
  for (const root of roots)
    for await (const path of glob([`${name}`, `${name}/**/`], { cwd: root })) found.push(join(root, path));
  return found.sort((a, b) => b.length - a.length);
}

async function pidsInCgroup(name: string): Promise<number[]> {
  const pids = new Set<number>();
  for (const folder of await cgroupFolders(name)) {
    const text = await readFile(join(folder, 'cgroup.procs'), 'utf8').catch(() => '');
    for (const line of text.split('\n')) if (line !== '') pids.add(Number(line));
  }
  return [...pids];
}

async function pidsInNamespace(name: string): Promise<number[]> {
  const { stdout } = await execFile(['ip', 'netns', 'pids', name]);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map(Number);
}

async function removeCgroup(name: string): Promise<void> {
  for (const folder of await cgroupFolders(name))
    await rmdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
    });
}

async function unmountBelow(dir: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').map((line) => line.split(' ')[4] ?? '');
  for (const target of mounts.filter((path) => path.startsWith(`${dir}/`)).reverse())
    await execFile(['umount', '--lazy', target]);
}
