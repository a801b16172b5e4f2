import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Pod } from '#api/types.generated.ts';
import type { World } from './cluster.testing.ts';
import { startWorld } from './cluster.testing.ts';

const node = (world: World, name: string) => world.client.resource('nodes').get({ name });
const pods = async (world: World) => (await world.client.resource('pods').list({ namespace: 'default' })).items;
const isReady = ({ status }: Pod) =>
  status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') === true;
const taints = async (world: World, name: string) =>
  ((await node(world, name)).spec.taints ?? []).map(({ key, effect }) => `${key}:${effect}`).sort();
const events = async (world: World, reason: string) =>
  (await world.client.resource('events').list()).items.filter((event) => event.reason === reason).map(({ message }) => message);

/** The tolerations that upstream's admission adds to every pod (DefaultTolerationSeconds), but with a shorter time. */
const tolerations = ['not-ready', 'unreachable'].map((key) => ({
  key: `node.kubernetes.io/${key}`,
  operator: 'Exists',
  effect: 'NoExecute',
  tolerationSeconds: 60,
}));

describe('a node that sends no heartbeats', () => {
  let world: World;
  before(async () => {
    world = await startWorld({ clusterCidr: '10.244.0.0/16' });
    for (const name of ['n1', 'n2', 'n3']) await world.addNode(name);
    await world.client.resource('services').create({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web', namespace: 'default' },
      spec: {
        selector: { app: 'web' },
        clusterIP: '10.96.0.7',
        clusterIPs: ['10.96.0.7'],
        ipFamilies: ['IPv4'],
        ports: [{ port: 80, targetPort: 8080 }],
      },
    });
    await world.client.resource('replicasets.apps').create({
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: { name: 'web', namespace: 'default' },
      spec: {
        replicas: 3,
        selector: { matchLabels: { app: 'web' } },
        template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image: 'web' }], tolerations } },
      },
    });
    await world.until('three ready pods, one a node', async () => {
      const all = await pods(world);
      return all.filter(isReady).length === 3 && new Set(all.map(({ spec }) => spec.nodeName)).size === 3;
    });
  });
  after(() => world.stop());

  const slice = async () => {
    const [found] = (
      await world.client
        .resource('endpointslices.discovery.k8s.io')
        .list({ namespace: 'default', labelSelector: 'kubernetes.io/service-name=web' })
    ).items;
    return (found?.endpoints ?? []).map(({ nodeName, conditions }) => `${nodeName},${conditions?.ready}`).sort();
  };

  it('becomes Unknown after the grace period and not before, is tainted, and its pods are removed from the Service', async () => {
    world.connected.delete('n3');
    await world.pass(45);
    assert.deepEqual(await taints(world, 'n3'), []);
    await world.until(
      'Unknown',
      async () => (await node(world, 'n3')).status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'Unknown',
      15,
    );
    await world.rest();
    const conditions = ((await node(world, 'n3')).status?.conditions ?? []).map(({ type, status, reason }) => [
      type,
      status,
      reason,
    ]);
    assert.deepEqual(
      conditions.filter(([type]) => type === 'Ready'),
      [['Ready', 'Unknown', 'NodeStatusUnknown']],
    );
    await world.until(
      'tainted',
      async () =>
        (await taints(world, 'n3')).join() ===
        'node.kubernetes.io/unreachable:NoExecute,node.kubernetes.io/unreachable:NoSchedule',
      10,
    );
    await world.until('out of the Service', async () => (await slice()).join(' ') === 'n1,true n2,true n3,false', 5);
    assert.deepEqual((await events(world, 'NodeNotReady')).map(String).sort(), [
      'Node is not ready',
      'Node n3 status is now: NodeNotReady',
    ]);
  });

  it('loses its pods after their toleration seconds, and they are replaced on other nodes', async () => {
    await world.pass(40);
    assert.equal((await pods(world)).filter(({ metadata }) => metadata.deletionTimestamp !== undefined).length, 0);
    await world.until(
      'replaced',
      async () => {
        const alive = (await pods(world)).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
        return alive.filter(isReady).length === 3 && alive.every(({ spec }) => spec.nodeName !== 'n3');
      },
      40,
    );
    const dying = (await pods(world)).find(({ metadata }) => metadata.deletionTimestamp !== undefined);
    assert.equal(dying?.spec.nodeName, 'n3');
    assert.deepEqual(
      dying?.status?.conditions?.filter(({ type }) => type === 'DisruptionTarget').map(({ reason }) => reason),
      ['DeletionByTaintManager'],
    );
    assert.deepEqual(await events(world, 'TaintManagerEviction'), [`Marking for deletion Pod default/${dying?.metadata.name}`]);
  });

  it('loses its taints when it comes back, and its old pod is deleted', async () => {
    world.connected.add('n3');
    await world.until('clean', async () => (await taints(world, 'n3')).length === 0 && (await pods(world)).length === 3, 20);
  });

  it('keeps a pod whose node comes back in time', async () => {
    const before = (await pods(world)).map(({ metadata }) => metadata.uid).sort();
    world.connected.delete('n2');
    await world.until('tainted', async () => (await taints(world, 'n2')).length === 2, 80);
    await world.pass(30);
    world.connected.add('n2');
    await world.pass(90);
    assert.deepEqual((await pods(world)).map(({ metadata }) => metadata.uid).sort(), before);
    assert.ok(
      (await events(world, 'TaintManagerEviction')).some((message) => message?.startsWith('Cancelling deletion of Pod default/')),
    );
  });

  it('has its pods force-deleted when its Node is deleted', async () => {
    world.connected.delete('n3');
    const orphan = (await pods(world)).find(({ spec }) => spec.nodeName === 'n2');
    world.connected.delete('n2');
    await world.client.resource('nodes').delete({ name: 'n2' });
    await world.until(
      'collected',
      async () => !(await pods(world)).some(({ metadata }) => metadata.uid === orphan?.metadata.uid),
      60,
    );
    assert.ok((await events(world, 'RemovingNode')).includes('Node n2 event: Removing Node n2 from Controller'));
  });
});

