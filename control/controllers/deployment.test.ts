import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { New } from '#api/meta.ts';
import type { Deployment } from '#api/types.generated.ts';
import type { World } from './cluster.testing.ts';
import { startWorld } from './cluster.testing.ts';

let world: World;
before(async () => {
  world = await startWorld();
  await world.addNode('n1');
  await world.addNode('n2');
});
after(() => world.stop());

const deployment = (name: string, image: string, spec: object = {}): New<Deployment> => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, namespace: 'default' },
  spec: {
    replicas: 3,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'web', image }] } },
    ...spec,
  },
});

const deployments = () => world.client.resource('deployments.apps');
const get = (name: string) => deployments().get({ namespace: 'default', name });
const sets = async (name: string) =>
  (await world.client.resource('replicasets.apps').list({ namespace: 'default', labelSelector: `app=${name}` })).items;
const pods = async (name: string) =>
  (await world.client.resource('pods').list({ namespace: 'default', labelSelector: `app=${name}` })).items;
const patchSpec = (name: string, spec: object) =>
  deployments().patch({ namespace: 'default', name }, { type: 'strategic', body: { spec } as never });
const setImage = (name: string, image: string) =>
  patchSpec(name, { template: { spec: { containers: [{ name: 'web', image }] } } });

/** The condition that `kubectl rollout status` waits for. */
const rolledOut = async (name: string) => {
  const { metadata, spec, status } = await get(name);
  return (
    status?.observedGeneration === metadata.generation &&
    status?.updatedReplicas === spec.replicas &&
    status?.replicas === spec.replicas &&
    status?.availableReplicas === spec.replicas
  );
};
const until = (name: string, maxSeconds?: number) => world.until(`${name} rolled out`, () => rolledOut(name), maxSeconds);
const progressing = async (name: string) => (await get(name)).status?.conditions?.find(({ type }) => type === 'Progressing');

