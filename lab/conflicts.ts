/**
 * Checks what on this machine conflicts with a new lab: networks, links, control groups and ports of other programs, and a full
 * disk.
 */
import { existsSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { createCgroups } from '#agent/host/cgroup.ts';
import { daemonPid } from '#agent/host/daemon.ts';
import type { Exec } from '#agent/host/exec.ts';
import { mustParseCidr, overlap, parseCidr } from '#api/ip.ts';
import { allHosts, type Lab } from './config.ts';
import { serverDaemon } from './control-plane.ts';
import { labNamespaces } from './network.ts';
import { readRecord } from './record.ts';
import { registryDaemon } from './registry.ts';
import { UsageError } from './system.ts';

/** Checks everything, and changes nothing. Needs iproute2. @throws UsageError */
export async function checkConflicts(lab: Lab, exec: Exec): Promise<void> {
  // With a record, these names belong to the lab: it is running, or was left over.
  if (readRecord(lab.name, lab.dataDir) === undefined) await checkNames(lab, exec);
  await checkRoutes(lab, exec);
  await checkPorts(lab, exec);
  checkSpace(lab.dataDir);
}

/** A new lab needs a fifth of this for images, stores and logs. */
const neededMebibytes = 200;

/** Checks the free space. Without this check, a full disk would cause errors late and in other places. @throws UsageError */
export function checkSpace(dataDir: string): void {
  let folder = dataDir;
  while (!existsSync(folder)) folder = dirname(folder);
  const { bavail, bsize } = statfsSync(folder);
  const mebibytes = Math.floor((bavail * bsize) / 2 ** 20);
  if (mebibytes >= neededMebibytes) return;
  throw new UsageError(
    `--data-dir ${dataDir}: only ${mebibytes} MiB are free there, and a lab needs ${neededMebibytes}: free some, or name another one.`,
  );
}

async function checkNames(lab: Lab, exec: Exec): Promise<void> {
  const wanted = [...lab.networks.map(({ bridge }) => bridge), ...allHosts(lab).map(({ hostLink }) => hostLink)];
  const { stdout } = await exec(['ip', '-j', 'link', 'show']);
  const link = (JSON.parse(stdout) as { ifname: string }[]).find(({ ifname }) => wanted.includes(ifname));
  const [netns] = await labNamespaces(lab, exec);
  const cgroups = await createCgroups();
  const taken =
    link !== undefined
      ? `The network link ${link.ifname}`
      : netns !== undefined
        ? `The network namespace ${netns}`
        : (await cgroups.exists(lab.cgroup))
          ? `The control group ${lab.cgroup}`
          : undefined;
  if (taken !== undefined) throw new UsageError(`${taken} exists, and is not of a lab "${lab.name}": choose another --name.`);
}

/**
 * Checks the routes of this machine to the networks of hosts and pods. With another lab's routes to them, packets would go to
 * that lab. A wider route through a gateway (a VPN's 10.0.0.0/8) does no harm, because the lab's narrower route wins.
 * @throws UsageError
 */
export async function checkRoutes(lab: Pick<Lab, 'subnet' | 'clusterCidr' | 'networks'>, exec: Exec): Promise<void> {
  const { stdout } = await exec(['ip', '-4', '-j', 'route', 'show']);
  const routes = stdout.trim() === '' ? [] : (JSON.parse(stdout) as { dst: string; dev?: string; gateway?: string }[]);
  for (const [option, cidr] of [
    ['--subnet', lab.subnet],
    ['--cluster-cidr', lab.clusterCidr],
  ] as const) {
    const network = mustParseCidr(cidr);
    for (const { dst, dev, gateway } of routes) {
      if (dst === 'default' || dev === undefined || lab.networks.some(({ bridge }) => bridge === dev)) continue;
      const route = parseCidr(dst.includes('/') ? dst : `${dst}/32`);
      if (route === undefined || !overlap(route, network)) continue;
      if (gateway !== undefined && route.prefixLength < network.prefixLength) continue;
      throw new UsageError(
        `${option} ${cidr} is in use on this machine (${dst} is reached through ${dev}): choose another network.`,
      );
    }
  }
}

async function checkPorts(lab: Lab, exec: Exec): Promise<void> {
  const ports = new Map([
    ...(lab.controlPlane === undefined ? ([[6443, serverDaemon(lab)]] as const) : []),
    [5000, registryDaemon(lab)],
  ]);
  const { stdout } = await exec(['ss', '-Hltnp']);
  for (const line of stdout.split('\n')) {
    const [, , , local = '', , users = ''] = line.split(/\s+/);
    const [, address = '', port = ''] = /^(.*):(\d+)$/.exec(local) ?? [];
    const daemon = ports.get(Number(port));
    if (daemon === undefined || daemonPid(daemon.pidFile) !== undefined) continue;
    const everywhere = ['0.0.0.0', '*', '[::]'].includes(address);
    if (!everywhere && address !== lab.hostIp) continue;
    const [, program = '?', pid = '?'] = /"([^"]+)",pid=(\d+)/.exec(users) ?? [];
    const stop = program === 'docker-registry' ? 'stop it (systemctl disable --now docker-registry)' : 'stop it';
    throw new UsageError(
      `Port ${port} on ${everywhere ? 'all addresses' : address} is taken by "${program}" (pid ${pid}): ${stop}${everywhere ? '' : ', or choose another --subnet'}.`,
    );
  }
}
