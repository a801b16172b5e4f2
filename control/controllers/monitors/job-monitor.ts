/** Metrics of Jobs and CronJobs. Source: kubernetes `pkg/controller/{job,cronjob,ttlafterfinished}/metrics`. */
import { Counter, exponentialBuckets, Histogram, type Metric } from 'prom-client';
import { finishedCondition, isIndexed } from '#api/batch/job.ts';
import { controllerOf } from '#api/meta.ts';
import { isPodTerminal } from '#api/pod/conditions.ts';
import type { Job, Pod } from '#api/types.generated.ts';
import { judgeFailure } from '../job/failure-policy.ts';
import { parseIndexSet, sizeOf } from '../job/index-set.ts';
import { isManagedByOthers } from '../job/job.ts';
import { hasSucceeded, isTracked } from '../job/pod-facts.ts';
import type { Monitor, MonitorDeps } from './monitor.ts';
import { follow } from './since.ts';

const scheduledAnnotation = 'batch.kubernetes.io/cronjob-scheduled-timestamp';
const registers: [] = [];

/** Metrics that are computed from changes of Jobs and their pods. */
export class JobMonitor implements Monitor {
  readonly #syncSeconds = new Histogram({
    name: 'job_controller_job_sync_duration_seconds',
    help: 'The time it took to sync a job',
    labelNames: ['completion_mode', 'result', 'action'],
    buckets: exponentialBuckets(0.004, 2, 15),
    registers,
  });
  readonly #syncs = new Counter({
    name: 'job_controller_job_syncs_total',
    help: 'The number of job syncs',
    labelNames: ['completion_mode', 'result', 'action'],
    registers,
  });
  readonly #finished = new Counter({
    name: 'job_controller_jobs_finished_total',
    help: 'The number of finished jobs',
    labelNames: ['completion_mode', 'result', 'reason'],
    registers,
  });
  readonly #byOthers = new Counter({
    name: 'job_controller_jobs_by_external_controller_total',
    help: 'The number of Jobs managed by an external controller',
    labelNames: ['controller_name'],
    registers,
  });
  readonly #podsFinished = new Counter({
    name: 'job_controller_job_pods_finished_total',
    help: 'The number of finished Pods that are fully tracked',
    labelNames: ['completion_mode', 'result'],
    registers,
  });
  readonly #policyFailures = new Counter({
    name: 'job_controller_pod_failures_handled_by_failure_policy_total',
    help: 'The number of failed Pods handled by failure policy with respect to the failure policy action applied based on the matched rule. Possible values of the action label correspond to the possible values for the failure policy rule action, which are: "FailJob", "Ignore" and "Count".',
    labelNames: ['action'],
    registers,
  });
  readonly #terminated = new Counter({
    name: 'job_controller_terminated_pods_tracking_finalizer_total',
    help: 'The number of terminated pods (phase=Failed|Succeeded) that have the finalizer batch.kubernetes.io/job-tracking. The event label can be "add" or "delete".',
    labelNames: ['event'],
    registers,
  });
  readonly #indexes = new Counter({
    name: 'job_controller_job_finished_indexes_total',
    help: 'The number of finished indexes. Possible values for the status label are: "succeeded", "failed". Possible values for the backoffLimit label are: "perIndex" and "global".',
    labelNames: ['status', 'backoffLimit'],
    registers,
  });
  readonly #podsCreated = new Counter({
    name: 'job_controller_job_pods_creation_total',
    help: 'The number of Pods created by the Job controller labelled with a reason for the Pod creation.',
    labelNames: ['reason', 'status'],
    registers,
  });
  readonly #skew = new Histogram({
    name: 'cronjob_controller_job_creation_skew_duration_seconds',
    help: 'Time between when a cronjob is scheduled to be run, and when the corresponding job is created',
    buckets: exponentialBuckets(1, 2, 10),
    registers,
  });
  readonly #deletion = new Histogram({
    name: 'ttl_after_finished_controller_job_deletion_duration_seconds',
    help: 'The time it took to delete the job since it became eligible for deletion',
    buckets: exponentialBuckets(0.1, 2, 14),
    registers,
  });

  get metrics(): readonly Metric[] {
    return [
      this.#syncSeconds,
      this.#syncs,
      this.#finished,
      this.#byOthers,
      this.#podsFinished,
      this.#policyFailures,
      this.#terminated,
      this.#indexes,
      this.#podsCreated,
      this.#skew,
      this.#deletion,
    ];
  }

  observe(deps: MonitorDeps): () => void {
    const jobs = deps.informers.cache('jobs.batch');
    const jobOf = (pod: Pod): Job | undefined => {
      const owner = controllerOf(pod);
      if (owner?.kind !== 'Job') return undefined;
      const job = jobs.get(`${pod.metadata.namespace ?? ''}/${owner.name}`);
      return job?.metadata.uid === owner.uid ? job : undefined;
    };
    const stops = [
      follow(deps, 'jobs.batch', {
        added: (job) => this.#added(job),
        updated: (job, previous) => this.#updated(job, previous),
      }),
      follow(deps, 'pods', {
        added: (pod) => {
          const job = jobOf(pod);
          if (job !== undefined && !isManagedByOthers(job))
            this.#podsCreated.inc({ reason: creationReason(job), status: 'succeeded' });
        },
        updated: (pod, previous) => this.#podUpdated(pod, previous, jobOf(pod)),
      }),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }

  reconciled(controller: string, seconds: number, error: unknown): void {
    if (controller !== 'job') return;
    const labels = { completion_mode: '', result: error === undefined ? 'success' : 'error', action: 'reconciling' };
    this.#syncSeconds.observe(labels, seconds);
    this.#syncs.inc(labels);
  }

  #added(job: Job): void {
    if (isManagedByOthers(job)) this.#byOthers.inc({ controller_name: job.spec.managedBy ?? '' });
    const scheduled = Date.parse(job.metadata.annotations?.[scheduledAnnotation] ?? '');
    if (controllerOf(job)?.kind !== 'CronJob' || Number.isNaN(scheduled)) return;
    this.#skew.observe(Math.max(0, Date.parse(job.metadata.creationTimestamp ?? '') - scheduled) / 1000);
  }

  #updated(job: Job, previous: Job): void {
    if (isManagedByOthers(job)) return;
    const completion_mode = isIndexed(job) ? 'Indexed' : 'NonIndexed';
    for (const result of ['succeeded', 'failed'] as const) {
      const more = (job.status?.[result] ?? 0) - (previous.status?.[result] ?? 0);
      if (more > 0) this.#podsFinished.inc({ completion_mode, result }, more);
    }
    const ended = finishedCondition(job);
    if (ended !== undefined && finishedCondition(previous) === undefined)
      this.#finished.inc({
        completion_mode,
        result: ended.type === 'Complete' ? 'succeeded' : 'failed',
        reason: ended.reason ?? '',
      });
    const backoffLimit = job.spec.backoffLimitPerIndex === undefined ? 'global' : 'perIndex';
    for (const [status, field] of [
      ['succeeded', 'completedIndexes'],
      ['failed', 'failedIndexes'],
    ] as const) {
      const count = ({ spec, status: of }: Job): number => sizeOf(parseIndexSet(of?.[field], spec.completions ?? 0));
      if (isIndexed(job) && job.status?.[field] !== previous.status?.[field])
        this.#indexes.inc({ status, backoffLimit }, Math.max(0, count(job) - count(previous)));
    }
    this.#expired(job, previous);
  }

  #expired({ metadata, spec, status }: Job, previous: Job): void {
    const { ttlSecondsAfterFinished: seconds } = spec;
    const finishedMs = Date.parse(finishedCondition({ status })?.lastTransitionTime ?? '');
    const isNew = metadata.deletionTimestamp !== undefined && previous.metadata.deletionTimestamp === undefined;
    if (!isNew || seconds === undefined || Number.isNaN(finishedMs)) return;
    const lateSeconds = (Date.parse(metadata.deletionTimestamp ?? '') - finishedMs) / 1000 - seconds;
    // A deletion before that time was not by the TTL controller.
    if (lateSeconds >= 0) this.#deletion.observe(lateSeconds);
  }

  #podUpdated(pod: Pod, previous: Pod, job: Job | undefined): void {
    const [isHeld, wasHeld] = [isPodTerminal(pod) && isTracked(pod), isPodTerminal(previous) && isTracked(previous)];
    if (isHeld && !wasHeld) this.#terminated.inc({ event: 'add' });
    if (!wasHeld || isHeld) return;
    this.#terminated.inc({ event: 'delete' });
    if (job === undefined || hasSucceeded(pod)) return;
    const { action } = judgeFailure(job.spec.podFailurePolicy, pod) as { action?: string };
    if (action !== undefined) this.#policyFailures.inc({ action });
  }
}

/** @see upstream's labels of JobPodsCreationTotal */
function creationReason({ spec, status }: Job): string {
  const isReplaced = (status?.failed ?? 0) > 0 || (status?.terminating ?? 0) > 0;
  if (!isReplaced) return 'new';
  return spec.podReplacementPolicy === 'Failed' ? 'recreate_failed' : 'recreate_terminating_or_failed';
}
