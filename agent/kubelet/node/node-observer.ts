/** Reads the inputs of a Node's status: the machine, its disks, the container runtime. */

import type { FilesystemUsage, MachineInfo } from '#agent/host/proc.ts';
import { readAvailableMemoryBytes, readFilesystemUsage, readHugePages, readMachineInfo, readPidUsage } from '#agent/host/proc.ts';
import type { ContainerRuntime, Image } from '#agent/runtime/runtime.ts';
import type { Clock } from '#client/clock.ts';
import { within } from '#client/clock.ts';
import type { Pleg } from '../pod/pleg.ts';
import type { RuntimeHealth } from '../runtime-health.ts';
import type { NodeObservation } from './node-status.ts';

/** `machine` is read once; `observe` reads what changes. @throws Error when /proc or the data folder cannot be read */
export interface NodeObserver {
  machine: MachineInfo;
  observe(): Promise<NodeObservation>;
}

/**
 * Returns a function that waits one second for a new result of `load`, and otherwise returns the last one. So a runtime that hangs does not
 * stop the node from reporting that it hangs, and one that fails does not make its images disappear from the status.
 */
function latest<Value>(clock: Clock, initial: Value, load: () => Promise<Value>): () => Promise<Value> {
  let value = initial;
  let loading: Promise<void> | undefined;
  return async () => {
    loading ??= load()
      .then((loaded) => {
        value = loaded;
      })
      // The failure is not lost: runtime-health.ts sees it too, and the Ready condition reports it.
      .catch(() => undefined)
      .finally(() => {
        loading = undefined;
      });
    await within(clock, maxWaitMs, loading);
    return value;
  };
}

const maxWaitMs = 1_000;

/** An observer of this machine. @throws Error when /proc cannot be read */
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

  /** The filesystem of the images; the node's own where the runtime cannot tell which one it is. */
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
