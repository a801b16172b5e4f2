import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { World } from './cluster.testing.ts';
import { type Kubectl, startWorldWithKubectl } from './kubectl.testing.ts';

describe('kubectl rollout', () => {
  let world: World;
  let client: Kubectl;

  before(async () => {
    ({ world, kubectl: client } = await startWorldWithKubectl('n1'));
  });

  after(async () => {
    await world.stop();
    await client.stop();
  });

  const kubectl = (args: string): Promise<string> => client.run(args);
  const rolledOut = () =>
    world.until('rolled out', async () => {
      const { metadata, status } = await world.client.resource('deployments.apps').get({ namespace: 'default', name: 'web' });
      return (
        status?.observedGeneration === metadata.generation &&
        status?.updatedReplicas === 2 &&
        status.replicas === 2 &&
        status.availableReplicas === 2
      );
    });

  it('shows status and history, undoes, pauses, resumes, restarts', async () => {
    await kubectl('create deployment web --image=web:1 --replicas=2');
    await rolledOut();
    assert.equal(await kubectl('rollout status deployment/web --watch=false'), 'deployment "web" successfully rolled out\n');

    world.play = (pod) => (pod.spec.containers[0]?.image === 'web:2' ? 'running' : 'ready');
    await kubectl('set image deployment/web web=web:2');
    await world.pass(3);
    assert.match(
      await kubectl('rollout status deployment/web --watch=false'),
      /^Waiting for deployment "web" rollout to finish: 1 out of 2 new replicas have been updated/,
    );

    assert.match(await kubectl('rollout undo deployment/web'), /^deployment\.apps\/web rolled back/);
    await rolledOut();
    assert.match(await kubectl('rollout history deployment/web'), /REVISION +CHANGE-CAUSE\n2 +<none>\n3 +<none>\n/);
    assert.match(await kubectl('rollout history deployment/web --revision=2'), /Image:\s+web:2/);
    assert.match(await kubectl('rollout undo deployment/web --to-revision=7'), /unable to find specified revision 7 in history/);

    assert.match(await kubectl('rollout pause deployment/web'), /web paused/);
    assert.match(await kubectl('rollout undo deployment/web'), /you cannot rollback a paused deployment/);
    assert.match(await kubectl('rollout resume deployment/web'), /web resumed/);
    world.play = () => 'ready';
    assert.match(await kubectl('rollout restart deployment/web'), /web restarted/);
    await rolledOut();
    assert.equal((await world.client.resource('replicasets.apps').list({ namespace: 'default' })).items.length, 3);
    assert.match(
      await kubectl('describe deployment web'),
      /NewReplicaSetAvailable[\s\S]*ScalingReplicaSet[\s\S]*deployment-controller[\s\S]*Scaled up replica set web-/,
    );
  });
});
