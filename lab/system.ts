/** What the lab needs of the machine: the system, the rights, Debian's packages. */
import { existsSync, readFileSync } from 'node:fs';
import { hasCapability } from '#agent/host/capabilities.ts';
import { type Exec, ExecError } from '#agent/host/exec.ts';
import type { LabRuntime } from './config.ts';

/** Package → a file that tells it is installed. */
const packages: Record<string, string> = {
  'busybox-static': '/bin/busybox',
  conntrack: '/usr/sbin/conntrack',
  'containernetworking-plugins': '/usr/lib/cni/bridge',
  'docker-registry': '/usr/bin/docker-registry',
  gcc: '/usr/bin/gcc',
  iproute2: '/usr/sbin/ip',
  iptables: '/usr/sbin/iptables-restore',
  'libc6-dev': '/usr/include/stdio.h',
  procps: '/usr/sbin/sysctl',
};
const runtimePackages: Record<LabRuntime, Record<string, string>> = {
  containerd: { containerd: '/usr/bin/containerd', runc: '/usr/sbin/runc' },
  docker: { 'docker.io': '/usr/sbin/dockerd' },
};

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
    hasAptGet: existsSync('/usr/bin/apt-get'),
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
  return Object.keys(wanted).filter((name) => !existsSync(wanted[name] as string));
}

/** Installs packages with apt-get. @throws UsageError when there is no network or no such package */
export async function installPackages(names: readonly string[], exec: Exec): Promise<void> {
  if (names.length === 0) return;
  // policy-rc.d 101 would keep Debian from starting services; RUNLEVEL=1 does the same for this call only.
  const env = { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1', LC_ALL: 'C.UTF-8' };
  const aptGet = ['apt-get', '-q', '-o', 'DPkg::Lock::Timeout=120'];
  let updated = '';
  try {
    // Without a network this ends with status 0 and a warning: the package lists may be there from earlier.
    updated = (await exec([...aptGet, 'update'], { env, timeoutMs: 300_000 })).stderr;
    await exec([...aptGet, 'install', '-y', '--no-install-recommends', ...names], { env, timeoutMs: 900_000 });
  } catch (error) {
    if (!(error instanceof ExecError)) throw error;
    throw new UsageError(aptProblem(names, `${updated}\n${error.result.stderr}`, error.message), { cause: error });
  }
}

/** apt-get's many lines in one, with what to do about it. */
function aptProblem(names: readonly string[], stderr: string, fallback: string): string {
  const lines = stderr.split('\n').map((line) => line.trim());
  const wanted = names.join(', ');
  const locked = lines.find((line) => /Could not (get|open) lock/.test(line));
  if (locked !== undefined)
    return `apt-get is in use by another program (${locked}): wait until that has ended, then run this again.`;
  const notFetched = lines.find((line) => /^[EW]: Failed to fetch/.test(line));
  const why = (notFetched ?? lines.find((line) => line.startsWith('E:')) ?? fallback.replaceAll('\n', ' '))
    .replace(/^[EW]: /, '')
    .replace(/\s+/g, ' ');
  const what = notFetched === undefined ? 'Look at /etc/apt/sources.list' : 'Check the network and /etc/apt/sources.list';
  return `apt-get cannot install ${wanted}: ${why}. ${what}, then run this again.`;
}
