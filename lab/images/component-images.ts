/** The images of the control plane's components, built from this machine's own programs: our bundle with its Node, and Debian's etcd. */
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Exec } from '#agent/host/exec.ts';
import { distFolder } from '../program.ts';
import { findBusybox } from './busybox.ts';
import { busyboxFiles, type LabImage } from './lab-images.ts';
import { buildImage, buildPlainLayer, type ImageFile, type ImageLayer } from './oci-image.ts';

/** As the API server's version. */
export const componentTag = 'v1.36.0';
/** Of the packaged etcd. */
export const etcdTag = 'debian';
/** Where upstream's images come from; the lab's registry answers for it. */
export const componentRegistry = 'registry.k8s.io';

/** The image of the pod network and DNS. */
export const nodeImage = 'docker.io/tinkernetes/node:1';

const commands = ['tinker', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kube-proxy'];
const etcdPrograms = ['/usr/bin/etcd', '/usr/bin/etcdctl'];
/** What writes rules and routes, and the names by which the one program for rules is called. */
const nodePrograms = ['ip', 'nft', 'conntrack'];
const tablesNames = ['', '-save', '-restore'].flatMap((suffix) => [`iptables${suffix}`, `ip6tables${suffix}`]);

/** Builds them. @throws ExecError */
export async function buildComponentImages(exec: Exec): Promise<LabImage[]> {
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const busybox = await busyboxFiles((await findBusybox({ exec })).path, exec);
  const node = await buildPlainLayer([
    ...busybox,
    program(process.execPath, 'usr/local/bin/node'),
    ...(await librariesOf(exec, [process.execPath])),
  ]);
  const bundle = await buildPlainLayer([
    program(join(distFolder, 'tinker.mjs'), 'usr/local/lib/tinkernetes/tinker.mjs'),
    ...commands.map((name): ImageFile => ({ path: `usr/local/bin/${name}`, mode: 0o755, content: wrapper(name) })),
  ]);
  const tools = await buildPlainLayer(await toolFiles(exec));
  const ours = (repository: string, tag: string, cmd: readonly string[], layers: readonly ImageLayer[]): Promise<LabImage> =>
    buildImage({ base: layers, files: [], cmd }, architecture).then((image) => ({ repository, tags: [tag], image }));
  const etcd = await buildPlainLayer([
    ...busybox,
    ...etcdPrograms.map((path) => program(path, path.replace('/usr/bin', 'usr/local/bin'))),
    ...(await librariesOf(exec, etcdPrograms)),
  ]);
  return [
    ...(await Promise.all(
      ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler'].map((name) =>
        ours(name, componentTag, [name], [node, bundle]),
      ),
    )),
    await ours('kube-proxy', componentTag, ['kube-proxy'], [node, bundle, tools]),
    await ours('tinkernetes/node', '1', ['tinker'], [node, bundle, tools]),
    await ours('etcd', etcdTag, ['etcd'], [etcd]),
  ];
}

/** Node is one program with many scripts; `exec` leaves nothing of the shell. */
function wrapper(name: string): string {
  const megabytes = name === 'kube-apiserver' ? 16 : 2;
  const script = '/usr/local/lib/tinkernetes/tinker.mjs';
  return `#!/bin/sh\nexec node --no-warnings --max-semi-space-size=${megabytes} ${script}${name === 'tinker' ? '' : ` ${name}`} "$@"\n`;
}

/** The programs that write rules and routes, with their libraries and the extensions of iptables. */
async function toolFiles(exec: Exec): Promise<ImageFile[]> {
  const programs = nodePrograms.map(installed);
  const tables = realpathSync(installed('iptables'));
  const libraries = await librariesOf(exec, [...programs, tables]);
  const tablesLibrary = libraries.find(({ path }) => path.includes('libxtables'));
  const extensions = join('/usr', dirname(tablesLibrary?.path ?? '').replace(/^usr/, ''), 'xtables');
  return [
    ...programs.map((path) => program(path, `usr/sbin/${basename(path)}`)),
    program(tables, 'usr/sbin/xtables-multi'),
    ...tablesNames.map((name): ImageFile => ({ path: `usr/sbin/${name}`, linkTo: 'xtables-multi' })),
    ...libraries,
    ...readdirSync(extensions).map((name) => program(join(extensions, name), `${extensions.slice(1)}/${name}`)),
  ];
}

/** @throws Error when it is not installed */
function installed(name: string): string {
  const path = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'].map((folder) => join(folder, name)).find((one) => existsSync(one));
  if (path === undefined) throw new Error(`${name} is not installed: its image cannot be built`);
  return path;
}

const program = (from: string, to: string): ImageFile => ({ path: to, mode: 0o755, content: readFileSync(from) });

/** The shared libraries that the programs are started with, at their own paths. */
async function librariesOf(exec: Exec, programs: readonly string[]): Promise<ImageFile[]> {
  const { stdout } = await exec(['ldd', ...programs]);
  const paths = [...stdout.matchAll(/(?:=>\s+|^\s+)(\/\S+) \(0x/gm)].map(([, path = '']) => path);
  return [...new Set(paths)].map((path) => program(path, path.slice(1)));
}