describe('pod garbage collection', () => {
  it('marks a pod as failed before it deletes one that never had a node', async (t) => {
    const world = await startWorld();
    t.after(() => world.stop());
    const pod = await world.client.resource('pods').create({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'nowhere', namespace: 'default', finalizers: ['example.com/hold'] },
      spec: { containers: [{ name: 'c', image: 'i' }] },
    });
    await world.client.resource('pods').delete(pod.metadata);
    const failed = await world.until('failed', async () => (await pods(world)).find(({ status }) => status?.phase === 'Failed'));
    assert.deepEqual(failed.status?.conditions?.filter(({ type }) => type === 'DisruptionTarget') ?? [], []);
  });
});

describe('a wall clock that is set', () => {
  it('neither makes a node fail nor a failed node healthy', async (t) => {
    const world = await startWorld();
    t.after(() => world.stop());
    for (const name of ['n1', 'n2']) await world.addNode(name);
    const isUnknown = async (name: string) =>
      (await node(world, name)).status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'Unknown') === true;
    await world.pass(10);
    // The clock jumps as when a laptop wakes up.
    world.clock.setBy(3_600_000);
    await world.rest();
    await world.clock.advance(6000);
    await world.rest();
    assert.equal(await isUnknown('n1'), false);
    await world.pass(10);
    world.connected.delete('n2');
    world.clock.setBy(-7_200_000);
    await world.until('silent for the grace period', () => isUnknown('n2'), 70);
    assert.equal(await isUnknown('n1'), false);
  });
});

describe('a cluster in which no node sends heartbeats', () => {
  it('evicts no pods, because the control plane is disconnected', async (t) => {
    const world = await startWorld();
    t.after(() => world.stop());
    await world.addNode('n1');
    await world.addNode('n2');
    world.connected.clear();
    await world.until(
      'both Unknown',
      async () =>
        (await Promise.all(['n1', 'n2'].map((name) => node(world, name)))).every(
          ({ status }) => status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'Unknown',
        ),
      80,
    );
    await world.pass(30);
    for (const name of ['n1', 'n2']) assert.deepEqual(await taints(world, name), ['node.kubernetes.io/unreachable:NoSchedule']);
  });
});

describe('pod CIDRs', () => {
  it('are unique per node, and are reused after a Node is deleted', async (t) => {
    const world = await startWorld({ clusterCidr: '10.244.0.0/23' });
    t.after(() => world.stop());
    await Promise.all(
      ['a', 'b', 'c'].map((name) =>
        world.client.resource('nodes').create({ apiVersion: 'v1', kind: 'Node', metadata: { name }, spec: {} }),
      ),
    );
    const ranges = async () =>
      (await world.client.resource('nodes').list()).items.map(
        ({ metadata, spec }) => [metadata.name, spec.podCIDRs?.join()] as const,
      );
    const given = await world.until('two ranges given', async () => {
      const all = await ranges();
      return all.filter(([, range]) => range !== undefined).length === 2 ? all : undefined;
    });
    assert.deepEqual(
      given
        .map(([, range]) => range)
        .filter((range) => range !== undefined)
        .sort(),
      ['10.244.0.0/24', '10.244.1.0/24'],
    );
    const [without] = given.find(([, range]) => range === undefined) ?? [''];
    const [winner] = given.find(([, range]) => range !== undefined) ?? [''];
    await world.client.resource('nodes').delete({ name: winner });
    await world.until('the third has one', async () => (await ranges()).find(([name]) => name === without)?.[1] !== undefined, 5);
    assert.ok((await events(world, 'CIDRNotAvailable')).includes(`Node ${without} status is now: CIDRNotAvailable`));
  });
});
