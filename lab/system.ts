/** What the lab needs of the machine: the system, the rights, Debian's packages. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasCapability } from '#agent/host/capabilities.ts';
import { type Exec, ExecError } from '#agent/host/exec.ts';
import type { LabRuntime } from './config.ts';

/**
 * Package → a file, or else a program, that tells it is there. Programs may come from elsewhere (Docker's own packages): a second
 * copy from Debian would push the first one out.
 */
const packages: Record<string, string> = {
  // Not /bin/busybox: most machines have that of the package busybox, which needs libraries that the lab's images lack.
  'busybox-static': '/var/lib/dpkg/info/busybox-static.list',
  conntrack: 'conntrack',
  'containernetworking-plugins': '/usr/lib/cni/bridge',
  'docker-registry': 'docker-registry',
  gcc: 'gcc',
  iproute2: 'ip',
  iptables: 'iptables-restore',
  'libc6-dev': '/usr/include/stdio.h',
  procps: 'sysctl',
};
const runtimePackages: Record<LabRuntime, Record<string, string>> = {
  containerd: { containerd: 'containerd', runc: 'runc' },
  docker: { 'docker.io': 'dockerd' },
};
const programFolders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin'];

/**
 * What those packages start at once and at every boot: a registry on the port of the lab's own, runtimes that nobody asked for. The lab
 * starts its own, so such a service is stopped, unless it was there before.
 */
const services = ['containerd.service', 'docker-registry.service', 'docker.service', 'docker.socket'];

/** An error of the user's machine or input, told in one line that says what is wrong and what to do. */
export class UsageError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'UsageError';
  }
}

/** What {@link checkSystem} looks at. */
export interface Machine {
  platform: string;
  /** The effective user; 0 is root. */
  uid: number | undefined;
  /** The text of os-release(5); empty where there is none. */
  osRelease: string;
  hasAptGet: boolean;
  hasCapability(name: 'CAP_NET_ADMIN' | 'CAP_SYS_ADMIN'): boolean;
}

function thisMachine(): Machine {
  return {
    platform: process.platform,
    uid: process.geteuid?.(),
    osRelease: existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '',
    hasAptGet: isThere('apt-get'),
    hasCapability,
  };
}

/** @throws UsageError */
export function checkRoot(uid: number | undefined = process.geteuid?.()): void {
  if (uid !== 0) throw new UsageError('Namespaces, mounts and iptables need root: run it with sudo.');
}

/** The oldest releases whose packages are new enough; of their relatives (Mint, Raspberry Pi OS, …) only apt-get is asked for. */
const oldest: Record<string, number> = { debian: 12, ubuntu: 22.04 };

/** @throws UsageError */
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

export function missingPackages(runtime: LabRuntime): string[] {
  const wanted = { ...packages, ...runtimePackages[runtime] };
  return Object.keys(wanted).filter((name) => !isThere(wanted[name] as string));
}

/** @param file an absolute path, or a program's name */
export function isThere(file: string): boolean {
  return file.startsWith('/') ? existsSync(file) : programFolders.some((folder) => existsSync(join(folder, file)));
}

/**
 * Installs packages with apt-get; no service of theirs runs afterwards, and no other package is removed.
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
  // For services without systemd; under systemd only policy-rc.d would keep them from starting, and that is the machine's.
  const env = { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1', LC_ALL: 'C.UTF-8' };
  const aptGet = ['apt-get', '-q', '-o', 'DPkg::Lock::Timeout=120'];
  const install = [...aptGet, 'install', '-y', '--no-install-recommends'];
  let updated = '';
  try {
    // Without a network this ends with status 0 and a warning: the package lists may be there from earlier.
    updated = (await exec([...aptGet, 'update'], { env, timeoutMs: 300_000 })).stderr;
    checkNothingGoes(names, (await exec([...install, '--simulate', ...names], { env, timeoutMs: 60_000 })).stdout);
    await exec([...install, ...names], { env, timeoutMs: 900_000 });
  } catch (error) {
    if (!(error instanceof ExecError)) throw error;
    throw new UsageError(aptProblem(names, `${updated}\n${error.result.stderr}`, error.message), { cause: error });
  } finally {
    // Also after half an installation.
    const added = units().filter((name) => !before.includes(name));
    if (added.length > 0 && existsSync('/run/systemd/system')) await exec(['systemctl', '--quiet', 'disable', '--now', ...added]);
  }
}

/** `apt-get -y` removes what stands in the way, Docker's own packages for Debian's. @throws UsageError where it would */
function checkNothingGoes(names: readonly string[], simulation: string): void {
  // busybox-static is the same program, and takes the place of busybox.
  const gone = [...simulation.matchAll(/^Remv (\S+)/gm)].map(([, name]) => name).filter((name) => name !== 'busybox');
  if (gone.length === 0) return;
  throw new UsageError(
    `To install ${names.join(', ')}, apt-get would remove ${gone.join(', ')}: install them yourself as you want it, then run this again.`,
  );
}

/** apt-get's many lines in one, with what to do about it. */
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
