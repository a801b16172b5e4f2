/** Job counts are exact: each finished pod is counted once, and no other pod is counted. */
import { finishedCondition } from '#api/batch/job.ts';
import { controllerOf, keyOf } from '#api/meta.ts';
import type { Job, Pod } from '#api/types.generated.ts';
import type { InvariantOf } from './invariant.ts';

interface Ended {
  succeeded: Set<string>;
  /** Pods that failed, or were deleted before they succeeded. */
  failed: Set<string>;
}

const name = 'Job counts exact';

export const jobCounts: InvariantOf = ({ model, violated }) => {
  const jobs = new Map<string, Ended>();
  const endedOf = (uid: string): Ended => {
    let ended = jobs.get(uid);
    if (ended === undefined) {
      ended = { succeeded: new Set(), failed: new Set() };
      jobs.set(uid, ended);
    }
    return ended;
  };
  const notePod = (pod: Pod, isGone: boolean): void => {
    const owner = controllerOf(pod);
    if (owner?.kind !== 'Job') return;
    const ended = endedOf(owner.uid);
    const { uid } = pod.metadata;
    if (pod.status?.phase === 'Succeeded') {
      ended.succeeded.add(uid);
      ended.failed.delete(uid);
    } else if (
      !ended.succeeded.has(uid) &&
      (isGone || pod.status?.phase === 'Failed' || pod.metadata.deletionTimestamp !== undefined)
    )
      ended.failed.add(uid);
  };
  const noteJob = (job: Job, previous: Job | undefined): void => {
    const { status = {} } = job;
    const truth = endedOf(job.metadata.uid);
    const waiting = status.uncountedTerminatedPods ?? {};
    const succeeded = (status.succeeded ?? 0) + (waiting.succeeded?.length ?? 0);
    const failed = (status.failed ?? 0) + (waiting.failed?.length ?? 0);
    if (succeeded > truth.succeeded.size)
      violated(name, `${keyOf(job)} counts ${succeeded} successes of ${truth.succeeded.size}`);
    // A failed Job also counts its remaining active pods, which it stops, as failed.
    const fails = status.conditions?.some(({ type }) => type === 'Failed' || type === 'FailureTarget') === true;
    if (!fails && failed > truth.failed.size) violated(name, `${keyOf(job)} counts ${failed} failures of ${truth.failed.size}`);
    if (previous === undefined || previous.metadata.uid !== job.metadata.uid) return;
    if ((status.succeeded ?? 0) < (previous.status?.succeeded ?? 0)) violated(name, `${keyOf(job)} counts backwards`);
    if ((status.failed ?? 0) < (previous.status?.failed ?? 0)) violated(name, `${keyOf(job)} counts failures backwards`);
    if (isFinished(previous) && isFinished(job) && finished(previous) !== finished(job))
      violated(name, `${keyOf(job)} was ${finished(previous)} and is now ${finished(job)}`);
  };
  return {
    name,
    changed({ kind, object, previous }) {
      if (object.kind === 'Pod') notePod(object as Pod, kind === 'deleted');
      else if (object.kind === 'Job' && kind !== 'deleted') noteJob(object as Job, previous as Job | undefined);
    },
    *unmet() {
      for (const job of model.all<Job>('jobs')) {
        const { status = {}, spec } = job;
        if (spec?.suspend === true) continue;
        if (!isFinished(job)) yield `Job ${keyOf(job)} has not finished`;
        const waiting = status.uncountedTerminatedPods ?? {};
        if ((waiting.succeeded?.length ?? 0) + (waiting.failed?.length ?? 0) > 0) yield `Job ${keyOf(job)} has uncounted pods`;
        const truth = endedOf(job.metadata.uid).succeeded.size;
        if (finished(job) !== 'Complete') continue;
        const wanted = spec?.completions ?? 1;
        if ((status.succeeded ?? 0) < wanted)
          yield `Job ${keyOf(job)} is complete with ${status.succeeded} of ${wanted} successes`;
        if (spec?.completionMode !== 'Indexed' && status.succeeded !== truth)
          yield `Job ${keyOf(job)} counts ${status.succeeded} successes of ${truth}`;
        for (const pod of model.podsOf(job))
          if (pod.metadata.finalizers?.includes('batch.kubernetes.io/job-tracking') === true)
            yield `${keyOf(pod)} is still tracked by a finished Job`;
      }
    },
  };
};

const finished = (job: Job): string | undefined => finishedCondition(job)?.type;
const isFinished = (job: Job): boolean => finished(job) !== undefined;
