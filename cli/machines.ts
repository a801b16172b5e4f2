/** Runs `tinker shell`, `logs`, `stop` and `start`: the hosts of a lab as one uses machines. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { execFile } from '#agent/host/exec.ts';
import { allHosts, type Lab, planLab, type Worker } from '#lab/config.ts';
import { withLabLock } from '#lab/lock.ts';
import { machineOf, onMachine, startMachine, stopMachine } from '#lab/machine/machine.ts';
import { outside, serviceLogs } from '#lab/machine/spec.ts';
import { createHost, nsenter, removeHost } from '#lab/network.ts';
import { readRecord } from '#lab/record.ts';
import { checkRoot, UsageError } from '#lab/system.ts';
import type { LabFlags } from './lab-commands.ts';

/** Becomes a shell on the host, or the command. Returns only when it cannot. @throws UsageError */
export function shell(flags: LabFlags, name: string, command: readonly string[]): void {
  const { lab, host } = find(flags, name);
  const wanted = command.length === 0 ? ['/bin/bash', '--login'] : command;
  const { argv, env } =
    lab.controlPlane === undefined ? { argv: [...nsenter(host), '--', ...wanted], env: {} } : onMachine(lab, host, wanted);
  const { TERM = 'xterm' } = process.env;
  become(argv, { ...process.env, ...env, TERM });
}

/** Shows a log. @throws UsageError that names the services there are */
export function logs(flags: LabFlags & { follow?: true }, service: string, name: string | undefined): void {
  checkRoot();
  const unit = service.replace(/\.service$/, '');
  const { lab, host } = find(flags, name ?? defaultHost(flags, unit));
  const files = logFiles(lab, host);
  const file = files.get(unit);
  if (file === undefined) throw new UsageError(`${host.name} has no service "${service}": ${[...files.keys()].join(', ')}.`);
  become(['tail', '-n', '+1', ...(flags.follow === true ? ['-F'] : []), file], process.env);
}

/** Switches a host off: its services stop, then all else in it ends. @throws UsageError */
export async function stop(flags: LabFlags, name: string): Promise<void> {
  const { lab, host } = findMachine(flags, name);
  await withLabLock(lab.name, async () => {
    await stopMachine(lab, host);
    await removeHost(host, execFile);
  });
}

/** Switches a host on again, with the same address. @throws UsageError */
export async function start(flags: LabFlags, name: string): Promise<void> {
  const { lab, host } = findMachine(flags, name);
  await withLabLock(lab.name, async () => {
    await createHost(host, execFile);
    await startMachine(lab, host);
  });
}

/** The process becomes that program: keyboard, screen and signals are its own. @throws UsageError when it is not there */
function become([program = '', ...args]: readonly string[], env: NodeJS.ProcessEnv): void {
  const path = ['/usr/bin', '/usr/sbin', '/bin', '/sbin'].map((folder) => join(folder, program)).find((one) => existsSync(one));
  if (path === undefined || process.execve === undefined) throw new UsageError(`${program} is not on this machine: install it.`);
  process.execve(path, [program, ...args], Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined)));
}

function find({ name, dataDir }: LabFlags, hostName: string): { lab: Lab; host: Worker } {
  checkRoot();
  const lab = labOf({ name, dataDir });
  const host = allHosts(lab).find((one) => one.name === hostName);
  if (host === undefined)
    throw new UsageError(
      `The lab "${name}" has no host "${hostName}": ${allHosts(lab)
        .map((one) => one.name)
        .join(', ')}.`,
    );
  return { lab, host };
}

function findMachine(flags: LabFlags, hostName: string): { lab: Lab; host: Worker } {
  const found = find(flags, hostName);
  if (found.lab.controlPlane === undefined)
    throw new UsageError('Hosts of the layout single are no machines: start the lab with --layout services.');
  return found;
}

function labOf({ name, dataDir }: LabFlags): Lab {
  const record = readRecord(name, dataDir);
  if (record === undefined) throw new UsageError(`There is no lab "${name}" on this machine: npm run up starts one.`);
  return planLab(record);
}

/** The control plane's host, unless only workers have such a service. */
function defaultHost(flags: LabFlags, service: string): string {
  const lab = labOf(flags);
  const [first = lab.hosts[0]] = allHosts(lab).filter((host) => logFiles(lab, host).has(service));
  return first?.name ?? '';
}

/** By service. */
function logFiles(lab: Lab, host: Worker): Map<string, string> {
  if (lab.controlPlane === undefined) {
    return new Map([
      ['server', join(lab.logDir, 'server.log')],
      ['kubelet', join(lab.logDir, `${host.name}-agent.log`)],
      [lab.runtime, join(lab.logDir, `${host.name}-${lab.runtime}.log`)],
    ]);
  }
  const folder = outside(machineOf(lab, host), serviceLogs);
  const names = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith('.log')) : [];
  return new Map(names.map((file) => [file.replace(/\.log$/, ''), join(folder, file)]));
}
