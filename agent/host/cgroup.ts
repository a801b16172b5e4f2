/**
 * Control groups: create, limit, read, remove. Supports version 1 (one hierarchy per controller), hybrid, and version 2
 * (unified).
 *
 * Source: kernel `Documentation/admin-guide/cgroup-v1/`, `cgroup-v2.rst`. The OCI runtime specification defines the conversion of
 * shares to weight.
 */
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MountEntry } from './mount.ts';
import { parseMountInfo } from './mount.ts';

/**
 * The mounts of the controllers. `others` are hierarchies in which this code sets no limits, but in which runc also makes a group
 * for each container: the v2 hierarchy of a hybrid, and v1 controllers such as net_cls. Their groups must be removed too.
 */
export type CgroupHierarchy =
  | { version: 1; mountPoints: ReadonlyMap<string, string>; others: readonly string[] }
  | { version: 2; root: string };

/** Limits of one group. An absent field leaves its limit unchanged. */
export interface CgroupLimits {
  /** Relative weight; 1024 stands for one CPU. */
  cpuShares?: number | undefined;
  /** CPU time per {@link cpuPeriodUs}; -1 is unlimited. */
  cpuQuotaUs?: number | undefined;
  cpuPeriodUs?: number | undefined;
  /** -1 is unlimited. */
  memoryBytes?: number | undefined;
  pids?: number | undefined;
}

/** What the processes of one group use. */
export interface CgroupUsage {
  /** CPU time used since the group was made. */
  cpuUsageNs: bigint;
  memoryUsageBytes: number;
  /** Memory usage without the inactive file cache. The kubelet's eviction decides by this number. */
  memoryWorkingSetBytes: number;
  memoryRssBytes: number;
}

/** The control groups of this machine. Paths are relative to the root of the hierarchy. */
export interface Cgroups {
  readonly hierarchy: CgroupHierarchy;
  /** Creates the group and its ancestors with the controllers that the kernel has. A group that exists is success. */
  create(path: string): Promise<void>;
  /** Writes the limits of a group. @throws Error when the kernel refuses a value */
  limit(path: string, limits: CgroupLimits): Promise<void>;
  /** The current limits of the group, without `pids`. Undefined when the group does not exist. */
  limits(path: string): Promise<CgroupLimits | undefined>;
  /** Whether the group exists. */
  exists(path: string): Promise<boolean>;
  /** Names of the direct children of the group. */
  children(path: string): Promise<string[]>;
  /** Ids of the processes in the group itself, not in its children. */
  pids(path: string): Promise<number[]>;
  /** Removes the group and its descendants. An absent group is success. @throws EBUSY while it still has processes */
  remove(path: string): Promise<void>;
  /** The group's usage; `undefined` when the group no longer exists. */
  usage(path: string): Promise<CgroupUsage | undefined>;
}

const wantedV1 = ['cpu', 'cpuacct', 'cpuset', 'memory', 'pids', 'blkio', 'devices', 'freezer', 'hugetlb', 'systemd'];
const wantedV2 = ['cpu', 'cpuset', 'memory', 'pids', 'io', 'hugetlb'];

/**
 * Finds the hierarchy that holds the memory controller. A v2 mount beside v1 controllers ("hybrid") counts as version 1. Pure.
 * @throws Error when no cgroup filesystem is mounted
 */
export function detectHierarchy(mounts: readonly MountEntry[]): CgroupHierarchy {
  const mountPoints = new Map<string, string>();
  for (const entry of mounts) {
    if (entry.fsType !== 'cgroup') continue;
    for (const option of entry.superOptions) {
      const name = option.replace(/^name=/, '');
      if (wantedV1.includes(name) && !mountPoints.has(name)) mountPoints.set(name, entry.mountPoint);
    }
  }
  const used = new Set(mountPoints.values());
  const others = mounts.filter(({ fsType, mountPoint }) => /^cgroup2?$/.test(fsType) && !used.has(mountPoint));
  if (mountPoints.has('memory')) return { version: 1, mountPoints, others: others.map(({ mountPoint }) => mountPoint) };
  const unified = mounts.find((entry) => entry.fsType === 'cgroup2');
  if (unified === undefined) throw new Error('no cgroup hierarchy is mounted: mount cgroup2 on /sys/fs/cgroup and start again');
  return { version: 2, root: unified.mountPoint };
}

/** cgroup v1 shares (2..262144) as a v2 weight (1..10000). Pure. */
export function sharesToWeight(shares: number): number {
  const clamped = Math.min(Math.max(shares, 2), 262144);
  return Math.floor(1 + ((clamped - 2) * 9999) / 262142);
}

/** The lowest shares that give this weight. Pure. */
export const weightToShares = (weight: number): number => Math.ceil(((weight - 1) * 262142) / 9999) + 2;

