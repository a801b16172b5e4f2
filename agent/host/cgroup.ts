/**
 * Control groups, version 1 (one hierarchy per controller), hybrid, and version 2 (unified): create, limit, read, remove.
 *
 * Source: kernel `Documentation/admin-guide/cgroup-v1/`, `cgroup-v2.rst`; the conversion of shares to weight is that of the
 * OCI runtime specification.
 */
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MountEntry } from './mount.ts';
import { parseMountInfo } from './mount.ts';

/**
 * Where the controllers are mounted. `others` are hierarchies that this code sets nothing in, but where runc makes a group for each
 * container too: in a hybrid the v2 one, and v1 controllers such as net_cls.
 */
export type CgroupHierarchy =
  | { version: 1; mountPoints: ReadonlyMap<string, string>; others: readonly string[] }
  | { version: 2; root: string };

/** Limits of one group. An absent one is left as it is. */
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

export interface CgroupUsage {
  /** CPU time consumed since the group was made. */
  cpuUsageNs: bigint;
  memoryUsageBytes: number;
  /** Usage less the inactive file cache: what an out-of-memory decision counts. */
  memoryWorkingSetBytes: number;
  memoryRssBytes: number;
}

export interface Cgroups {
  readonly hierarchy: CgroupHierarchy;
  /** Creates the group and its ancestors with the controllers that exist; an existing group is success. */
  create(path: string): Promise<void>;
  limit(path: string, limits: CgroupLimits): Promise<void>;
  exists(path: string): Promise<boolean>;
  /** Names of the groups directly below. */
  children(path: string): Promise<string[]>;
  /** Process ids in the group itself. */
  pids(path: string): Promise<number[]>;
  /** Removes the group and all below; an absent one is success. @throws EBUSY while processes are left */
  remove(path: string): Promise<void>;
  /** `undefined` when the group is gone. */
  usage(path: string): Promise<CgroupUsage | undefined>;
}

const wantedV1 = ['cpu', 'cpuacct', 'cpuset', 'memory', 'pids', 'blkio', 'devices', 'freezer', 'hugetlb', 'systemd'];
const wantedV2 = ['cpu', 'cpuset', 'memory', 'pids', 'io', 'hugetlb'];

/** Which hierarchy holds the memory controller decides: a v2 mount beside v1 controllers ("hybrid") counts as v1. Pure. */
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

export async function createCgroups(): Promise<Cgroups> {
  return cgroupsOf(detectHierarchy(parseMountInfo(await readFile('/proc/self/mountinfo', 'utf8'))));
}

/** For tests, and for a hierarchy found otherwise. */
export function cgroupsOf(hierarchy: CgroupHierarchy): Cgroups {
  /** One directory per distinct mount: cpu and cpuacct often share one. */
  const roots = hierarchy.version === 2 ? [hierarchy.root] : [...new Set(hierarchy.mountPoints.values())];
  const rootOf = (controller: string): string | undefined =>
    hierarchy.version === 2 ? hierarchy.root : hierarchy.mountPoints.get(controller);
  const main = hierarchy.version === 2 ? hierarchy.root : (hierarchy.mountPoints.get('memory') ?? '');

  /** In v2 a controller works in a group only when every ancestor hands it down. */
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

  /** A new v1 cpuset group has no CPUs: nothing can run in it before it is given its parent's. */
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
