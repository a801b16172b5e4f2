/** What the lab needs of the machine: the system, the rights, Debian's packages. */
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { type Exec, ExecError } from '#agent/host/exec.ts';
import type { Lab, LabRuntime } from './config.ts';

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

/** @throws UsageError */
export function checkSystem(): void {
  if (process.platform !== 'linux')
    throw new UsageError(`Tinkernetes runs its nodes on Linux, not on ${process.platform}: use the Vagrantfile instead.`);
  if (process.geteuid?.() !== 0) throw new UsageError('Namespaces, mounts and iptables need root: run it with sudo.');
  if (!existsSync('/usr/bin/apt-get')) {
    throw new UsageError(
      `${systemName()} is not supported: the lab takes its parts from Debian 12 or newer, or Ubuntu 22.04 or newer.`,
    );
  }
}

function systemName(): string {
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  return /^PRETTY_NAME="?([^"\n]+)/m.exec(release)?.[1] ?? 'This system';
}

export function missingPackages(runtime: LabRuntime): string[] {
  const wanted = { ...packages, ...runtimePackages[runtime] };
  return Object.keys(wanted).filter((name) => !existsSync(wanted[name] as string));
}

/** Installs packages with apt-get. @throws UsageError when there is no network or no such package */
export async function installPackages(names: readonly string[], exec: Exec): Promise<void> {
  if (names.length === 0) return;
  // policy-rc.d 101 would keep Debian from starting services; RUNLEVEL=1 does the same for this call only.
  const env = { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const install = ['apt-get', 'install', '-y', '-q', '--no-install-recommends', ...names];
  try {
    await exec(['apt-get', 'update', '-q'], { env, timeoutMs: 300_000 });
    await exec(install, { env, timeoutMs: 900_000 });
  } catch (error) {
    if (!(error instanceof ExecError)) throw error;
    const lines = error.result.stderr.split('\n').filter((line) => /^(E:|W: Failed)/.test(line));
    throw new UsageError(
      `apt-get cannot install ${names.join(', ')}: ${lines[0] ?? error.message}. Check the network and /etc/apt/sources.list, or install them yourself.`,
      { cause: error },
    );
  }
}

/** @throws UsageError when somebody else listens on one of the lab's ports */
export async function checkPorts(lab: Lab, ports: readonly number[]): Promise<void> {
  for (const port of ports) {
    const code = await listenError(lab.hostIp, port);
    if (code === 'EADDRINUSE') {
      throw new UsageError(
        `Port ${port} on ${lab.hostIp} is taken by another program: stop it (see "ss -ltnp sport = :${port}"), or choose another --subnet.`,
      );
    }
    if (code !== undefined) throw new UsageError(`Cannot listen on ${lab.hostIp}:${port}: ${code}.`);
  }
}

function listenError(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
