/**
 * Job controller: runs pods until enough of them have succeeded, and counts each of them exactly once.
 *
 * Owns: Pod (by controller ownerReference).  Watches: Job, Pod.  Writes: Pod, Job/status.
 * Source: kubernetes `pkg/controller/job`; KEP-2307 (finalizers), KEP-3850 (limits for each index), KEP-4368 (managedBy).
 */
import { finishedCondition } from '#api/batch/job.ts';
import { controllerOf, sameJson } from '#api/meta.ts';
import { labelMatcher } from '#api/selector.ts';
import type { Job, JobStatus, Pod } from '#api/types.generated.ts';
import type { Controller, ControllerDeps, ReconcileResult } from '#client/controller.ts';
import { done, requeueAfter } from '#client/controller.ts';
import { own, ownedBy } from '#client/controller-runner.ts';
import { recheckAfterMs } from '../expectations.ts';
import { adopters, carryOutClaim, planClaim } from '../ownership.ts';
import { createPodControl } from '../pod-control.ts';
import { assess } from './assess.ts';
import { type BackOff, noFailures } from './back-off.ts';
import { conclude, finish } from './conclude.ts';
import { type PodPlan, planPods } from './plan-pods.ts';
import { createPodChanges, type PodOutcome } from './pod-changes.ts';
import { trackingFinalizer } from './pod-facts.ts';
import { countReleased, track } from './tracking.ts';

/** The value of `spec.managedBy` that means this controller. */
const ownName = 'kubernetes.io/job-controller';
/** Time in ms for which changes of pods are collected before a reconcile. */
const batchMs = 1000;

/** The state that the controller keeps per Job between reconciles. */
interface Memory {
  uid: string;
  backOff: BackOff;
  /** The revision of the last status that was written. */
  written: bigint;
  lastLookMs: number;
  generation: number | undefined;
  /** A pod without a controller may be adopted. */
  mayAdopt: boolean;
}

