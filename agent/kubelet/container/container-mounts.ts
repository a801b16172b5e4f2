/**
 * The mounts of a container: volumes and single paths of them, images, /etc/hosts and the file for its termination message.
 *
 * Source: upstream `pkg/kubelet/kubelet_pods.go` (makeMounts, messages included).
 */
import { basename, dirname, join } from 'node:path';
import type { Mounts } from '#agent/host/mount.ts';
import { removeTree } from '#agent/host/remove-tree.ts';
import { openFolder } from '#agent/host/safe-open.ts';
import type { ImageSpec, Mount } from '#agent/runtime/runtime.ts';
import type { Container, Pod, VolumeMount } from '#api/types.generated.ts';
import { containerLogPath, type Paths } from '../paths.ts';
import type { PathGate } from '../volumes/path-gate.ts';
import { bindSubPath, SubPathCreateError } from '../volumes/sub-path.ts';
import type { MountedVolume } from '../volumes/volumes.ts';
import { mountPropagation } from './container-config.ts';
import { expand } from './expansion.ts';

/** The inputs of one container's mounts. */
export interface MountInputs {
  pod: Pod;
  container: Container;
  restartCount: number;
  volumes: ReadonlyMap<string, MountedVolume>;
  /** The pulled images of the volumes that are images, by the volume's name. */
  images: ReadonlyMap<string, ImageSpec>;
  env: ReadonlyMap<string, string>;
  hostsFile: string;
  paths: Paths;
  mounts: Mounts;
  gate: PathGate;
}

/** Makes the files and folders that are mounted. @throws Error with upstream's message, for CreateContainerConfigError */
export async function containerMounts(inputs: MountInputs): Promise<Mount[]> {
  const { container, hostsFile } = inputs;
  const made: Mount[] = [];
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) made.push(await volumeMount(inputs, mount, index));
  const termination = await terminationLog(inputs);
  if (termination !== undefined) made.push(termination);
  if (!made.some(({ containerPath }) => containerPath === '/etc/hosts')) {
    const readonly = container.securityContext?.readOnlyRootFilesystem === true;
    made.push({ containerPath: '/etc/hosts', hostPath: hostsFile, readonly });
  }
  return made;
}

/**
 * Makes the folder of the container's log, and removes any file that a container put there under the log's name: the runtime would follow a
 * link, or block at a FIFO.
 */
export async function prepareLog(paths: Paths, pod: Pod, container: Container, restartCount: number): Promise<void> {
  const { namespace = '', name, uid } = pod.metadata;
  await using folder = await openFolder(
    paths.podLogsRoot,
    paths.containerLogDir({ namespace, name, uid }, container.name),
    0o755,
  );
  const log = basename(containerLogPath(container.name, restartCount));
  const there = await folder.look(log);
  if (there !== undefined && !there.isFile()) await removeTree(folder, log);
}

async function volumeMount(inputs: MountInputs, mount: VolumeMount, index: number): Promise<Mount> {
  const { pod, container, volumes, images, env, paths, mounts, gate } = inputs;
  const volume = volumes.get(mount.name);
  if (volume === undefined) throw new Error(`cannot find volume "${mount.name}" to mount into container "${container.name}"`);
  const subPath = subPathOf(mount, env);
  const common = {
    containerPath: mount.mountPath.startsWith('/') ? mount.mountPath : `/${mount.mountPath}`,
    readonly: mount.readOnly === true || volume.readOnly,
    propagation: mountPropagation(mount.mountPropagation),
    ...(mount.recursiveReadOnly === 'Enabled' ? { recursiveReadOnly: true } : {}),
  };
  const image = images.get(mount.name);
  if (image !== undefined) return { ...common, hostPath: '', image, imageSubPath: subPath };
  if (subPath === '') return { ...common, hostPath: volume.hostPath };
  const target = join(paths.subPathsDir(pod.metadata.uid), mount.name, container.name, `${index}`);
  const bind = (): Promise<void> => bindSubPath(mounts, { volumePath: volume.hostPath, subPath, podsDir: paths.podsDir, target });
  try {
    await (volume.isNodePath === true ? gate.run(volume.hostPath, bind) : bind());
  } catch (error) {
    // The message leaves the cause out: it would show the user names of the node's files.
    const what = error instanceof SubPathCreateError ? 'failed to create subPath directory' : 'failed to prepare subPath';
    throw new Error(`${what} for volumeMount "${mount.name}" of container "${container.name}"`, { cause: error });
  }
  return { ...common, hostPath: target };
}

/**
 * The path within the volume that is mounted; the empty string: the whole volume. Pure.
 * @throws Error when it is absolute, has `..`, a variable has no value, or its expression becomes too long
 */
export function subPathOf({ subPath: given = '', subPathExpr = '' }: VolumeMount, env: ReadonlyMap<string, string>): string {
  const subPath = subPathExpr === '' ? given : expandStrictly(subPathExpr, env);
  if (subPath.startsWith('/')) throw new Error(`error SubPath \`${subPath}\` must not be an absolute path`);
  if (subPath.split('/').includes('..')) throw new Error(`unable to provision SubPath \`${subPath}\`: must not contain '..'`);
  return subPath;
}

/** Linux' PATH_MAX: a longer path names nothing. */
const maxPathLength = 4096;

/** An empty value counts as missing: `a/$(X)` would become `a/`, which is another path than the user meant. */
function expandStrictly(expression: string, env: ReadonlyMap<string, string>): string {
  const missing = new Set<string>();
  const expanded = expand(expression, (name) => {
    const value = env.get(name) ?? '';
    if (value === '') missing.add(name);
    return value;
  });
  if (missing.size > 0) throw new Error(`missing value for ${[...missing].sort().join(', ')}`);
  if (expanded.length > maxPathLength) throw new Error(`subPathExpr: a path of ${expanded.length} characters is too long`);
  return expanded;
}

/** Makes the empty file that the container may write its termination message to. @returns its path */
async function terminationLog({ pod, container, restartCount, paths }: MountInputs): Promise<Mount | undefined> {
  if (container.terminationMessagePath === undefined || container.terminationMessagePath === '') return undefined;
  const hostPath = paths.terminationLog(pod.metadata.uid, container.name, restartCount);
  await using folder = await openFolder(paths.podsDir, dirname(hostPath), 0o750);
  const name = basename(hostPath);
  await removeTree(folder, name);
  // Any user may write it, since the container may run as any user.
  await (await folder.createFile(name, 0o666)).close();
  return { containerPath: container.terminationMessagePath, hostPath };
}
