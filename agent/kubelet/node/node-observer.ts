/** Reads what a Node's status is computed from: the machine, its disks, the container runtime. */

import type { FilesystemUsage, MachineInfo } from '#agent/host/proc.ts';
import { readAvailableMemoryBytes, readFilesystemUsage, readHugePages, readMachineInfo, readPidUsage } from '#agent/host/proc.ts';
import type { ContainerRuntime, Image } from '#agent/runtime/runtime.ts';
import type { Clock } from '#client/clock.ts';
import { within } from '#client/clock.ts';
import type { Pleg } from '../pod/pleg.ts';
import type { RuntimeHealth } from '../runtime-health.ts';
import type { NodeObservation } from './node-status.ts';

export interface NodeObserver {
  machine: MachineInfo;
  observe(): Promise<NodeObservation>;
}

/**
 * The last good answer of `load`, newer if it comes within a moment. A runtime that hangs must not keep the node from saying
 * so, and one that fails has not lost its images.
 */
function latest<Value>(clock: Clock, initial: Value, load: () => Promise<Value>): () => Promise<Value> {
  let value = initial;
  let loading: Promise<void> | undefined;
  return async () => {
    loading ??= load()
      .then((loaded) => {
        value = loaded;
      })
      // That the runtime fails shows in the Ready condition.
      .catch(() => undefined)
      .finally(() => {
        loading = undefined;
      });
    await within(clock, patienceMs, loading);
    return value;
  };
}

const patienceMs = 1_000;

export async function createNodeObserver(deps: {
  runtime: Pick<ContainerRuntime, 'listImages' | 'imageFsInfo'>;
  health: RuntimeHealth;
  pleg: Pleg;
  clock: Clock;
  dataDir: string;
}): Promise<NodeObserver> {
  const { runtime, health, pleg, clock, dataDir } = deps;
  const machine = await readMachineInfo();
  const images = latest<readonly Image[]>(clock, [], () => runtime.listImages());
  const imageFolder = latest<string | undefined>(
    clock,
    undefined,
    async () => (await runtime.imageFsInfo()).imageFilesystems[0]?.mountpoint,
  );

  /** A runtime that cannot tell keeps its images beside the node's own files, as far as anybody knows. */
  async function imageFilesystem(fallback: FilesystemUsage): Promise<FilesystemUsage> {
    const folder = await imageFolder();
    return folder === undefined ? fallback : readFilesystemUsage(folder).catch(() => fallback);
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
        problems: [health.problem(), pleg.healthy()].filter((problem) => problem !== undefined),
      };
    },
  };
}
