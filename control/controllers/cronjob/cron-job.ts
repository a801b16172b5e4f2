/**
 * CronJob controller: starts a Job at each time of a schedule, and keeps the last finished ones.
 *
 * Owns: Job (by controller ownerReference).  Watches: CronJob, Job.  Writes: Job, CronJob/status.
 * Source: kubernetes `pkg/controller/cronjob/cronjob_controllerv2.go`; KEP-19, KEP-3140 (time zones).
 */
import { errorText } from '#api/error-text.ts';
import { controllerOf, rfc3339, sameJson } from '#api/meta.ts';
import { isAlreadyExists, isNotFound } from '#api/status.ts';
import type { CronJob, CronJobStatus, Job, ObjectReference } from '#api/types.generated.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done, requeueAfter } from '#client/controller.ts';
import { own, ownedBy } from '#client/controller-runner.ts';
import { liveObject } from '../live-object.ts';
import { type CronJobEvent, jobAt, jobNameAt, jobsBeyondHistory, lookAgainMs, observeJobs, planStart } from './cron-job-plan.ts';

/** Makes the CronJob controller. */
export const cronJobController = ({ client, caches, clock, events }: ControllerDeps): Controller => {
  const jobs = client.resource('jobs.batch');
  const record = (cronJob: CronJob, { type, reason, message }: CronJobEvent): void =>
    events.event(cronJob, type, reason, message);

  /** Deletes a Job. @returns whether it was deleted; a failure gives an event, and the next reconcile tries again */
  async function deleteJob(cronJob: CronJob, name: string): Promise<boolean> {
    const { namespace } = cronJob.metadata;
    try {
      await jobs.delete({ namespace, name }, { propagationPolicy: 'Background' });
    } catch (error) {
      if (isNotFound(error)) return true;
      events.event(cronJob, 'Warning', 'FailedDelete', `Deleted job: ${errorText(error)}`);
      return false;
    }
    events.event(cronJob, 'Normal', 'SuccessfulDelete', `Deleted job ${name}`);
    return true;
  }

  /** Updates the status from the existing Jobs. The cached CronJob may not have our last status yet, so in doubt the stored one is read. */
  async function observe(cronJob: CronJob, owned: readonly Job[]): Promise<CronJobStatus> {
    const { namespace, name } = cronJob.metadata;
    const { status, events: seen, unexpected, missing } = observeJobs(cronJob, owned);
    for (const event of seen) record(cronJob, event);
    const stored = unexpected.length === 0 ? undefined : await client.resource('cronjobs.batch').get({ namespace, name });
    for (const job of unexpected) {
      if (stored?.status?.active?.some(({ uid }) => uid === job.metadata.uid) === true) continue;
      const text = `Saw a job that the controller did not create or forgot: ${job.metadata.name}`;
      events.event(cronJob, 'Warning', 'UnexpectedJob', text);
    }
    const gone = new Set<string>();
    for (const job of missing) {
      if ((await liveObject(client, 'jobs.batch', job)) !== undefined) continue;
      events.event(cronJob, 'Normal', 'MissingJob', `Active job went missing: ${job.name}`);
      gone.add(job.uid);
    }
    return { ...status, active: (status.active ?? []).filter(({ uid }) => !gone.has(uid ?? '')) };
  }

  /** Creates the Job for a scheduled time, or returns the existing one. Undefined when another object has its name. */
  async function startJob(cronJob: CronJob, atMs: number): Promise<Job | undefined> {
    try {
      const job = await jobs.create(jobAt(cronJob, atMs));
      events.event(cronJob, 'Normal', 'SuccessfulCreate', `Created job ${job.metadata.name}`);
      return job;
    } catch (error) {
      if (!isAlreadyExists(error)) {
        events.event(cronJob, 'Warning', 'FailedCreate', `Error creating job: ${errorText(error)}`);
        throw error;
      }
      // An earlier attempt has created the Job, but its status update was lost.
      const { namespace } = cronJob.metadata;
      const job = await liveObject(client, 'jobs.batch', { namespace, name: jobNameAt(cronJob, atMs) });
      return job !== undefined && controllerOf(job)?.uid === cronJob.metadata.uid ? job : undefined;
    }
  }

  async function start(cronJob: CronJob, status: CronJobStatus, atMs: number, replace: boolean): Promise<CronJobStatus> {
    let { active = [] } = status;
    for (const { name = '', uid } of replace ? active : []) {
      if (!(await deleteJob(cronJob, name))) throw new Error(`could not replace job ${cronJob.metadata.namespace}/${name}`);
      active = active.filter((one) => one.uid !== uid);
    }
    const job = await startJob(cronJob, atMs);
    if (job === undefined) return { ...status, active };
    return { ...status, active: [...active, referenceOf(job)], lastScheduleTime: rfc3339(atMs) };
  }

  return {
    name: 'cronjob',
    watches: [own('cronjobs.batch'), ownedBy('jobs.batch', 'CronJob')],

    async reconcile(key) {
      const cronJob = caches.cache('cronjobs.batch').get(key);
      if (cronJob === undefined) return done;
      const nowMs = clock.now();
      const owned = caches.cache('jobs.batch').ownedBy(cronJob);
      for (const { metadata } of jobsBeyondHistory(cronJob, owned)) await deleteJob(cronJob, metadata.name);
      const observed = await observe(cronJob, owned);
      const names = (observed.active ?? []).map(({ name = '' }) => name);
      const plan = planStart({ ...cronJob, status: observed }, names, nowMs);
      for (const event of plan.events) record(cronJob, event);
      let status = observed;
      try {
        if (plan.startAtMs !== undefined) status = await start(cronJob, observed, plan.startAtMs, plan.replace);
      } finally {
        if (!sameStatus(cronJob.status, status)) await client.resource('cronjobs.batch').updateStatus({ ...cronJob, status });
      }
      const waitMs = lookAgainMs({ ...cronJob, status }, plan.schedule, nowMs);
      return waitMs === undefined ? done : requeueAfter(waitMs);
    },
  };
};

const referenceOf = ({ apiVersion, kind, metadata: { namespace, name, uid, resourceVersion } }: Job): ObjectReference => ({
  apiVersion,
  kind,
  namespace,
  name,
  uid,
  resourceVersion,
});

const sameStatus = (a: CronJobStatus = {}, b: CronJobStatus): boolean =>
  sameJson({ ...a, active: a.active ?? [] }, { ...b, active: b.active ?? [] });
