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

/** What cleaning up needs of its node. */
export interface OrphansDeps {
  pleg: Pleg;
  observer: Observer;
  runtime: PodRuntime;
  volumes: Volumes;
  cgroups: PodCgroups;
  paths: Paths;
  log: Logger;
  /** Whether the pod with this UID is known: it is in the API, or its worker is still ending it. */
  isKnown(uid: string): boolean;
}

/** Removes containers, volumes and folders of pods that neither the API nor a worker knows any more. */
export interface Orphans {
  /**
   * Call only when the list of this node's pods is complete. Does not wait for containers to stop: what they leave is removed after
   * them. Failures are logged; the next call tries again.
   */
  collect(): Promise<void>;
}

/** The grace period of an orphan in seconds, as in upstream: a pod that was removed from the API by force has no longer one. */
const graceSeconds = 1;

/** Orphans are looked for in the runtime (as PLEG lists it), among the pods' folders, control groups and logs. */
export function createOrphans({ pleg, observer, runtime, volumes, cgroups, paths, log, isKnown }: OrphansDeps): Orphans {
  const stopping = new Set<string>();

  /** Does one piece of cleaning up, and logs how it went. @returns whether it succeeded */
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

  /** Cleans up after pods whose containers are gone already: they ended while no kubelet ran. */
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
