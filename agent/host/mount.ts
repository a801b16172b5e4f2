/** Mounting and unmounting, and the kernel's list of mounts. Source: mount(8), proc_pid_mountinfo(5). */
import { readFile, realpath } from 'node:fs/promises';
import type { Exec } from './exec.ts';
import type { Entry } from './safe-open.ts';

export interface MountEntry {
  mountPoint: string;
  /** The directory of the mounted filesystem that forms the root of this mount. */
  root: string;
  fsType: string;
  source: string;
  /** Options of the filesystem, such as the controllers of a cgroup v1 hierarchy. */
  superOptions: string[];
}

/** Octal escapes of mountinfo: a space is `\040`. */
const unescape = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

/** Parses /proc/<pid>/mountinfo. Pure. */
export function parseMountInfo(text: string): MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of text.split('\n')) {
    const fields = line.split(' ');
    const separator = fields.indexOf('-', 6);
    if (separator < 0) continue;
    entries.push({
      root: unescape(fields[3] ?? ''),
      mountPoint: unescape(fields[4] ?? ''),
      fsType: fields[separator + 1] ?? '',
      source: unescape(fields[separator + 2] ?? ''),
      superOptions: (fields[separator + 3] ?? '').split(','),
    });
  }
  return entries;
}

export interface Mounts {
  list(): Promise<MountEntry[]>;
  isMountPoint(path: string): Promise<boolean>;
  /** A RAM filesystem; without a size, half of the machine's memory is its limit (the kernel's default). */
  mountTmpfs(path: string, options: { sizeBytes?: number | undefined }): Promise<void>;
  bind(source: string, target: string): Promise<void>;
  /** Bind-mounts the very inode that is held, whatever has its path by now. */
  bindEntry(source: Entry, target: string): Promise<void>;
  /** The mounts at and below `path`, in the order in which they were made; their mount points begin with `path` as it is given. */
  below(path: string): Promise<MountEntry[]>;
  /**
   * Unmounts everything at and below `path`, innermost first; nothing mounted is success. What is mounted elsewhere stays, also when
   * mounts below `path` are copies of it (a bind mount of a shared mount has copies of what is mounted in that one later).
   * @throws ExecError when one is busy
   */
  unmountBelow(path: string): Promise<void>;
}

/** As the kernel lists it: through links, dots and doubled slashes a mount would be overlooked, and deleted through. */
async function resolved(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return path;
    throw error;
  }
}

const isBelow = (path: string, folder: string): boolean =>
  path.startsWith(folder === '/' ? folder : `${folder}/`) && path !== folder;

export function createMounts(exec: Exec): Mounts {
  const list = async (): Promise<MountEntry[]> => parseMountInfo(await readFile('/proc/self/mountinfo', 'utf8'));
  const below = async (path: string): Promise<MountEntry[]> => {
    const real = await resolved(path);
    return (await list())
      .filter(({ mountPoint }) => mountPoint === real || isBelow(mountPoint, real))
      .map((entry) => ({ ...entry, mountPoint: `${path}${entry.mountPoint.slice(real.length)}` }));
  };
  return {
    list,
    async isMountPoint(path) {
      const real = await resolved(path);
      return (await list()).some((entry) => entry.mountPoint === real);
    },
    async mountTmpfs(path, { sizeBytes }) {
      await exec(['mount', '-t', 'tmpfs', ...(sizeBytes === undefined ? [] : ['-o', `size=${sizeBytes}`]), 'tmpfs', path]);
    },
    async bind(source, target) {
      await exec(['mount', '--bind', source, target]);
    },
    async bindEntry(source, target) {
      // mount(8) would otherwise read the link and mount by its path, which may lead elsewhere by now.
      await exec(['mount', '--no-canonicalize', '--bind', source.atForOthers, target]);
    },
    below,
    async unmountBelow(path) {
      const real = await resolved(path);
      const points = (await below(real)).map(({ mountPoint }) => mountPoint);
      // Else the kernel would unmount the originals along with the copies. Source: mount_namespaces(7), "Mount propagation".
      for (const point of points)
        if (points.some((inner) => isBelow(inner, point))) await exec(['mount', '--make-private', point]);
      for (const point of points.reverse()) await exec(['umount', point]);
    },
  };
}
