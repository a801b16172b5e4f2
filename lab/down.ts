/**
 * Takes a lab away: every process, mount, namespace, link, rule, control group and file that `up` made. Works from the lab's name
 * and folders alone, so also after a crash, a kill -9 or half an `up`.
 */
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Cgroups, createCgroups } from '#agent/host/cgroup.ts';
import { killProcesses, stopDaemon } from '#agent/host/daemon.ts';
import type { Exec } from '#agent/host/exec.ts';
import { createMounts } from '#agent/host/mount.ts';
import type { Lab } from './config.ts';
import { namespacePids, removeNetwork } from './network.ts';

export async function stopLab(lab: Lab, exec: Exec): Promise<void> {
  await Promise.all((await pidFiles(lab.stateDir)).filter((path) => path.endsWith('agent.pid')).map((path) => stopDaemon(path)));
  const cgroups = await createCgroups();
  // Containers first, then the shims and runtimes that would report them, restart them or clean up after them.
  await killProcesses(() => groupPids(cgroups, lab.cgroup));
  await killProcesses(() => namespacePids(lab, exec));
  await Promise.all((await pidFiles(lab.stateDir)).map((path) => stopDaemon(path)));
  const mounts = createMounts(exec);
  await mounts.unmountBelow(lab.stateDir);
  await mounts.unmountBelow(lab.dataDir);
  await removeNetwork(lab, exec);
  await cgroups.remove(lab.cgroup);
  await removeCniResults(lab);
  await rm(lab.stateDir, { recursive: true, force: true });
  await rm(lab.dataDir, { recursive: true, force: true });
}

async function pidFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true }).catch(() => []); // not there: nothing was started
  return names
    .filter((name) => /^(worker-\d\/)?(agent|runtime|registry|server)\.pid$/.test(name))
    .map((name) => join(folder, name));
}

async function groupPids(cgroups: Cgroups, path: string): Promise<number[]> {
  if (!(await cgroups.exists(path))) return [];
  const below = await Promise.all((await cgroups.children(path)).map((name) => groupPids(cgroups, join(path, name))));
  return [...(await cgroups.pids(path)), ...below.flat()];
}

/** The CNI library keeps a result per attached sandbox in one place for the whole machine; the lab's are those that name its folders. */
async function removeCniResults(lab: Lab): Promise<void> {
  const folder = '/var/lib/cni/results';
  for (const name of await readdir(folder).catch(() => [])) {
    const text = await readFile(join(folder, name), 'utf8').catch(() => '');
    if (text.includes(`${lab.stateDir}/`)) await rm(join(folder, name), { force: true });
  }
}