describe('Deployment over the API server', () => {
  it('starts its pods through one ReplicaSet, and reports it', async () => {
    await deployments().create(deployment('up', 'web:1'));
    await until('up');
    const { metadata, status } = await get('up');
    const [set, ...others] = await sets('up');
    assert.equal(others.length, 0);
    assert.equal(metadata.annotations?.['deployment.kubernetes.io/revision'], '1');
    assert.match(set?.metadata.name ?? '', /^up-[bcdfghjklmnpqrstvwxz2456789]+$/);
    assert.equal((await pods('up')).length, 3);
    const conditions = Object.fromEntries(
      (status?.conditions ?? []).map(({ type, status: value, reason }) => [type, [value, reason]]),
    );
    assert.deepEqual(conditions, {
      Available: ['True', 'MinimumReplicasAvailable'],
      Progressing: ['True', 'NewReplicaSetAvailable'],
    });
    const events = (await world.client.resource('events').list({ namespace: 'default' })).items.map(
      ({ source, reason, message }) => [source?.component, reason, message],
    );
    assert.ok(
      events.some(
        ([component, reason, message]) =>
          component === 'deployment-controller' &&
          reason === 'ScalingReplicaSet' &&
          message === `Scaled up replica set ${set?.metadata.name} from 0 to 3`,
      ),
    );
    assert.equal(
      events.filter(
        ([component, reason, message]) =>
          component === 'replicaset-controller' && reason === 'SuccessfulCreate' && message?.startsWith('Created pod: up-'),
      ).length,
      3,
    );
  });

  it('never has too few available nor too many pods during a rolling update', async () => {
    await deployments().create(
      deployment('roll', 'web:1', {
        replicas: 4,
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } },
      }),
    );
    await until('roll');
    await setImage('roll', 'web:2');
    await world.until('rolled out within its bounds', async () => {
      const all = (await pods('roll')).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
      const ready = all.filter(({ status }) =>
        status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True'),
      );
      assert.ok(ready.length >= 3, `only ${ready.length} ready`);
      assert.ok(all.length <= 5, `${all.length} pods`);
      return await rolledOut('roll');
    });
    assert.deepEqual((await sets('roll')).map(({ spec }) => String(spec.replicas)).sort(), ['0', '4']);
    await world.until('the old pods have ended', async () => (await pods('roll')).length === 4);
    assert.ok((await pods('roll')).every(({ spec }) => spec.containers[0]?.image === 'web:2'));
  });

  it('uses an old ReplicaSet again on undo, with a new revision', async () => {
    await deployments().create(deployment('undo', 'web:1'));
    await until('undo');
    await setImage('undo', 'web:2');
    await until('undo');
    await setImage('undo', 'web:1');
    await until('undo');
    assert.equal((await get('undo')).metadata.annotations?.['deployment.kubernetes.io/revision'], '3');
    const revisions = (await sets('undo')).map(({ metadata: { annotations } }) => [
      annotations?.['deployment.kubernetes.io/revision'],
      annotations?.['deployment.kubernetes.io/revision-history'],
    ]);
    assert.deepEqual(revisions.map(String).sort(), ['2,', '3,1']);
  });

  it('keeps at most revisionHistoryLimit old ReplicaSets', async () => {
    await deployments().create(deployment('history', 'web:1', { revisionHistoryLimit: 1 }));
    await until('history');
    for (const image of ['web:2', 'web:3', 'web:4']) {
      await setImage('history', image);
      await until('history');
    }
    await world.until('two sets left', async () => (await sets('history')).length === 2);
    assert.deepEqual(
      (await sets('history')).map(({ metadata }) => metadata.annotations?.['deployment.kubernetes.io/revision'] ?? '').sort(),
      ['3', '4'],
    );
  });

  it('ends all old pods before it makes new ones with Recreate', async () => {
    await deployments().create(deployment('again', 'web:1', { strategy: { type: 'Recreate' } }));
    await until('again');
    await setImage('again', 'web:2');
    await world.until('recreated', async () => {
      const images = new Set((await pods('again')).map(({ spec }) => spec.containers[0]?.image));
      assert.ok(images.size <= 1, 'old and new pods at once');
      return images.has('web:2') && (await rolledOut('again'));
    });
  });

  it('scales in proportion during a rollout, and does nothing else while paused', async () => {
    await deployments().create(
      deployment('prop', 'web:1', {
        replicas: 10,
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } },
      }),
    );
    await until('prop');
    world.play = (pod) => (pod.spec.containers[0]?.image === 'broken' ? 'running' : 'ready');
    await setImage('prop', 'broken');
    await world.until(
      'the rollout is stuck',
      async () =>
        (await sets('prop'))
          .map(({ spec }) => String(spec.replicas))
          .sort()
          .join() === '5,8',
    );
    await patchSpec('prop', { replicas: 15 });
    await world.until(
      'scaled in proportion',
      async () =>
        (await sets('prop'))
          .map(({ spec }) => String(spec.replicas))
          .sort()
          .join() === '11,7',
    );
    await patchSpec('prop', { paused: true });
    await world.until('paused', async () => (await progressing('prop'))?.reason === 'DeploymentPaused');
    await setImage('prop', 'web:3');
    await world.pass(3);
    assert.equal((await sets('prop')).length, 2);
    await patchSpec('prop', { paused: false });
    await until('prop', 120);
    world.play = () => 'ready';
    assert.deepEqual((await sets('prop')).map(({ spec }) => String(spec.replicas)).sort(), ['0', '0', '15']);
  });

  it('reports a rollout that does not advance within its deadline', async () => {
    await deployments().create(deployment('stuck', 'web:1', { replicas: 1, progressDeadlineSeconds: 30 }));
    await until('stuck');
    world.play = (pod) => (pod.spec.containers[0]?.image === 'broken' ? 'running' : 'ready');
    await setImage('stuck', 'broken');
    await world.pass(25);
    assert.equal((await progressing('stuck'))?.reason, 'ReplicaSetUpdated');
    const condition = await world.until(
      'timed out',
      async () => {
        const found = await progressing('stuck');
        return found?.reason === 'ProgressDeadlineExceeded' ? found : undefined;
      },
      20,
    );
    world.play = () => 'ready';
    assert.equal(condition.status, 'False');
    assert.match(condition.message ?? '', /^ReplicaSet "stuck-\w+" has timed out progressing\.$/);
  });

  it('is deleted with all objects that it owns', async () => {
    await deployments().create(deployment('gone', 'web:1'));
    await until('gone');
    await deployments().delete({ namespace: 'default', name: 'gone' });
    await world.until(
      'sets and pods are gone',
      async () => (await sets('gone')).length === 0 && (await pods('gone')).length === 0,
    );
  });
});
