/**
 * Orphan pods of Jobs: removes the tracking finalizer of pods whose Job is gone or finished.
 *
 * Watches: Pod, Job.  Writes: Pod.
 * Source: kubernetes `pkg/controller/job/job_controller.go` (syncOrphanPod).
 */
import { finishedCondition } from '#api/batch/job.ts';
import { controllerOf, keyOf, keyToName } from '#api/meta.ts';
import type { Job, Pod } from '#api/types.generated.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done, requeueAfter } from '#client/controller.ts';
import { liveObject } from '../live-object.ts';
import { isManagedByOthers } from './job.ts';
import { takeFinalizer } from './pod-changes.ts';
import { isTracked } from './pod-facts.ts';

/** How long the cache of pods may be behind that of Jobs. */
const settleMs = 1_000;

/** Makes the controller. Its keys are those of pods. */
export const jobOrphanPodController = ({ client, caches }: ControllerDeps): Controller => {
  const jobs = () => caches.cache('jobs.batch');
  const cachedJob = (pod: Pod): Job | undefined => {
    const key = jobKeyOf(pod);
    return key === undefined ? undefined : jobs().get(key);
  };
  const storedJob = async (pod: Pod): Promise<Job | undefined> => {
    const key = jobKeyOf(pod);
    return key === undefined ? undefined : await liveObject(client, 'jobs.batch', keyToName(key));
  };
  /** Keys that have been looked at once, and are looked at again before anything is asked or written. */
  const waiting = new Set<string>();
  return {
    name: 'job_orphan_pod',
    watches: [
      { resource: 'pods', keys: (pod) => (isTracked(pod) && !isHeld(pod, cachedJob(pod)) ? [keyOf(pod)] : []) },
      {
        resource: 'jobs.batch',
        keys: (job) => {
          const isThere = jobs().get(keyOf(job))?.metadata.uid === job.metadata.uid;
          if (isThere && finishedCondition(job) === undefined) return [];
          return caches.cache('pods').ownedBy(job).filter(isTracked).map(keyOf);
        },
      },
    ],

    async reconcile(key) {
      const pod = caches.cache('pods').get(key);
      if (pod === undefined || !isTracked(pod) || isHeld(pod, cachedJob(pod))) {
        waiting.delete(key);
        return done;
      }
      // Most pods of a Job that has just ended have lost their finalizer already, and the cache will show it in a moment.
      if (!waiting.has(key)) {
        waiting.add(key);
        return requeueAfter(settleMs);
      }
      waiting.delete(key);
      // The cache of Jobs may be older than that of pods. Ask the server, so that no pod loses its finalizer before it is counted.
      if (!isHeld(pod, await storedJob(pod))) await takeFinalizer(client, pod);
      return done;
    },
  };
};

/** The key of the Job that the pod's label names. */
function jobKeyOf(pod: Pod): string | undefined {
  const owner = controllerOf(pod);
  if (owner?.kind !== 'Job' || owner.apiVersion !== 'batch/v1') return undefined;
  return keyOf({ metadata: { namespace: pod.metadata.namespace, name: owner.name } });
}

/** Whether the finalizer is still needed. For a controller of another kind, the answer is yes. */
function isHeld(pod: Pod, job: Job | undefined): boolean {
  const owner = controllerOf(pod);
  if (owner === undefined) return false;
  if (jobKeyOf(pod) === undefined) return true;
  if (job?.metadata.uid !== owner.uid) return false;
  return isManagedByOthers(job) || finishedCondition(job) === undefined;
}