/** Makes the Job controller. */
export const jobController = (deps: ControllerDeps): Controller => {
  const { client, caches, clock, events } = deps;
  const podControl = createPodControl(deps);
  const changes = createPodChanges(deps, podControl);
  const memories = new Map<string, Memory>();

  const remember = (key: string, job: Job): Memory => {
    const known = memories.get(key);
    if (known?.uid === job.metadata.uid) return known;
    const uid = job.metadata.uid;
    const fresh = { uid, backOff: noFailures, written: 0n, lastLookMs: -Infinity, generation: undefined, mayAdopt: true };
    memories.set(key, fresh);
    return fresh;
  };

  const forget = (key: string): void => {
    memories.delete(key);
    podControl.expectations.forget(key);
    changes.forget(key);
  };

  const write = async (job: Job, status: JobStatus, memory: Memory): Promise<Job> => {
    const stored = await client.resource('jobs.batch').updateStatus({ ...job, status });
    memory.written = BigInt(stored.metadata.resourceVersion);
    return stored;
  };

  async function claimPods(job: Job, memory: Memory): Promise<Pod[]> {
    const pods = caches.cache('pods');
    const owned = pods.ownedBy(job);
    const orphans = memory.mayAdopt ? pods.list(job.metadata.namespace).filter((pod) => controllerOf(pod) === undefined) : [];
    const claim = planClaim(job, labelMatcher(job.spec.selector), [...owned, ...orphans]);
    const claimed = await carryOutClaim(client, { object: job, resource: 'jobs.batch' }, 'pods', claim, trackingFinalizer);
    memory.mayAdopt = false;
    return claimed;
  }

  async function sync(key: string, job: Job, memory: Memory): Promise<ReconcileResult> {
    const pods = await claimPods(job, memory);
    const nowMs = clock.now();
    const assessment = assess(job, pods, memory.backOff, nowMs);
    const isDeleted = job.metadata.deletionTimestamp !== undefined;
    const plan: PodPlan & { keepFinalizers?: boolean } =
      assessment.ending !== undefined
        ? { remove: assessment.active, create: [], keepFinalizers: true }
        : isDeleted
          ? { remove: [], create: [] }
          : planPods(job, pods, assessment, nowMs);
    const outcome: PodOutcome = await changes.carryOut(job, plan, assessment);
    const concluded = conclude(job, assessment, outcome, nowMs);
    const tracking = track(job, pods, assessment, concluded.ending, concluded.status);
    let stored = job;
    let { status } = tracking;
    if (!sameStatus(job.status, status)) stored = await write(job, status, memory);
    memory.backOff = assessment.backOff;
    for (const { reason, message } of concluded.events) events.event(job, 'Normal', reason, message);
    const { held, error } = await changes.release(key, tracking.release, pods);
    const counted = countReleased(status, held);
    const end = error === undefined && !tracking.more ? finish(counted, concluded.ending, outcome.terminating, nowMs) : undefined;
    status = end?.status ?? counted;
    if (!sameStatus(tracking.status, status)) stored = await write(stored, status, memory);
    if (end !== undefined) reportEnd(stored);
    if (error !== undefined) throw error;
    if (outcome.error !== undefined) throw outcome.error;
    const waits = [plan.waitMs, assessment.deadlineInMs].filter((ms) => ms !== undefined);
    return waits.length === 0 ? done : requeueAfter(Math.max(batchMs, Math.min(...waits)));
  }

  function reportEnd(job: Job): void {
    const { completions } = job.spec;
    const { reason = '', message = '', type } = finishedCondition(job) ?? {};
    if (type === 'Failed') {
      events.event(job, 'Warning', reason, message);
      return;
    }
    if (completions !== undefined && (job.status?.succeeded ?? 0) > completions)
      events.event(job, 'Warning', 'TooManySucceededPods', 'Too many succeeded pods running after completion count reached');
    events.event(job, 'Normal', 'Completed', 'Job completed');
  }

  return {
    name: 'job',
    watches: [
      own('jobs.batch'),
      ownedBy('pods', 'Job'),
      {
        resource: 'pods',
        keys: (pod) => {
          const keys = adopters(pod, caches.cache('jobs.batch'), ({ spec }) => spec.selector);
          for (const key of keys) {
            const memory = memories.get(key);
            if (memory !== undefined) memory.mayAdopt = true;
          }
          return keys;
        },
      },
    ],

    async reconcile(key) {
      const job = caches.cache('jobs.batch').get(key);
      if (job === undefined || isManagedByOthers(job) || finishedCondition(job) !== undefined) {
        forget(key);
        return done;
      }
      const memory = remember(key, job);
      const nowMs = clock.monotonic();
      const isNewSpec = memory.generation !== job.metadata.generation;
      if (!isNewSpec && nowMs - memory.lastLookMs < batchMs) return requeueAfter(batchMs - (nowMs - memory.lastLookMs));
      // Wait until the cache shows our own last writes: a plan from an older state would repeat them.
      const isCurrent =
        BigInt(job.metadata.resourceVersion) >= memory.written &&
        changes.released(key) &&
        (await podControl.expectations.met(key, nowMs));
      if (!isCurrent) return requeueAfter(recheckAfterMs);
      const result = await sync(key, job, memory);
      memory.lastLookMs = nowMs;
      memory.generation = job.metadata.generation;
      return result;
    },
  };
};

/** Whether another controller takes care of the Job. */
export const isManagedByOthers = ({ spec }: Job): boolean => spec.managedBy !== undefined && spec.managedBy !== ownName;

/** The server leaves out counts of zero, and empty lists. */
function sameStatus(a: JobStatus | undefined, b: JobStatus): boolean {
  const normal = ({ active, succeeded, failed, uncountedTerminatedPods = {}, conditions = [], ...rest }: JobStatus) => ({
    ...rest,
    active: active ?? 0,
    succeeded: succeeded ?? 0,
    failed: failed ?? 0,
    conditions,
    uncounted: { succeeded: uncountedTerminatedPods.succeeded ?? [], failed: uncountedTerminatedPods.failed ?? [] },
  });
  return a !== undefined && sameJson(normal(a), normal(b));
}
