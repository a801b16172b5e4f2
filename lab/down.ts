/**
 * Removes a lab: every process, mount, namespace, link, rule, control group and file that `up` has made. It needs only the lab's
 * record, so it also works after a crash, a kill -9 or an interrupted `up`. Without a record nothing is touched, because the
 * names may belong to something else.
 */
import { readdir, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Cgroups, createCgroups } from '#agent/host/cgroup.ts';
import { killProcesses, stopDaemon } from '#agent/host/daemon.ts';
import type { Exec } from '#agent/host/exec.ts';
import { createMounts } from '#agent/host/mount.ts';
import { removeCniResults, removeShimSockets } from '#agent/runtime/cri/killed-containerd.ts';
import { defaultLab, type Lab, planLab } from './config.ts';
import { markedPids, pidFilesOf } from './lab-processes.ts';
import { namespacePids, removeNetwork } from './network.ts';
import { readRecord } from './record.ts';

/**
 * Removes a lab. @returns false when there is no such lab @throws Error when something could not be removed; calling again
 * continues
 */
export async function stopLab({ name, dataDir }: Pick<Lab, 'name' | 'dataDir'>, exec: Exec): Promise<boolean> {
  const record = readRecord(name, dataDir);
  if (record === undefined) return false;
  // The record has the folders with which the lab was started; the caller's may differ.
  const lab = planLab(record);
  const pidFiles = pidFilesOf(lab);
  await Promise.all(pidFiles.agents.map((path) => stopDaemon(path)));
  const cgroups = await createCgroups();
  // Containers are killed first; then the shims and runtimes, which would report, restart or clean up containers.
  await killProcesses(() => groupPids(cgroups, lab.cgroup));
  await killProcesses(() => namespacePids(lab, exec));
  await Promise.all(pidFiles.others.map((path) => stopDaemon(path)));
  await killProcesses(async () => markedPids(lab));
  for (const { stateDir } of lab.hosts)
    for (const state of ['containerd', 'docker/containerd/daemon']) await removeShimSockets(join(stateDir, state));
  const mounts = createMounts(exec);
  await mounts.unmountBelow(lab.stateDir);
  const files = await ownFiles(lab.dataDir);
  // The files are unmounted one by one, because the folder itself may be a disk that a user has mounted.
  for (const file of files.own) await mounts.unmountBelow(file);
  await removeNetwork(lab, exec);
  await cgroups.remove(lab.cgroup);
  await removeCniResults(lab.stateDir);
  await Promise.all(files.own.map((file) => remove(file)));
  if (record.madeDataDir === true && !files.others) {
    await rmdir(lab.dataDir).catch(ignoreAbsence);
    if (dirname(lab.dataDir) === dirname(defaultLab.dataDir)) await removeEmpty(dirname(lab.dataDir));
  }
  // The record is removed last, so that `down` can be repeated until then.
  await remove(lab.stateDir);
  await removeEmpty(dirname(lab.stateDir));
  return true;
}

/**
 * Removes a folder. It retries when a file appears in the folder while it is emptied, because the kernel is still cleaning up.
 */
async function remove(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
}

/** Removes the common folder of all labs when it is empty. */
async function removeEmpty(folder: string): Promise<void> {
  await rmdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'ENOENT') throw error;
  });
}

/** The lab's files in the folder, and whether the folder has other files. */
async function ownFiles(dataDir: string): Promise<{ own: string[]; others: boolean }> {
  const names = (await readdir(dataDir).catch(ignoreAbsence)) ?? [];
  const own = names.filter((name) => /^(admin\.conf(\.new)?|lab\.json|log|registry|server|controlplane|worker-\d)$/.test(name));
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
