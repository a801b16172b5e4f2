/** Reads CPUs, memory, identity and process limits of this machine. Source: proc(5), machine-id(5). */
import { readdir, readFile, statfs } from 'node:fs/promises';
import { arch, cpus, release } from 'node:os';

/** The identity and size of a machine, as a Node reports them. */
export interface MachineInfo {
  cpuCount: number;
  memoryBytes: number;
  machineId: string;
  systemUuid: string;
  bootId: string;
  kernelVersion: string;
  /** The distribution's PRETTY_NAME. */
  osImage: string;
  /** The architecture's name in Go (GOARCH): amd64, arm64. */
  architecture: string;
}

/** Space and inodes of one filesystem. */
export interface FilesystemUsage {
  capacityBytes: number;
  availableBytes: number;
  inodes: number;
  inodesFree: number;
}

async function firstReadable(paths: readonly string[]): Promise<string> {
  for (const path of paths) {
    try {
      const text = (await readFile(path, 'utf8')).trim();
      if (text !== '') return text;
    } catch {
      // Some of these files are missing in containers and on old systems. The next path is the alternative.
    }
  }
  return '';
}

/** The value of a `Name:   123 kB` line of /proc/meminfo, in bytes. */
export function memInfoBytes(meminfo: string, name: string): number | undefined {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(meminfo);
  return match === null ? undefined : Number(match[1]) * 1024;
}

/** The value of `PRETTY_NAME` in an os-release(5) file; `Linux` when it has none. */
export function prettyName(osRelease: string): string {
  const match = /^PRETTY_NAME=(.*)$/m.exec(osRelease);
  return match?.[1]?.replace(/^(["'])(.*)\1$/, '$2') ?? 'Linux';
}

const goArch: Record<string, string> = {
  x64: 'amd64',
  arm64: 'arm64',
  ia32: '386',
  arm: 'arm',
  riscv64: 'riscv64',
  s390x: 's390x',
  ppc64: 'ppc64le',
};

/** The identity and size of this machine. @throws Error when /proc cannot be read */
export async function readMachineInfo(): Promise<MachineInfo> {
  const meminfo = await readFile('/proc/meminfo', 'utf8');
  return {
    cpuCount: cpus().length,
    memoryBytes: memInfoBytes(meminfo, 'MemTotal') ?? 0,
    machineId: await firstReadable(['/etc/machine-id', '/var/lib/dbus/machine-id']),
    systemUuid: await firstReadable(['/sys/class/dmi/id/product_uuid', '/proc/device-tree/vm,uuid', '/etc/machine-id']),
    bootId: await firstReadable(['/proc/sys/kernel/random/boot_id']),
    kernelVersion: release(),
    osImage: prettyName(await firstReadable(['/etc/os-release', '/usr/lib/os-release'])),
    architecture: goArch[arch()] ?? arch(),
  };
}

/** Memory that new programs can get without swapping, in bytes (`MemAvailable`). */
export async function readAvailableMemoryBytes(): Promise<number> {
  const meminfo = await readFile('/proc/meminfo', 'utf8');
  return memInfoBytes(meminfo, 'MemAvailable') ?? memInfoBytes(meminfo, 'MemFree') ?? 0;
}

/** The limit of processes and threads of this machine, and their present number. */
export async function readPidUsage(): Promise<{ max: number; running: number }> {
  const [pidMax, threadsMax, loadavg] = await Promise.all(
    ['/proc/sys/kernel/pid_max', '/proc/sys/kernel/threads-max', '/proc/loadavg'].map((path) => readFile(path, 'utf8')),
  );
  return {
    max: Math.min(Number(pidMax), Number(threadsMax)),
    running: Number(/\d+\/(\d+)/.exec(loadavg ?? '')?.[1] ?? 0),
  };
}

/** Space and inodes of the filesystem that holds `path`. @throws the error of statfs(2) */
export async function readFilesystemUsage(path: string): Promise<FilesystemUsage> {
  const stats = await statfs(path);
  return {
    capacityBytes: stats.blocks * stats.bsize,
    availableBytes: stats.bavail * stats.bsize,
    inodes: stats.files,
    inodesFree: stats.ffree,
  };
}

/** The sizes of huge pages that the kernel offers, with the number of reserved pages of each: `{ '2Mi': 0 }`. */
export async function readHugePages(): Promise<Record<string, number>> {
  const directory = '/sys/kernel/mm/hugepages';
  const entries = await readdir(directory).catch(() => []);
  const pages: Record<string, number> = {};
  for (const entry of entries) {
    const kib = Number(/^hugepages-(\d+)kB$/.exec(entry)?.[1] ?? 0);
    if (kib === 0) continue;
    const count = Number(await readFile(`${directory}/${entry}/nr_hugepages`, 'utf8'));
    pages[kib % (1024 * 1024) === 0 ? `${kib / 1024 / 1024}Gi` : kib % 1024 === 0 ? `${kib / 1024}Mi` : `${kib}Ki`] = count;
  }
  return pages;
}