/** The kernel's word for "no limit" in version 1: the largest number of whole pages. */
const unlimitedV1 = 2 ** 63 - 4096;
const limitOf = (text: string, isUnlimited: (value: number) => boolean): number => {
  const value = Number(text.trim());
  return Number.isNaN(value) || isUnlimited(value) ? -1 : value;
};

/** Parses the files of version 1. A file is undefined when its controller is not mounted. Pure. */
function parseLimitsV1(
  shares: string | undefined,
  quota: string | undefined,
  period: string | undefined,
  memory: string,
): CgroupLimits {
  return {
    ...(shares === undefined ? {} : { cpuShares: Number(shares) }),
    ...(quota === undefined ? {} : { cpuQuotaUs: Number(quota) }),
    ...(period === undefined ? {} : { cpuPeriodUs: Number(period) }),
    memoryBytes: limitOf(memory, (value) => value >= unlimitedV1),
  };
}

/** Parses the files of version 2. Pure. */
function parseLimitsV2(weight: string | undefined, max: string | undefined, memory: string): CgroupLimits {
  const [quota = 'max', period = '100000'] = (max ?? '').trim().split(' ');
  return {
    ...(weight === undefined ? {} : { cpuShares: weightToShares(Number(weight)) }),
    ...(max === undefined ? {} : { cpuQuotaUs: limitOf(quota, () => false), cpuPeriodUs: Number(period) }),
    memoryBytes: limitOf(memory, () => false),
  };
}

/** The files to write for `limits`: `[controller, file, value]`. Pure. */
export function limitFiles(version: 1 | 2, limits: CgroupLimits): [controller: string, file: string, value: string][] {
  const files: [string, string, string][] = [];
  const { cpuShares, cpuQuotaUs, cpuPeriodUs, memoryBytes, pids } = limits;
  if (version === 1) {
    if (cpuShares !== undefined) files.push(['cpu', 'cpu.shares', `${cpuShares}`]);
    if (cpuPeriodUs !== undefined) files.push(['cpu', 'cpu.cfs_period_us', `${cpuPeriodUs}`]);
    if (cpuQuotaUs !== undefined) files.push(['cpu', 'cpu.cfs_quota_us', `${cpuQuotaUs}`]);
    if (memoryBytes !== undefined) files.push(['memory', 'memory.limit_in_bytes', `${memoryBytes}`]);
    if (pids !== undefined) files.push(['pids', 'pids.max', pids < 0 ? 'max' : `${pids}`]);
    return files;
  }
  if (cpuShares !== undefined) files.push(['cpu', 'cpu.weight', `${sharesToWeight(cpuShares)}`]);
  if (cpuQuotaUs !== undefined) files.push(['cpu', 'cpu.max', `${cpuQuotaUs < 0 ? 'max' : cpuQuotaUs} ${cpuPeriodUs ?? 100000}`]);
  if (memoryBytes !== undefined) files.push(['memory', 'memory.max', memoryBytes < 0 ? 'max' : `${memoryBytes}`]);
  if (pids !== undefined) files.push(['pids', 'pids.max', pids < 0 ? 'max' : `${pids}`]);
  return files;
}

const hasCode = (error: unknown, ...codes: string[]): boolean =>
  error instanceof Error && 'code' in error && codes.includes(String((error as NodeJS.ErrnoException).code));

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENODEV')) return undefined;
    throw error;
  }
}

const statValue = (text: string, name: string): number => Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)?.[1] ?? 0);

