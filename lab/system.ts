/** Checks what the lab needs from the machine: the operating system, root, Debian's packages. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasCapability } from '#agent/host/capabilities.ts';
import { type Exec, ExecError } from '#agent/host/exec.ts';
import type { LabLayout, LabOptions, LabRuntime } from './config.ts';

/**
 * The needed packages, each with a file or program that shows whether it is installed. A program may come from another package
 * (Docker's own packages); installing Debian's copy would remove that one.
 */
const packages: Record<string, string> = {
  // /bin/busybox would not do: most machines have it from the package busybox, which needs libraries that the lab's images do not
  // have.
  'busybox-static': '/var/lib/dpkg/info/busybox-static.list',
  conntrack: 'conntrack',
  'containernetworking-plugins': '/usr/lib/cni/bridge',
  'docker-registry': 'docker-registry',
  gcc: 'gcc',
  iproute2: 'ip',
  iptables: 'iptables-restore',
  'libc6-dev': '/usr/include/stdio.h',
  nftables: 'nft',
  procps: 'sysctl',
};
const runtimePackages: Record<LabRuntime, Record<string, string>> = {
  containerd: { containerd: 'containerd', runc: 'runc' },
  docker: { 'docker.io': 'dockerd' },
};
const layoutPrograms = { 'etcd-client': 'etcdctl', 'etcd-server': 'etcd', tini: 'tini' };
/** What layouts need whose hosts are machines. */
const layoutPackages: Record<LabLayout, Record<string, string>> = {
  single: {},
  services: layoutPrograms,
  pods: layoutPrograms,
};
const programFolders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin'];

/**
 * The services that those packages start at once and at every boot: a registry on the port of the lab's own registry, and
 * runtimes that the user did not ask for. The lab starts its own, so such a service is stopped, unless it existed before.
 */
const services = ['etcd.service', 'containerd.service', 'docker-registry.service', 'docker.service', 'docker.socket'];

/** An error of the user's machine or input. The message says in one line what is wrong and what to do. */
export class UsageError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'UsageError';
  }
}

/** The properties of a machine that {@link checkSystem} checks. */
export interface Machine {
  platform: string;
  /** The effective user id; 0 is root. */
  uid: number | undefined;
  /** The text of os-release(5); empty when there is none. */
  osRelease: string;
  hasAptGet: boolean;
  hasCapability(name: 'CAP_NET_ADMIN' | 'CAP_SYS_ADMIN'): boolean;
}

function thisMachine(): Machine {
  return {
    platform: process.platform,
    uid: process.geteuid?.(),
    osRelease: existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '',
    hasAptGet: isInstalled('apt-get'),
    hasCapability,
  };
}

/** Checks that the user is root. @throws UsageError */
export function checkRoot(uid: number | undefined = process.geteuid?.()): void {
  if (uid !== 0) throw new UsageError('Namespaces, mounts and iptables need root: run it with sudo.');
}

/** The oldest releases whose packages are new enough. Related distributions (Mint, Raspberry Pi OS, …) only need apt-get. */
const oldest: Record<string, number> = { debian: 12, ubuntu: 22.04 };

/** Checks the operating system. @throws UsageError */
export function checkSystem(machine: Machine = thisMachine()): void {
  const { platform, uid, osRelease, hasAptGet } = machine;
  if (platform !== 'linux')
    throw new UsageError(`Tinkernetes runs its nodes on Linux, not on ${platform}: use the Vagrantfile instead (vagrant up).`);
  checkRoot(uid);
  const field = (name: string): string | undefined => new RegExp(`^${name}=["']?([^"'\\n]+)`, 'm').exec(osRelease)?.[1];
  const tooOld = Number(field('VERSION_ID')) < (oldest[field('ID') ?? ''] ?? 0);
  if (!hasAptGet || tooOld) {
    throw new UsageError(
      `${field('PRETTY_NAME') ?? 'This system'} is not supported: use Debian 12 or newer, Ubuntu 22.04 or newer, or the Vagrantfile (vagrant up).`,
    );
  }
  const missing = (['CAP_NET_ADMIN', 'CAP_SYS_ADMIN'] as const).filter((name) => !machine.hasCapability(name));
  if (missing.length > 0) {
    throw new UsageError(
      `This root may not make network namespaces and mounts (it lacks ${missing.join(' and ')}): in a container, start it with --privileged.`,
    );
  }
}

