/** A CronJob starts a Job for a scheduled time once, and with `Forbid` only one at a time. */
import { finishedCondition } from '#api/batch/job.ts';
import { controllerOf, keyOf } from '#api/meta.ts';
import type { CronJob, Job } from '#api/types.generated.ts';
import type { InvariantOf } from './invariant.ts';

const name = 'CronJobs start each time once';
const scheduledFor = 'batch.kubernetes.io/cronjob-scheduled-timestamp';

export const cronStarts: InvariantOf = ({ model, violated }) => {
  const started = new Map<string, string>();
  return {
    name,
    changed({ kind, object }) {
      if (object.kind !== 'Job' || kind === 'updated') return;
      const owner = model.byUid(controllerOf(object)?.uid ?? '') as CronJob | undefined;
      if (owner?.kind !== 'CronJob') return;
      const time = object.metadata.annotations?.[scheduledFor];
      const start = `${owner.metadata.uid} ${time}`;
      if (kind === 'deleted') {
        // The Job was deleted before the CronJob's status recorded its start, so the controller cannot know about it. Upstream starts it
        // again too.
        if (!isRecorded(owner, time)) started.delete(start);
        return;
      }
      const earlier = started.get(start);
      if (earlier !== undefined) violated(name, `${keyOf(object)} is for ${time}, and so was ${earlier}`);
      started.set(start, keyOf(object));
      if (owner.spec?.concurrencyPolicy !== 'Forbid') return;
      const others = model
        .all<Job>('jobs')
        .filter(
          (job) => controllerOf(job)?.uid === owner.metadata.uid && job.metadata.uid !== object.metadata.uid && isActive(job),
        );
      if (others.length > 0)
        violated(name, `${keyOf(object)} runs beside ${others.map(keyOf).join(', ')}, which ${keyOf(owner)} forbids`);
    },
  };
};

const isRecorded = ({ status }: CronJob, time = ''): boolean => Date.parse(status?.lastScheduleTime ?? '') >= Date.parse(time);

const isActive = (job: Job): boolean => finishedCondition(job) === undefined;
