/** Reads what a Node's status is computed from: the machine, its disks, the container runtime. */

import type { FilesystemUsage, MachineInfo } from '#agent/host/proc.ts';
import { readAvailableMemoryBytes, readFilesystemUsage, readHugePages, readMachineInfo, readPidUsage } from '#agent/host/proc.ts';
import type { ContainerRuntime, Image } from '#agent/runtime/runtime.ts';
import type { Pleg } from '../pleg.ts';
import type { RuntimeHealth } from '../runtime-health.ts';
import type { NodeObservation } from './node-status.ts';

export interface NodeObserver {
  machine: MachineInfo;
  observe(): Promise<NodeObservation>;
}

export async function createNodeObserver(deps: {
  runtime: ContainerRuntime;
  health: RuntimeHealth;
  pleg: Pleg;
  dataDir: string;
}): Promise<NodeObserver> {
  const { runtime, health, pleg, dataDir } = deps;
  const machine = await readMachineInfo();

  async function images(): Promise<readonly Image[]> {
    // A runtime that is down shows in the Ready condition.
    return health.status() === undefined ? [] : runtime.listImages().catch(() => []);
  }

  async function imageFilesystem(fallback: FilesystemUsage): Promise<FilesystemUsage> {
    if (health.status() === undefined) return fallback;
    try {
      const mountpoint = (await runtime.imageFsInfo()).imageFilesystems[0]?.mountpoint;
      return mountpoint === undefined ? fallback : await readFilesystemUsage(mountpoint);
    } catch {
      // A runtime that cannot tell keeps its images beside the node's own files, as far as anybody knows.
      return fallback;
    }
  }

  return {
    machine,
    async observe() {
      const nodefs = await readFilesystemUsage(dataDir);
      const [memoryAvailableBytes, imagefs, pids, hugePages, list] = await Promise.all([
        readAvailableMemoryBytes(),
        imageFilesystem(nodefs),
        readPidUsage(),
        readHugePages(),
        images(),
      ]);
      const problem = pleg.healthy();
      return {
        machine,
        memoryAvailableBytes,
        nodefs,
        imagefs,
        pids,
        hugePages,
        images: list,
        runtimeVersion: health.version(),
        runtimeStatus: health.status(),
        problems: problem === undefined ? [] : [problem],
      };
    },
  };
}