/** The packages that this lab needs and that are not installed. */
export function missingPackages({ runtime, layout = 'single' }: Pick<LabOptions, 'runtime' | 'layout'>): string[] {
  const wanted = { ...packages, ...runtimePackages[runtime], ...layoutPackages[layout] };
  return Object.keys(wanted).filter((name) => !isInstalled(wanted[name] as string));
}

/** Whether a file exists. @param file an absolute path, or a program's name in PATH */
export function isInstalled(file: string): boolean {
  return file.startsWith('/') ? existsSync(file) : programFolders.some((folder) => existsSync(join(folder, file)));
}

/**
 * Installs packages with apt-get. Their services do not run afterwards, and no other package is removed.
 * @throws UsageError when there is no network or no such package
 */
export async function installPackages(
  names: readonly string[],
  exec: Exec,
  unitFolder = '/usr/lib/systemd/system',
): Promise<void> {
  if (names.length === 0) return;
  const units = (): string[] => services.filter((name) => existsSync(join(unitFolder, name)));
  const before = units();
  // RUNLEVEL keeps services without systemd from starting. With systemd only policy-rc.d would do that, and it belongs to the
  // machine.
  const env = { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1', LC_ALL: 'C.UTF-8' };
  const aptGet = ['apt-get', '-q', '-o', 'DPkg::Lock::Timeout=120'];
  const install = [...aptGet, 'install', '-y', '--no-install-recommends'];
  let updated = '';
  try {
    // Without a network, apt-get update ends with status 0 and a warning, because older package lists may be present.
    updated = (await exec([...aptGet, 'update'], { env, timeoutMs: 300_000 })).stderr;
    checkNoRemovals(names, (await exec([...install, '--simulate', ...names], { env, timeoutMs: 60_000 })).stdout);
    await exec([...install, ...names], { env, timeoutMs: 900_000 });
  } catch (error) {
    if (!(error instanceof ExecError)) throw error;
    throw new UsageError(aptProblem(names, `${updated}\n${error.result.stderr}`, error.message), { cause: error });
  } finally {
    // Services are stopped also after an incomplete installation.
    const added = units().filter((name) => !before.includes(name));
    if (added.length > 0 && existsSync('/run/systemd/system')) await exec(['systemctl', '--quiet', 'disable', '--now', ...added]);
  }
}

/**
 * Checks a simulated installation. `apt-get -y` would remove packages that conflict, such as Docker's own. @throws UsageError
 * when packages would be removed
 */
function checkNoRemovals(names: readonly string[], simulation: string): void {
  // busybox-static is the same program as busybox and replaces it.
  const gone = [...simulation.matchAll(/^Remv (\S+)/gm)].map(([, name]) => name).filter((name) => name !== 'busybox');
  if (gone.length === 0) return;
  throw new UsageError(
    `To install ${names.join(', ')}, apt-get would remove ${gone.join(', ')}: install them yourself as you want it, then run this again.`,
  );
}

/** Condenses apt-get's output into one line with advice. */
function aptProblem(names: readonly string[], stderr: string, fallback: string): string {
  const lines = stderr.split('\n').map((line) => line.trim());
  const wanted = names.join(', ');
  const locked = lines.find((line) => /Could not (get|open) lock/.test(line));
  if (locked !== undefined)
    return `apt-get is in use by another program (${locked}): wait until that has ended, then run this again.`;
  if (/dpkg --configure -a/.test(stderr))
    return 'An earlier installation of packages was interrupted: run "dpkg --configure -a", then run this again.';
  const notFetched = lines.find((line) => /^[EW]: Failed to fetch/.test(line));
  const why = (notFetched ?? lines.find((line) => line.startsWith('E:')) ?? fallback.replaceAll('\n', ' '))
    .replace(/^[EW]: /, '')
    .replace(/\s+/g, ' ');
  const what = notFetched === undefined ? 'Look at /etc/apt/sources.list' : 'Check the network and /etc/apt/sources.list';
  return `apt-get cannot install ${wanted}: ${why}. ${what}, then run this again.`;
}
