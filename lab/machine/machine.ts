/** The machines of a lab, from outside: makes their files, switches them on and off, and enters them. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { nodeResolvConf } from '#agent/dns/resolv-conf.ts';
import { type DaemonSpec, daemonPid, stopDaemon } from '#agent/host/daemon.ts';
import { startAndAwait } from '../await-daemon.ts';
import { allHosts, type Lab, type Worker } from '../config.ts';
import { kubectlPath } from '../kubectl.ts';
import { labMark } from '../lab-processes.ts';
import { distFolder, machineArgv } from '../program.ts';
import { UsageError } from '../system.ts';
import { workFolder } from './mounts.ts';
import { layeredFolders, type MachineSpec, outside, ownFolders, programFolder, serviceLogs, upMark } from './spec.ts';
import { type UnitContent, unitText } from './unit-file.ts';

/** A unit to write for a machine; its name is without `.service`. */
export interface MachineUnit extends UnitContent {
  name: string;
}

/** Programs of the bundle, under the names by which courses know them. */
const programs = ['tinker', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet', 'kube-proxy'];
const debianCniFolder = '/usr/lib/cni';

/** The machine of a host. */
export const machineOf = (lab: Lab, host: Worker): MachineSpec => ({
  name: host.name,
  netns: host.netns,
  cgroup: host.cgroup,
  root: join(host.dataDir, 'root'),
  shared: [
    { from: process.execPath, to: `${programFolder}/node` },
    { from: kubectlPath(), to: `${programFolder}/kubectl` },
    { from: distFolder, to: `${programFolder}/lib` },
    { from: debianCniFolder, to: '/opt/cni/bin' },
  ],
  env: {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    LANG: 'C.UTF-8',
    ...(host.isControlPlane ? { KUBECONFIG: '/etc/kubernetes/admin.conf' } : {}),
    ...labMark(lab),
  },
});

/** The daemon whose child is the machine's process 1. */
export const machineDaemon = (lab: Lab, host: Worker): DaemonSpec => ({
  name: host.name,
  argv: [...machineArgv(), 'enter', specFile(host)],
  pidFile: join(host.stateDir, 'machine.pid'),
  logFile: join(lab.logDir, `${host.name}.log`),
  env: labMark(lab),
});

const specFile = (host: Worker): string => join(host.dataDir, 'machine.json');

/**
 * Makes the files of a machine that is switched off; one that is on is left as it is.
 * @param files by path on the machine; mode 0600
 */
export async function makeMachine(
  lab: Lab,
  host: Worker,
  units: readonly MachineUnit[],
  files: Readonly<Record<string, string>>,
): Promise<void> {
  if (daemonPid(machineDaemon(lab, host).pidFile) !== undefined) return;
  const spec = machineOf(lab, host);
  const folders = [
    ...layeredFolders,
    ...ownFolders,
    serviceLogs,
    '/var/lib/containerd',
    '/var/lib/kubelet',
    '/var/lib/cni',
    '/var/log/pods',
    '/var/log/containers',
    '/var/cache',
    '/etc/cni/net.d',
    '/etc/kubernetes/manifests',
  ];
  for (const folder of folders) mkdirSync(outside(spec, folder), { recursive: true, mode: 0o755 });
  for (const folder of layeredFolders) mkdirSync(workFolder(spec, folder), { recursive: true, mode: 0o700 });
  mkdirSync(outside(spec, '/var/tmp'), { recursive: true, mode: 0o1777 });
  for (const { from, to } of spec.shared) makeMountPoint(from, outside(spec, to));
  const write = (path: string, text: string, mode = 0o644): void => {
    mkdirSync(dirname(outside(spec, path)), { recursive: true, mode: 0o755 });
    writeFileSync(outside(spec, path), text, { mode });
  };
  write('/etc/hostname', `${host.name}\n`);
  write('/etc/hosts', hostsFile(lab));
  write('/etc/resolv.conf', readFileSync(await nodeResolvConf(), 'utf8'));
  if (!existsSync(outside(spec, '/etc/machine-id'))) write('/etc/machine-id', `${randomBytes(16).toString('hex')}\n`, 0o444);
  for (const name of programs) write(`/usr/local/bin/${name}`, wrapper(name), 0o755);
  write('/usr/local/bin/kubectl', `#!/bin/sh\nexec ${programFolder}/kubectl "$@"\n`, 0o755);
  for (const [path, text] of Object.entries(files)) write(path, text, 0o600);
  for (const unit of units) write(`/etc/systemd/system/${unit.name}.service`, unitText(unit));
  writeFileSync(specFile(host), `${JSON.stringify(spec, null, 2)}\n`);
}

/** A shell script, because Node is one program with many scripts; `exec` leaves nothing of the shell. */
const wrapper = (name: string): string =>
  `#!/bin/sh\nexec ${programFolder}/node --no-warnings --max-semi-space-size=${name === 'kube-apiserver' ? 16 : 2} ${programFolder}/lib/tinker.mjs${name === 'tinker' ? '' : ` ${name}`} "$@"\n`;

function makeMountPoint(from: string, to: string): void {
  if (existsSync(to)) return;
  const isFolder = from === distFolder || from === debianCniFolder;
  mkdirSync(isFolder ? to : dirname(to), { recursive: true });
  if (!isFolder) writeFileSync(to, '');
}

const hostsFile = (lab: Lab): string =>
  ['127.0.0.1 localhost', ...allHosts(lab).map(({ ip, name }) => `${ip} ${name}`), ''].join('\n');

/** Switches a machine on and waits until its services are started. @throws Error with the last lines of its log */
export async function startMachine(lab: Lab, host: Worker): Promise<void> {
  const daemon = machineDaemon(lab, host);
  const mark = outside(machineOf(lab, host), upMark);
  if (daemonPid(daemon.pidFile) === undefined) rmSync(mark, { force: true });
  await startAndAwait(daemon, async () => existsSync(mark), 30_000);
}

/** Time for a machine's services to stop before it is cut off. */
const switchOffMs = 30_000;

/** Switches a machine off, as from its power button: its services stop, and then everything in it ends. */
export async function stopMachine(lab: Lab, host: Worker): Promise<void> {
  const { pidFile } = machineDaemon(lab, host);
  const first = firstPid(pidFile);
  if (first !== undefined) process.kill(first, 'SIGTERM');
  for (const deadline = Date.now() + switchOffMs; daemonPid(pidFile) !== undefined && Date.now() < deadline; ) await delay(50);
  await stopDaemon(pidFile, 0);
}

/** The machine's process 1, by its number outside: the only child of the process of the pid file. */
function firstPid(pidFile: string): number | undefined {
  const pid = daemonPid(pidFile);
  if (pid === undefined) return undefined;
  const [child = ''] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
  return child === '' ? undefined : Number(child);
}

/**
 * The argv that runs a program on the machine, and its environment.
 * @throws UsageError when the machine is switched off
 */
export function onMachine(
  lab: Lab,
  host: Worker,
  argv: readonly string[],
): { argv: string[]; env: Readonly<Record<string, string>> } {
  const first = firstPid(machineDaemon(lab, host).pidFile);
  if (first === undefined) throw new UsageError(`${host.name} is switched off: tinker start ${host.name} switches it on.`);
  const namespaces = ['--mount', '--uts', '--ipc', '--net', '--pid', '--cgroup'];
  return { argv: ['nsenter', `--target=${first}`, ...namespaces, '--wd=/', '--', ...argv], env: machineOf(lab, host).env };
}
