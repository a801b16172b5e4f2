import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { finishedCondition } from '#api/batch/job.ts';
import type { World } from './cluster.testing.ts';
import { type Kubectl, startWorldWithKubectl } from './kubectl.testing.ts';

describe('kubectl and jobs', () => {
  let world: World;
  let client: Kubectl;

  before(async () => {
    ({ world, kubectl: client } = await startWorldWithKubectl('n1'));
    world.play = () => ({ exitCode: 0 });
  });

  after(async () => {
    await world.stop();
    await client.stop();
  });

  const kubectl = (args: string): Promise<string> => client.run(args);
  const completed = (name: string) =>
    world.until('it has completed', async () => {
      const job = await world.client.resource('jobs.batch').get({ namespace: 'default', name });
      return finishedCondition(job)?.type === 'Complete';
    });

  it('creates, waits for, shows and deletes a job', async () => {
    assert.equal(await kubectl('create job pi --image=perl:5 -- perl -v'), 'job.batch/pi created\n');
    await completed('pi');
    assert.equal(await kubectl('wait --for=condition=complete job/pi --timeout=60s'), 'job.batch/pi condition met\n');
    assert.match(
      await kubectl('get jobs -o wide'),
      /^NAME +STATUS +COMPLETIONS +DURATION +AGE +CONTAINERS +IMAGES +SELECTOR\npi +Complete +1\/1 +\d+s +\S+ +pi +perl:5 +batch.kubernetes.io\/controller-uid=\S+\n/,
    );
    assert.match(await kubectl('get jobs --field-selector=status.successful=1'), /^NAME .*\npi /);
    assert.match(await kubectl('get jobs --field-selector=status.successful=0'), /^No resources found/);
    assert.match(await kubectl('get jobs --field-selector=status.failed=0'), /field label "status.failed" not supported for Job/);
    const described = await kubectl('describe job pi');
    assert.match(described, /Pods Statuses: +0 Active \(0 Ready\) \/ 1 Succeeded \/ 0 Failed/);
    assert.match(described, /SuccessfulCreate[\s\S]*job-controller[\s\S]*Completed/);
    assert.match(await kubectl('get all'), /job.batch\/pi/);
    assert.match(
      await kubectl('delete --raw /apis/batch/v1/namespaces/default/jobs/pi'),
      /Warning: child pods are preserved by default when jobs are deleted; set propagationPolicy=Background/,
    );
  });

  it('creates cron jobs, and jobs from them', async () => {
    const created = await kubectl('create cronjob tick --image=busybox --schedule=@daily -- date');
    assert.equal(created, 'cronjob.batch/tick created\n');
    assert.match(
      await kubectl('get cj'),
      /^NAME +SCHEDULE +TIMEZONE +SUSPEND +ACTIVE +LAST SCHEDULE +AGE\ntick +@daily +<none> +False +0 +<none> +/,
    );
    assert.equal(await kubectl('create job now --from=cronjob/tick'), 'job.batch/now created\n');
    await completed('now');
    const owner =
      'get job now -o jsonpath={.metadata.ownerReferences[0].kind}/{.metadata.annotations.cronjob\\.kubernetes\\.io/instantiate}';
    assert.equal(await kubectl(owner), 'CronJob/manual');
    assert.match(
      await kubectl('create cronjob bad --image=busybox --schedule=nonsense'),
      /spec.schedule: Invalid value: "nonsense": expected exactly 5 fields, found 1: \[nonsense\]/,
    );
    assert.match(await kubectl('describe cronjob tick'), /Concurrency Policy: +Allow/);
  });
});
