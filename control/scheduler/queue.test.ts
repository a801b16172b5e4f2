import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '#client/clock.ts';
import { node, type PodFixture, pod } from './objects.testing.ts';
import { SchedulingQueue } from './queue.ts';

const never = new AbortController().signal;
const fit: ReadonlySet<string> = new Set(['NodeResourcesFit']);
const resourcesFreed = { kind: 'resourcesFreed', pod: pod('gone', { cpu: '1' }) } as const;

function queueOf(...pods: [string, PodFixture?][]): { queue: SchedulingQueue; clock: FakeClock } {
  const clock = new FakeClock();
  const queue = new SchedulingQueue(clock);
  for (const [name, fixture] of pods) queue.upsert(pod(name, fixture));
  return { queue, clock };
}

/** The name of the next pod, or undefined when no pod is ready now. */
async function popNow(queue: SchedulingQueue): Promise<string | undefined> {
  const abort = new AbortController();
  const popped = queue.pop(abort.signal);
  // Pods that are ready are taken before this. Then the abort ends the wait.
  await Promise.resolve();
  abort.abort();
  return (await popped)?.pod.metadata.name;
}

describe('SchedulingQueue', () => {
  it('waits for the whole back-off also when the wall clock is set back', async () => {
    const { queue, clock } = queueOf(['a']);
    await queue.pop(never);
    queue.failed('uid-a');
    clock.setBy(-3_600_000);
    queue.upsert(pod('b'));
    await queue.pop(never);
    await clock.advance(1000);
    assert.equal(queue.lengths().active, 1);
  });

  it('orders by priority, then by arrival', async () => {
    const { queue } = queueOf(['a'], ['b', { priority: 5 }], ['c'], ['d', { priority: 5 }]);
    const order = [];
    for (let index = 0; index < 4; index++) order.push(await popNow(queue));
    assert.deepEqual(order, ['b', 'd', 'a', 'c']);
  });

  it('wakes a waiting pop when a pod is added', async () => {
    const { queue } = queueOf();
    const waiting = queue.pop(never);
    queue.upsert(pod('a'));
    assert.equal((await waiting)?.pod.metadata.name, 'a');
  });

  it('does not retry a rejected pod before an event that may help', async () => {
    const { queue, clock } = queueOf(['a', { cpu: '1' }]);
    await popNow(queue);
    queue.rejected('uid-a', fit);
    await clock.advance(60_000);
    queue.move({ kind: 'nodeUpdated', node: node('n'), changes: new Set(['taints']) });
    assert.equal(await popNow(queue), undefined);
    queue.move(resourcesFreed);
    assert.equal(await popNow(queue), 'a');
  });

  it('does not lose an event that comes while the pod is in flight', async () => {
    const { queue, clock } = queueOf(['a', { cpu: '1' }]);
    await popNow(queue);
    queue.move(resourcesFreed);
    queue.rejected('uid-a', fit);
    assert.deepEqual(queue.lengths(), { active: 0, backoff: 1, unschedulable: 0, gated: 0, inFlight: 0 });
    await clock.advance(1000);
    assert.equal(queue.lengths().active, 1);
  });

  it('does not lose a change of the pod itself while it is in flight', async () => {
    const { queue } = queueOf(['a']);
    await popNow(queue);
    queue.upsert(pod('a', { tolerations: [{ operator: 'Exists' }] }));
    queue.rejected('uid-a', new Set(['TaintToleration']));
    assert.equal(queue.lengths().unschedulable, 0);
  });

  it('backs off 1 s, 2 s, 4 s, 8 s, 10 s after errors, whatever happens in the cluster', async () => {
    const { queue, clock } = queueOf(['a']);
    const waits = [];
    for (let attempt = 0; attempt < 6; attempt++) {
      assert.equal(await popNow(queue), 'a');
      queue.failed('uid-a');
      queue.move(resourcesFreed);
      const failedMs = clock.now();
      while (queue.lengths().active === 0) await clock.advance(500);
      waits.push(clock.now() - failedMs);
    }
    assert.deepEqual(waits, [1000, 2000, 4000, 8000, 10_000, 10_000]);
  });

  it('does not wait for the back-off of a rejected pod when no other pod is ready', async () => {
    const { queue } = queueOf(['a', { cpu: '1' }], ['b', { cpu: '1' }]);
    assert.equal(await popNow(queue), 'a');
    queue.rejected('uid-a', fit);
    queue.move(resourcesFreed);
    assert.equal(await popNow(queue), 'b', 'active ones first');
    assert.equal(await popNow(queue), 'a');
    queue.failed('uid-a');
    assert.equal(await popNow(queue), undefined, 'but after an error it waits');
  });

  it('tries every pod again after five minutes', async () => {
    const { queue, clock } = queueOf(['a']);
    await popNow(queue);
    queue.rejected('uid-a', fit);
    await clock.advance(299_000);
    assert.equal(queue.lengths().unschedulable, 1);
    await clock.advance(31_000);
    assert.equal(await popNow(queue), 'a');
  });

  it('holds a gated pod until its gates are gone', async () => {
    const { queue } = queueOf(['a', { schedulingGates: [{ name: 'example.com/wait' }] }]);
    queue.move(resourcesFreed);
    assert.equal(await popNow(queue), undefined);
    queue.upsert(pod('a'));
    assert.equal(await popNow(queue), 'a');
  });

  it('forgets a pod that is removed while it is in flight', async () => {
    const { queue } = queueOf(['a']);
    await popNow(queue);
    queue.remove('uid-a');
    queue.rejected('uid-a', fit);
    queue.failed('uid-a');
    assert.deepEqual(Object.values(queue.lengths()), [0, 0, 0, 0, 0]);
  });

  it('does not retry when only the pod’s status changes', async () => {
    const { queue } = queueOf(['a', { cpu: '1' }]);
    await popNow(queue);
    queue.rejected('uid-a', fit);
    queue.upsert(pod('a', { cpu: '1', status: { conditions: [{ type: 'PodScheduled', status: 'False' }] } }));
    assert.equal(queue.lengths().unschedulable, 1);
    queue.upsert(pod('a', { cpu: '500m' }));
    assert.equal(await popNow(queue), 'a');
  });
});
