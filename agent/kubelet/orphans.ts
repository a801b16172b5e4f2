/** Cleans up after pods that are no longer in the API: sandboxes, directories, logs, control groups. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Observer } from './observe.ts';
import type { Paths } from './paths.ts';
import { parsePodLogDir } from './paths.ts';
import type { Pleg } from './pleg.ts';
import type { PodCgroups } from './pod-cgroups.ts';
import type { PodRuntime } from './pod-runtime.ts';
import type { Volumes } from './volumes/volumes.ts';

export interface OrphansDeps {
  pleg: Pleg;
  observer: Observer;
  runtime: PodRuntime;
  volumes: Volumes;
  cgroups: PodCgroups;
  paths: Paths;
  log: Logger;
  /** Whether a pod of that UID is this node's: in the API, or being ended by its worker. */
  isKnown(uid: string): boolean;
}

export interface Orphans {
  /** Call only when the list of this node's pods is complete. Failures are logged; the next call tries again. */
  collect(): Promise<void>;
}

export function createOrphans({ pleg, observer, runtime, volumes, cgroups, paths, log, isKnown }: OrphansDeps): Orphans {
  async function attempt(what: string, uid: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
      log.info({ uid, what }, 'cleaned up after a pod that is gone');
    } catch (error) {
      log.warn({ err: error, uid, what }, 'the remains of a pod could not be removed; will be tried again');
    }
  }

  async function collectAll(): Promise<void> {
    const running = pleg.pods();
    const orphaned = [...running].filter(([uid]) => !isKnown(uid));
    // Each may take its whole grace period.
    await Promise.all(
      orphaned.map(([uid, pod]) =>
        attempt('containers', uid, async () => {
          const observed = await observer.observe(pod);
          await runtime.kill(undefined, observed, { podIp: observed.sandboxes[0]?.network.ip ?? '' });
          await runtime.remove(observed);
        }),
      ),
    );
    await pleg.relist();
    const isGone = (uid: string): boolean => !isKnown(uid) && !pleg.pods().has(uid);
    for (const uid of (await readdir(paths.podsDir)).filter(isGone)) await attempt('volumes', uid, () => volumes.tearDown(uid));
    for (const uid of (await cgroups.known()).filter(isGone)) await attempt('cgroup', uid, () => cgroups.removeUnknown(uid));
    for (const name of await readdir(paths.podLogsRoot)) {
      const uid = parsePodLogDir(name)?.uid;
      if (uid !== undefined && isGone(uid))
        await attempt('logs', uid, () => rm(join(paths.podLogsRoot, name), { recursive: true, force: true }));
    }
  }

  return {
    async collect() {
      try {
        await collectAll();
      } catch (error) {
        // The runtime is away, or a directory cannot be read: nothing of a pod is touched on half knowledge.
        log.warn({ err: error }, 'orphaned pods could not be looked for; will be tried again');
      }
    },
  };
}
