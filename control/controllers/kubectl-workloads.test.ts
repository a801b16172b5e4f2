/** kubectl's commands for ReplicationControllers, DaemonSets and StatefulSets. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { World } from './cluster.testing.ts';
import { type Kubectl, startWorldWithKubectl } from './kubectl.testing.ts';

const pods = (name: string, image: string, more: object = {}): object => ({
  selector: { matchLabels: { app: name } },
  template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image }] } },
  ...more,
});
const manifest = (kind: string, name: string, spec: object): string =>
  JSON.stringify({
    apiVersion: 'apps/v1',
    kind,
    metadata: { name, annotations: { 'kubernetes.io/change-cause': 'begun' } },
    spec,
  });

describe('kubectl and workloads', () => {
  let world: World;
  let kubectl: Kubectl;

  before(async () => {
    ({ world, kubectl } = await startWorldWithKubectl('n1', 'n2'));
  });
  after(async () => {
    await world.stop();
    await kubectl.stop();
  });

  const statefulSet = () => world.client.resource('statefulsets.apps').get({ namespace: 'default', name: 'db' });
  const daemonSet = () => world.client.resource('daemonsets.apps').get({ namespace: 'default', name: 'agent' });

  it('a ReplicationController is created, scaled, described and deleted with its pods', async () => {
    const { selector: _, ...spec } = pods('old', 'c:1') as { selector: object };
    const rc = JSON.stringify({ apiVersion: 'v1', kind: 'ReplicationController', metadata: { name: 'old' }, spec });
    assert.equal(await kubectl.run('create -f -', rc), 'replicationcontroller/old created\n');
    assert.equal(await kubectl.run('scale rc old --replicas=2'), 'replicationcontroller/old scaled\n');
    await world.until('two', async () => {
      const { status } = await world.client.resource('replicationcontrollers').get({ namespace: 'default', name: 'old' });
      return status?.readyReplicas === 2;
    });
    assert.match(await kubectl.run('get rc -o wide'), /old +2 +2 +2 +\S+ +c +c:1 +app=old\n/);
    assert.match(
      await kubectl.run('describe rc old'),
      /Replicas: +2 current \/ 2 desired[\s\S]*SuccessfulCreate[\s\S]*replication-controller/,
    );
    assert.match(await kubectl.run('delete rc old'), /replicationcontroller "old" deleted/);
    await world.until(
      'no pods',
      async () => (await world.client.resource('pods').list({ namespace: 'default' })).items.length === 0,
    );
  });

  it('a StatefulSet is scaled, rolled out, undone, and tells its history', async () => {
    await kubectl.run('apply -f -', manifest('StatefulSet', 'db', pods('db', 'c:1', { replicas: 1, serviceName: 'db' })));
    await kubectl.run('scale statefulset db --replicas=2');
    const settled = () =>
      world.until('settled', async () => {
        const { status, metadata } = await statefulSet();
        return (
          status?.observedGeneration === metadata.generation &&
          status?.readyReplicas === 2 &&
          status.currentRevision === status.updateRevision
        );
      });
    await settled();
    // A partition is defaulted, so kubectl speaks of one.
    assert.equal(
      await kubectl.run('rollout status statefulset/db --watch=false'),
      'partitioned roll out complete: 2 new pods have been updated...\n',
    );
    assert.match(await kubectl.run('get sts'), /NAME +READY +AGE\ndb +2\/2 /);
    await kubectl.run('set image statefulset/db c=c:2');
    await settled();
    assert.match(await kubectl.run('rollout history sts/db'), /REVISION +CHANGE-CAUSE\n1 +begun\n2 +begun\n/);
    assert.match(await kubectl.run('rollout history sts/db --revision=1'), /Image:\s+c:1/);
    assert.match(await kubectl.run('rollout undo sts/db'), /statefulset\.apps\/db rolled back/);
    await settled();
    assert.match(await kubectl.run('rollout history sts/db'), /\n2 +begun\n3 +begun\n/);
    assert.equal((await statefulSet()).spec.template.spec?.containers[0]?.image, 'c:1');
    assert.match(await kubectl.run('rollout restart sts/db'), /statefulset\.apps\/db restarted/);
    await settled();
    assert.match(
      await kubectl.run('describe sts db'),
      /SuccessfulCreate[\s\S]*statefulset-controller[\s\S]*Create Pod db-0 in StatefulSet db successful/,
    );
    assert.match(await kubectl.run('explain sts.spec.ordinals.start'), /FIELD: start <integer>/);
    assert.match(await kubectl.run('delete sts db --cascade=orphan'), /statefulset\.apps "db" deleted/);
    await world.pass(2);
    assert.equal((await world.client.resource('pods').list({ namespace: 'default' })).items.length, 2);
    await kubectl.run('delete pods --all --force --grace-period=0');
  });

  it('a DaemonSet is rolled out, undone, and tells its history', async () => {
    await kubectl.run('apply -f -', manifest('DaemonSet', 'agent', pods('agent', 'c:1')));
    const settled = () =>
      world.until('settled', async () => {
        const { status, metadata } = await daemonSet();
        return (
          status?.observedGeneration === metadata.generation &&
          status?.numberAvailable === 2 &&
          status.updatedNumberScheduled === 2
        );
      });
    await settled();
    assert.equal(await kubectl.run('rollout status ds/agent --watch=false'), 'daemon set "agent" successfully rolled out\n');
    assert.match(await kubectl.run('get ds -o wide'), /agent +2 +2 +2 +2 +2 +<none> +\S+ +c +c:1 +app=agent\n/);
    await kubectl.run('set image ds/agent c=c:2');
    await settled();
    assert.match(await kubectl.run('rollout history ds/agent'), /REVISION +CHANGE-CAUSE\n1 +begun\n2 +begun\n/);
    assert.match(await kubectl.run('rollout undo ds/agent --to-revision=1'), /daemonset\.apps\/agent rolled back/);
    await settled();
    assert.equal((await daemonSet()).spec.template.spec?.containers[0]?.image, 'c:1');
    assert.match(await kubectl.run('rollout history ds/agent'), /\n2 +begun\n3 +begun\n/);
    assert.match(await kubectl.run('rollout undo ds/agent --to-revision=9'), /unable to find specified revision 9 in history/);
    assert.match(await kubectl.run('get controllerrevisions'), /agent-\S+ +daemonset\.apps\/agent +3 /);
    assert.match(
      await kubectl.run('describe ds agent'),
      /Desired Number of Nodes Scheduled: 2[\s\S]*SuccessfulCreate[\s\S]*daemonset-controller/,
    );
    assert.match(await kubectl.run('delete ds agent'), /daemonset\.apps "agent" deleted/);
  });
});
