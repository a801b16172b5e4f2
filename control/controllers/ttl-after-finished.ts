/**
 * TTL after finished: deletes a Job, with its pods, `spec.ttlSecondsAfterFinished` after it ended.
 *
 * Watches: Job.  Writes: Job.
 * Source: kubernetes `pkg/controller/ttlafterfinished`; KEP-592.
 */
import { finishedCondition } from '#api/batch/job.ts';
import { keyToName } from '#api/meta.ts';
import type { Job } from '#api/types.generated.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done, requeueAfter } from '#client/controller.ts';
import { own } from '#client/controller-runner.ts';
import { liveObject } from './live-object.ts';

/** Makes the controller. */
export const ttlAfterFinishedController = ({ client, caches, clock }: ControllerDeps): Controller => ({
  name: 'ttl-after-finished',
  watches: [own('jobs.batch')],

  async reconcile(key) {
    const cached = caches.cache('jobs.batch').get(key);
    const cachedLeftMs = cached === undefined ? undefined : leftMs(cached, clock.now());
    if (cachedLeftMs === undefined) return done;
    if (cachedLeftMs > 0) return requeueAfter(cachedLeftMs);
    // The cache may be stale: the TTL may have been extended since. So ask the server.
    const job = await liveObject(client, 'jobs.batch', keyToName(key));
    const jobLeftMs = job === undefined ? undefined : leftMs(job, clock.now());
    if (job === undefined || jobLeftMs === undefined) return done;
    if (jobLeftMs > 0) return requeueAfter(jobLeftMs);
    const { namespace, name, uid } = job.metadata;
    const options = { propagationPolicy: 'Foreground', preconditions: { uid } };
    await client.resource('jobs.batch').delete({ namespace, name }, options);
    return done;
  },
});

/**
 * Milliseconds until the Job's TTL expires; 0 or less when it has expired. Undefined: the Job has not finished, has no TTL, or is being
 * deleted. Pure.
 * @throws Error when the Job has no finish time
 */
export function leftMs(job: Job, nowMs: number): number | undefined {
  const { metadata, spec } = job;
  const finished = finishedCondition(job);
  if (metadata.deletionTimestamp !== undefined || finished === undefined || spec.ttlSecondsAfterFinished === undefined)
    return undefined;
  if (finished.lastTransitionTime === undefined)
    throw new Error(`unable to find the time when the Job ${metadata.namespace}/${metadata.name} finished`);
  return Date.parse(finished.lastTransitionTime) + spec.ttlSecondsAfterFinished * 1000 - nowMs;
}
