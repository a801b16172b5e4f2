/** Cleans up after pods that are no longer in the API: sandboxes, directories, logs, control groups. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { removeTreeBelow } from '#agent/host/remove-tree.ts';
import type { PodLabels } from '../container/labels.ts';
import type { Paths } from '../paths.ts';
import { parsePodLogDir } from '../paths.ts';
import type { PodCgroups } from '../resources/pod-cgroups.ts';
import type { Volumes } from '../volumes/volumes.ts';
import type { Observer } from './observe.ts';
import type { Pleg } from './pleg.ts';
import type { PodRuntime } from './pod-runtime.ts';

/** The dependencies of {@link createOrphans}. */
export interface OrphansDeps {
  pleg: Pleg;
  observer: Observer;
  runtime: PodRuntime;
  volumes: Volumes;
  cgroups: PodCgroups;
  paths: Paths;
  log: Logger;
  /** Whether the pod with this UID is in the API, or still has a worker. */
  isKnown(uid: string): boolean;
}

/** Removes containers, volumes and folders of pods that neither the API nor a worker knows any more. */
export interface Orphans {
  /**
   * Call it only when the list of this node's pods is complete. It does not wait for containers to stop; a later call removes their
   * remains. Failures are logged and tried again by the next call.
   */
  collect(): Promise<void>;
}

/** The grace period of an orphan in seconds, as upstream: its pod was force-deleted from the API. */
const graceSeconds = 1;

/** Searches for orphans in the runtime (by PLEG's list), and among the pods' folders, control groups and logs. */
export function createOrphans({ pleg, observer, runtime, volumes, cgroups, paths, log, isKnown }: OrphansDeps): Orphans {
  const stopping = new Set<string>();

  /** Does one step of the cleanup and logs the result. @returns whether it succeeded */
  async function attempt(what: string, uid: string, work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      log.info({ uid, what }, 'cleaned up after a pod that is gone');
      return true;
    } catch (error) {
      log.warn({ err: error, uid, what }, 'the remains of a pod could not be removed; will be tried again');
      return false;
    }
  }

  async function removeContainers(pod: PodLabels): Promise<void> {
    const observed = await observer.observe(pod);
    await runtime.kill(undefined, observed, { podIp: observed.sandboxes[0]?.network.ip ?? '', graceSeconds });
    await runtime.remove(observed);
  }

  async function removePod(uid: string, pod: PodLabels): Promise<void> {
    if (!(await attempt('containers', uid, () => removeContainers(pod)))) return;
    await attempt('volumes', uid, () => volumes.tearDownOrphan(uid));
    await attempt('cgroup', uid, () => cgroups.removeUnknown(uid));
    await attempt('logs', uid, () => removeTreeBelow(paths.podLogsRoot, paths.podLogDir(pod)));
  }

  function stopPods(): void {
    for (const [uid, pod] of pleg.pods()) {
      if (isKnown(uid) || stopping.has(uid)) continue;
      stopping.add(uid);
      void removePod(uid, pod).finally(() => stopping.delete(uid));
    }
  }

  /** Cleans up after pods whose containers are removed already, for example while no kubelet ran. */
  async function removeRemains(): Promise<void> {
    const isGone = (uid: string): boolean => !isKnown(uid) && !stopping.has(uid) && !pleg.pods().has(uid);
    for (const uid of (await readdir(paths.podsDir)).filter(isGone))
      await attempt('volumes', uid, () => volumes.tearDownOrphan(uid));
    for (const uid of (await cgroups.known()).filter(isGone)) await attempt('cgroup', uid, () => cgroups.removeUnknown(uid));
    for (const name of await readdir(paths.podLogsRoot)) {
      const uid = parsePodLogDir(name)?.uid;
      if (uid !== undefined && isGone(uid))
        await attempt('logs', uid, () => removeTreeBelow(paths.podLogsRoot, join(paths.podLogsRoot, name)));
    }
  }

  return {
    async collect() {
      try {
        await pleg.relist();
        stopPods();
        await removeRemains();
      } catch (error) {
        // The runtime does not answer, or a folder cannot be read: without a full list nothing may be removed.
        log.warn({ err: error }, 'orphaned pods could not be looked for; will be tried again');
      }
    },
  };
}
