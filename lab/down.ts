/**
 * Takes a lab away: every process, mount, namespace, link, rule, control group and file that `up` made. Works from the lab's record
 * alone, so also after a crash, a kill -9 or half an `up`. Without a record nothing is touched: what bears the names is somebody else's.
 */
import { readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Cgroups, createCgroups } from '#agent/host/cgroup.ts';
import { killProcesses, stopDaemon } from '#agent/host/daemon.ts';
import type { Exec } from '#agent/host/exec.ts';
import { createMounts } from '#agent/host/mount.ts';
import { defaultLab, type Lab, planLab } from './config.ts';
import { markedPids, pidFilesOf } from './lab-processes.ts';
import { namespacePids, removeNetwork } from './network.ts';
import { readRecord } from './record.ts';

/** Resolves to false where there is no such lab. */
export async function stopLab({ name, dataDir }: Pick<Lab, 'name' | 'dataDir'>, exec: Exec): Promise<boolean> {
  const record = readRecord(name, dataDir);
  if (record === undefined) return false;
  // As it was started, also with other folders than the caller tells.
  const lab = planLab(record);
  const pidFiles = pidFilesOf(lab);
  await Promise.all(pidFiles.agents.map((path) => stopDaemon(path)));
  const cgroups = await createCgroups();
  // Containers first, then the shims and runtimes that would report them, restart them or clean up after them.
  await killProcesses(() => groupPids(cgroups, lab.cgroup));
  await killProcesses(() => namespacePids(lab, exec));
  await Promise.all(pidFiles.others.map((path) => stopDaemon(path)));
  await killProcesses(async () => markedPids(lab));
  const mounts = createMounts(exec);
  await mounts.unmountBelow(lab.stateDir);
  const files = await ownFiles(lab.dataDir);
  // One by one: the folder itself may be a disk that somebody has mounted there.
  for (const file of files.own) await mounts.unmountBelow(file);
  await removeNetwork(lab, exec);
  await cgroups.remove(lab.cgroup);
  await removeCniResults(lab);
  await Promise.all(files.own.map((file) => remove(file)));
  if (record.madeDataDir === true && !files.others) {
    await rmdir(lab.dataDir).catch(ignoreAbsence);
    if (dirname(lab.dataDir) === dirname(defaultLab.dataDir)) await removeEmpty(dirname(lab.dataDir));
  }
  // The record goes last: until then "down" can be repeated.
  await remove(lab.stateDir);
  await removeEmpty(dirname(lab.stateDir));
  return true;
}

/** Again where something is put into a folder while it is emptied: what the kernel tears down late. */
async function remove(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
}

/** The folder of all labs goes with the last one. */
async function removeEmpty(folder: string): Promise<void> {
  await rmdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'ENOENT') throw error;
  });
}

/** What of the folder is the lab's, and whether somebody put something else there. */
async function ownFiles(dataDir: string): Promise<{ own: string[]; others: boolean }> {
  const names = (await readdir(dataDir).catch(ignoreAbsence)) ?? [];
  const own = names.filter((name) => /^(admin\.conf(\.new)?|lab\.json|log|registry|server|worker-\d)$/.test(name));
  return { own: own.map((name) => join(dataDir, name)), others: own.length < names.length };
}

function ignoreAbsence(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
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
