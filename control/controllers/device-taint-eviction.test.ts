import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { rfc3339 } from '#api/meta.ts';
import type { Device, DeviceToleration, Pod } from '#api/types.generated.ts';
import { startWorld, type World } from './cluster.testing.ts';
import { ControllerMonitors } from './monitors/index.ts';
import { ttlStep } from './node-ttl.ts';

const namespace = 'default';
const driver = 'gpu.example.com';

describe('device taint eviction', () => {
  let world: World;
  const monitors = new ControllerMonitors();
  before(async () => {
    world = await startWorld({ monitors });
    await world.addNode('n1');
  });
  after(() => world.stop());

  const publish = async (pool: string, devices: Device[]): Promise<void> => {
    const slices = world.client.resource('resourceslices.resource.k8s.io');
    const made = {
      apiVersion: 'resource.k8s.io/v1',
      kind: 'ResourceSlice',
      metadata: { name: pool },
      spec: { driver, nodeName: 'n1', pool: { name: pool, generation: 1, resourceSliceCount: 1 }, devices },
    };
    const found = (await slices.list()).items.find(({ metadata }) => metadata.name === pool);
    if (found === undefined) await slices.create(made);
    else await slices.update({ ...found, spec: made.spec });
  };
  const podWith = async (name: string, pool: string, tolerations: DeviceToleration[] = []): Promise<Pod> => {
    const claims = world.client.resource('resourceclaims.resource.k8s.io');
    const claim = await claims.create({
      apiVersion: 'resource.k8s.io/v1',
      kind: 'ResourceClaim',
      metadata: { name, namespace },
      spec: { devices: { requests: [{ name: 'one', exactly: { deviceClassName: 'gpu', tolerations } }] } },
    });
    const pod = await world.client.resource('pods').create({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace },
      spec: {
        nodeName: 'n1',
        containers: [{ name: 'c', image: 'i' }],
        resourceClaims: [{ name: 'gpu', resourceClaimName: name }],
      },
    });
    await claims.updateStatus({
      ...claim,
      status: {
        allocation: {
          devices: {
            results: [{ request: 'one', driver, pool, device: 'd', ...(tolerations.length === 0 ? {} : { tolerations }) }],
          },
        },
        reservedFor: [{ resource: 'pods', name, uid: pod.metadata.uid }],
      },
    });
    return pod;
  };
  const isThere = async (name: string): Promise<boolean> =>
    (await world.client.resource('pods').list({ namespace })).items.some(({ metadata }) => metadata.name === name);
  const tainted = (effect: string): Device => ({
    name: 'd',
    taints: [{ key: 'broken', value: 'x', effect, timeAdded: rfc3339(world.clock.now()) }],
  });

  it('deletes pods whose claims do not tolerate a taint of their device, at once or later, and no others', async () => {
    for (const pool of ['p', 'q']) await publish(pool, [{ name: 'd' }]);
    await podWith('plain', 'p');
    await podWith('elsewhere', 'q');
    await podWith('patient', 'p', [{ key: 'broken', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 20 }]);
    await podWith('hardy', 'p', [{ key: 'broken', operator: 'Exists', effect: 'NoExecute' }]);
    await world.pass(3);
    await publish('p', [tainted('NoSchedule')]);
    await world.pass(3);
    assert.ok(await isThere('plain'));
    await publish('p', [tainted('NoExecute')]);
    await world.pass(4);
    assert.deepEqual([await isThere('plain'), await isThere('patient')], [false, true]);
    const { items } = await world.client.resource('events').list({ namespace });
    assert.ok(
      items.some(
        ({ reason, message, involvedObject }) =>
          reason === 'DeviceTaintManagerEviction' && message === 'Marking for deletion' && involvedObject.name === 'plain',
      ),
    );
    await world.pass(25);
    assert.deepEqual([await isThere('patient'), await isThere('hardy'), await isThere('elsewhere')], [false, true, true]);
    const counted = monitors.deviceEvictions.metrics[0];
    assert.equal((await counted?.get())?.values[0]?.value, 2);
  });

  it('lets a pod stay when the taint goes in time', async () => {
    await publish('r', [tainted('NoExecute')]);
    await podWith('saved', 'r', [{ key: 'broken', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 60 }]);
    await world.pass(5);
    await publish('r', [{ name: 'd' }]);
    await world.pass(70);
    assert.ok(await isThere('saved'));
  });

  it('nodes know for how long kubelets may believe what they know', async () => {
    assert.equal(
      (await world.client.resource('nodes').get({ name: 'n1' })).metadata.annotations?.['node.alpha.kubernetes.io/ttl'],
      '0',
    );
    for (const [before, nodes, after_] of [
      [0, 100, 0],
      [0, 101, 1],
      [1, 95, 1],
      [1, 89, 0],
      [0, 5000, 4],
      [4, 1799, 3],
    ] as const)
      assert.equal(ttlStep(before, nodes), after_, `${before} ${nodes}`);
  });
});