async function removeTree(directory: string): Promise<void> {
  let entries;
  try {
    entries = await readdir(directory, { withFileTypes: true });
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return;
    throw error;
  }
  for (const entry of entries) if (entry.isDirectory()) await removeTree(join(directory, entry.name));
  try {
    await rmdir(directory);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}

/** The control groups of this machine. @throws Error when no cgroup filesystem is mounted */
export async function createCgroups(): Promise<Cgroups> {
  return cgroupsOf(detectHierarchy(parseMountInfo(await readFile('/proc/self/mountinfo', 'utf8'))));
}

/** Control groups of a known hierarchy. Tests use it too. */
export function cgroupsOf(hierarchy: CgroupHierarchy): Cgroups {
  /** The distinct mounts: cpu and cpuacct often share one. */
  const roots = hierarchy.version === 2 ? [hierarchy.root] : [...new Set(hierarchy.mountPoints.values())];
  const rootOf = (controller: string): string | undefined =>
    hierarchy.version === 2 ? hierarchy.root : hierarchy.mountPoints.get(controller);
  const main = hierarchy.version === 2 ? hierarchy.root : (hierarchy.mountPoints.get('memory') ?? '');

  /** In version 2 a group has a controller only when every ancestor lists it in cgroup.subtree_control. */
  async function delegateV2(root: string, path: string): Promise<void> {
    const available = ((await readIfThere(join(root, 'cgroup.controllers'))) ?? '').trim().split(' ');
    const enable = wantedV2
      .filter((name) => available.includes(name))
      .map((name) => `+${name}`)
      .join(' ');
    let directory = root;
    for (const part of path.split('/').filter((name) => name !== '')) {
      await writeFile(join(directory, 'cgroup.subtree_control'), enable);
      directory = join(directory, part);
      await mkdir(directory, { recursive: true });
    }
  }

  /** A new v1 cpuset group has no CPUs, so no process can run in it. Copies the CPUs and memory nodes of its parent. */
  async function inheritCpuset(root: string, path: string): Promise<void> {
    let directory = root;
    for (const part of path.split('/').filter((name) => name !== '')) {
      const parent = directory;
      directory = join(directory, part);
      for (const file of ['cpuset.cpus', 'cpuset.mems']) {
        const own = await readIfThere(join(directory, file));
        if (own?.trim() === '') await writeFile(join(directory, file), await readFile(join(parent, file), 'utf8'));
      }
    }
  }

  return {
    hierarchy,
    async create(path) {
      if (hierarchy.version === 2) {
        await delegateV2(hierarchy.root, path);
        return;
      }
      for (const root of roots) await mkdir(join(root, path), { recursive: true });
      const cpuset = hierarchy.mountPoints.get('cpuset');
      if (cpuset !== undefined) await inheritCpuset(cpuset, path);
    },
    async limit(path, limits) {
      for (const [controller, file, value] of limitFiles(hierarchy.version, limits)) {
        const root = rootOf(controller);
        if (root === undefined) continue;
        await writeFile(join(root, path, file), value);
      }
    },
    async limits(path) {
      const read = (controller: string, file: string): Promise<string | undefined> =>
        readIfThere(join(rootOf(controller) ?? '', path, file));
      if (hierarchy.version === 2) {
        const [weight, max, memory] = await Promise.all([
          read('cpu', 'cpu.weight'),
          read('cpu', 'cpu.max'),
          read('memory', 'memory.max'),
        ]);
        return memory === undefined ? undefined : parseLimitsV2(weight, max, memory);
      }
      const [shares, quota, period, memory] = await Promise.all([
        read('cpu', 'cpu.shares'),
        read('cpu', 'cpu.cfs_quota_us'),
        read('cpu', 'cpu.cfs_period_us'),
        read('memory', 'memory.limit_in_bytes'),
      ]);
      return memory === undefined ? undefined : parseLimitsV1(shares, quota, period, memory);
    },
    async exists(path) {
      return (await readIfThere(join(main, path, 'cgroup.procs'))) !== undefined;
    },
    async children(path) {
      const entries = await readdir(join(main, path), { withFileTypes: true }).catch(() => []);
      return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
    },
    async pids(path) {
      const text = (await readIfThere(join(main, path, 'cgroup.procs'))) ?? '';
      return text
        .split('\n')
        .filter((line) => line !== '')
        .map(Number);
    },
    async remove(path) {
      if (path.replaceAll('/', '') === '') throw new Error('refusing to remove the root control group');
      const others = hierarchy.version === 2 ? [] : hierarchy.others;
      for (const root of [...roots, ...others]) await removeTree(join(root, path));
    },
    usage: (path) => (hierarchy.version === 2 ? usageV2(hierarchy.root, path) : usageV1(hierarchy.mountPoints, path)),
  };
}

async function usageV1(mountPoints: ReadonlyMap<string, string>, path: string): Promise<CgroupUsage | undefined> {
  const memory = join(mountPoints.get('memory') ?? '', path);
  const [usage, stat, cpu] = await Promise.all([
    readIfThere(join(memory, 'memory.usage_in_bytes')),
    readIfThere(join(memory, 'memory.stat')),
    readIfThere(join(mountPoints.get('cpuacct') ?? '', path, 'cpuacct.usage')),
  ]);
  if (usage === undefined || stat === undefined || cpu === undefined) return undefined;
  const memoryUsageBytes = Number(usage);
  return {
    cpuUsageNs: BigInt(cpu.trim()),
    memoryUsageBytes,
    memoryWorkingSetBytes: Math.max(0, memoryUsageBytes - statValue(stat, 'total_inactive_file')),
    memoryRssBytes: statValue(stat, 'total_rss'),
  };
}

async function usageV2(root: string, path: string): Promise<CgroupUsage | undefined> {
  const directory = join(root, path);
  const [usage, stat, cpu] = await Promise.all(
    ['memory.current', 'memory.stat', 'cpu.stat'].map((file) => readIfThere(join(directory, file))),
  );
  if (usage === undefined || stat === undefined || cpu === undefined) return undefined;
  const memoryUsageBytes = Number(usage);
  return {
    cpuUsageNs: BigInt(statValue(cpu, 'usage_usec')) * 1000n,
    memoryUsageBytes,
    memoryWorkingSetBytes: Math.max(0, memoryUsageBytes - statValue(stat, 'inactive_file')),
    memoryRssBytes: statValue(stat, 'anon'),
  };
}
