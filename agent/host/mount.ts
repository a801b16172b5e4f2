/** Mounts, unmounts, and reads the kernel's list of mounts. Source: mount(8), proc_pid_mountinfo(5). */
import { readFile, realpath } from 'node:fs/promises';
import type { Exec } from './exec.ts';
import type { Entry } from './safe-open.ts';

/** One line of mountinfo. */
export interface MountEntry {
  mountPoint: string;
  /** The directory inside the mounted filesystem that this mount shows. `/` unless it is a bind mount of a subdirectory. */
  root: string;
  fsType: string;
  source: string;
  /** Options of the filesystem, for example the controllers of a cgroup v1 hierarchy. */
  superOptions: string[];
}

/** Replaces the octal escapes of mountinfo: `\040` is a space. */
const unescape = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

/** Parses the text of /proc/<pid>/mountinfo. Pure. */
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

/** The mounts of this mount namespace. */
export interface Mounts {
  /** All mounts, in the order in which they were made. */
  list(): Promise<MountEntry[]>;
  /** Whether a filesystem is mounted at exactly this path. */
  isMountPoint(path: string): Promise<boolean>;
  /** Mounts a tmpfs. Without `sizeBytes` its limit is half of the machine's memory (the kernel's default). */
  mountTmpfs(path: string, options: { sizeBytes?: number | undefined }): Promise<void>;
  /** Bind-mounts `source` at `target`. @throws ExecError */
  bind(source: string, target: string): Promise<void>;
  /** Bind-mounts the inode that is held, even if its path names another file now. */
  bindEntry(source: Entry, target: string): Promise<void>;
  /**
   * The mounts at and below `path`, in the order in which they were made. Their mount points are given with `path` as their
   * prefix, unresolved.
   */
  below(path: string): Promise<MountEntry[]>;
  /**
   * Unmounts everything at and below `path`, innermost first. No mounts is success. The originals elsewhere stay, also when a
   * mount below `path` is a propagated copy of one (a bind mount of a shared mount gets a copy of each mount that is made in that
   * one later). @throws ExecError when a mount is busy
   */
  unmountBelow(path: string): Promise<void>;
}

/**
 * The path as the kernel lists it. With symbolic links, dots or double slashes in it, a mount would not be found, and a recursive
 * removal would delete through it.
 */
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

/**
 * Limit of mounts for one run of umount(8). Starting a program costs tens of milliseconds in which the event loop stands still, because
 * fork(2) copies the page tables of the whole agent. So one run unmounts many.
 */
const pointsAtOnce = 100;

/** The mounts of this machine, through mount(8) and umount(8). */
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
      // mount(8) would otherwise resolve the link in /proc and mount by path, and that path may name another file now.
      await exec(['mount', '--no-canonicalize', '--bind', source.atForOthers, target]);
    },
    below,
    async unmountBelow(path) {
      const real = await resolved(path);
      const points = (await below(real)).map(({ mountPoint }) => mountPoint);
      // The mounts are made private first: otherwise the kernel would also unmount the originals of propagated copies. Source:
      // mount_namespaces(7), "Mount propagation".
      for (const point of points)
        if (points.some((inner) => isBelow(inner, point))) await exec(['mount', '--make-private', point]);
      const innermostFirst = points.reverse();
      for (let at = 0; at < innermostFirst.length; at += pointsAtOnce)
        await exec(['umount', ...innermostFirst.slice(at, at + pointsAtOnce)]);
    },
  };
}
