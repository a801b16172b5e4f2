/**
 * The file systems of a machine: everything of the real machine, with upstream's default paths as its own. Not one overlay over all: containerd's
 * snapshotter needs a real file system below it.
 *
 * Source: mount(8), mount_namespaces(7), cgroup_namespaces(7); kernel `Documentation/filesystems/overlayfs.rst`.
 */
import type { MountEntry } from '#agent/host/mount.ts';
import { layeredFolders, type MachineSpec, outside, ownFolders } from './spec.ts';

/** The commands that make them, in their order, in a new mount, PID, network and cgroup namespace. Pure. @param before the mounts that are there */
export function machineMounts(spec: MachineSpec, before: readonly MountEntry[]): string[][] {
  return [
    // Nothing of it reaches the real machine.
    ['mount', '--make-rprivate', '/'],
    ...unmountUnused(spec, before),
    ['mount', '-t', 'proc', '-o', 'nosuid,nodev,noexec', 'proc', '/proc'],
    ['mount', '-t', 'sysfs', '-o', 'nosuid,nodev,noexec', 'sysfs', '/sys'],
    ...cgroupMounts(before),
    ...layeredFolders.map((folder) => [
      'mount',
      '-t',
      'overlay',
      '-o',
      `lowerdir=${folder},upperdir=${outside(spec, folder)},workdir=${workFolder(spec, folder)}`,
      'overlay',
      folder,
    ]),
    // Where these lie on the real machine may be hidden by the next ones.
    ...spec.shared.flatMap(({ from, to }) => [
      ['mount', '--bind', from, outside(spec, to)],
      ['mount', '-o', 'remount,bind,ro', outside(spec, to)],
    ]),
    ...ownFolders.map((folder) => ['mount', '--rbind', outside(spec, folder), folder]),
    ['mount', '-t', 'tmpfs', '-o', 'nosuid,nodev,mode=755', 'tmpfs', '/run'],
    // Volumes of pods reach their containers (mountPropagation), as on a machine with systemd.
    ['mount', '--make-rshared', '/'],
  ];
}

/**
 * Lets go of what pods and others have mounted on the real machine: a mount that is kept here would keep their network namespaces and file
 * systems there.
 */
function unmountUnused({ root, shared }: MachineSpec, before: readonly MountEntry[]): string[][] {
  const needed = [root, ...shared.map(({ from }) => from)];
  const isWithin = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`);
  const unused = before
    .map(({ mountPoint }) => mountPoint)
    .filter((path) => hidden.some((folder) => path !== folder && isWithin(path, folder)))
    .filter((path) => !needed.some((one) => isWithin(one, path)))
    .reverse();
  return unused.length === 0 ? [] : [['umount', '--lazy', ...unused]];
}

const hidden = ['/opt', '/run', '/tmp', '/var'];

/** Overlayfs keeps files there while it works; it lies on the same file system as the upper layer. */
export const workFolder = (spec: Pick<MachineSpec, 'root'>, folder: string): string =>
  outside(spec, `.work${folder.replaceAll('/', '-')}`);

/** The hierarchies of the real machine, each from the machine's own group on. */
function cgroupMounts(before: readonly MountEntry[]): string[][] {
  const mounts = before.filter(({ fsType, mountPoint }) => /^cgroup2?$/.test(fsType) && mountPoint.startsWith('/sys/fs/cgroup'));
  const unified = mounts.find(({ mountPoint }) => mountPoint === '/sys/fs/cgroup');
  if (unified !== undefined) return [['mount', '-t', 'cgroup2', 'cgroup2', '/sys/fs/cgroup']];
  return [
    ['mount', '-t', 'tmpfs', '-o', 'nosuid,nodev,noexec,mode=755', 'tmpfs', '/sys/fs/cgroup'],
    ...mounts.flatMap(({ fsType, mountPoint, superOptions }) => [
      ['mkdir', '-p', mountPoint],
      fsType === 'cgroup2'
        ? ['mount', '-t', 'cgroup2', 'cgroup2', mountPoint]
        : ['mount', '-t', 'cgroup', '-o', controllers(superOptions), 'cgroup', mountPoint],
    ]),
  ];
}

function controllers(superOptions: readonly string[]): string {
  const names = superOptions.filter(
    (option) => !['rw', 'ro', 'xattr', 'clone_children'].includes(option) && !option.startsWith('release_agent='),
  );
  return names.some((name) => name.startsWith('name=')) ? ['none', ...names].join(',') : names.join(',');
}
