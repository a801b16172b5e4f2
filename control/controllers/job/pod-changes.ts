/** Creates and removes pods of Jobs, removes their finalizers, and returns the resulting counts. */

import { keyOf } from '#api/meta.ts';
import { isPodReady } from '#api/pod/conditions.ts';
import { isNotFound } from '#api/status.ts';
import type { Job, Pod } from '#api/types.generated.ts';
import type { ControllerDeps } from '#client/controller.ts';
import { type PodControl, slowStart } from '../pod-control.ts';
import type { Assessment } from './assess.ts';
import type { PodPlan } from './plan-pods.ts';
import { isTracked, trackingFinalizer } from './pod-facts.ts';
import { podForJob } from './pod-for-job.ts';

/** The pods of a Job after a plan was carried out. */
export interface PodOutcome {
  active: number;
  ready: number;
  terminating: number;
  removed: number;
  /** The first failure. */
  error: unknown;
}

/** Carries out the plan for a Job's pods. */
export interface PodChanges {
  /**
   * @param plan `keepFinalizers`: the Job ends, so removed pods are counted first. Otherwise removed pods are not counted. Never rejects.
   */
  carryOut(job: Job, plan: PodPlan & { keepFinalizers?: boolean }, assessment: Assessment): Promise<PodOutcome>;
  /**
   * Removes the finalizer from pods. Never rejects.
   * @param pods all pods of the Job
   * @returns the UIDs of those that still have it, and the first failure
   */
  release(jobKey: string, released: readonly Pod[], pods: readonly Pod[]): Promise<{ held: Set<string>; error: unknown }>;
  /** Whether the cache shows that all pods of the Job that were released have no finalizer any more. */
  released(jobKey: string): boolean;
  /** The Job is gone or has ended. */
  forget(jobKey: string): void;
}

/** Makes {@link PodChanges} over the client's requests. */
export function createPodChanges(
  { client, caches }: Pick<ControllerDeps, 'client' | 'caches'>,
  podControl: PodControl,
): PodChanges {
  /** The released pods that the cache does not show yet, by UID. */
  const expected = new Map<string, Map<string, Pod>>();

  async function removeFinalizer(jobKey: string, pod: Pod, asSeen = false): Promise<void> {
    if (!isTracked(pod)) return;
    await takeFinalizer(client, pod, asSeen);
    const pods = expected.get(jobKey) ?? new Map<string, Pod>();
    expected.set(jobKey, pods.set(pod.metadata.uid, pod));
  }

  async function remove(job: Job, pod: Pod, keepFinalizers: boolean): Promise<void> {
    // Only if the pod has not changed: one that has succeeded since would never be counted. (Upstream loses such a pod.)
    if (!keepFinalizers) await removeFinalizer(keyOf(job), pod, true);
    await podControl.remove(job, pod);
  }

  return {
    async carryOut(job, { remove: removed, create, keepFinalizers = false }, { active, ready, terminating, indexes }) {
      const removals = await Promise.allSettled(removed.map((pod) => remove(job, pod, keepFinalizers)));
      const gone = removed.filter((_, index) => removals[index]?.status === 'fulfilled');
      let created = 0;
      const creation = await slowStart(create, async (index) => {
        await podControl.create(job, podForJob(job, index, index === undefined ? undefined : indexes?.delayed.get(index)));
        created++;
      });
      const removal = removals.find((result) => result.status === 'rejected')?.reason as unknown;
      return {
        active: active.length - gone.length + created,
        ready: ready - gone.filter(isPodReady).length,
        terminating: terminating + gone.length,
        removed: gone.length,
        error: removal ?? creation,
      };
    },

    async release(jobKey, released, pods) {
      const held = new Set(pods.filter(isTracked).map(({ metadata }) => metadata.uid));
      const results = await Promise.allSettled(released.map((pod) => removeFinalizer(jobKey, pod)));
      released.forEach(({ metadata }, index) => {
        if (results[index]?.status === 'fulfilled') held.delete(metadata.uid);
      });
      return { held, error: results.find((result) => result.status === 'rejected')?.reason as unknown };
    },

    released(jobKey) {
      const pods = expected.get(jobKey);
      for (const [uid, pod] of pods ?? []) {
        const cached = caches.cache('pods').get(keyOf(pod));
        if (cached?.metadata.uid !== uid || !isTracked(cached)) pods?.delete(uid);
      }
      return (pods?.size ?? 0) === 0;
    },

    forget: (jobKey) => void expected.delete(jobKey),
  };
}

/** Removes the finalizer from a pod. A pod that is gone is success. @param asSeen fails if the pod has changed since @throws ApiError */
export async function takeFinalizer(client: ControllerDeps['client'], { metadata }: Pod, asSeen = false): Promise<void> {
  const { namespace, name, uid, resourceVersion } = metadata;
  const seen = asSeen ? { uid, resourceVersion } : { uid };
  const body = { metadata: { ...seen, '$deleteFromPrimitiveList/finalizers': [trackingFinalizer] } };
  try {
    await client.resource('pods').patch({ namespace, name }, { type: 'strategic', body });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
