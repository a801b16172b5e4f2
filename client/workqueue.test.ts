import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from './clock.ts';
import { createWorkQueue } from './workqueue.ts';

describe('work queue', () => {
  it('holds a key once', async () => {
    const queue = createWorkQueue(new FakeClock());
    queue.add('a');
    queue.add('b');
    queue.add('a');
    assert.deepEqual([await queue.next(), await queue.next(), queue.length], ['a', 'b', 0]);
  });

  it('gives a key to one worker at a time, and again after what came meanwhile', async () => {
    const queue = createWorkQueue(new FakeClock());
    queue.add('a');
    await queue.next();
    queue.add('a');
    queue.add('a');
    assert.equal(queue.length, 0);
    queue.done('a');
    assert.equal(queue.length, 1);
    assert.equal(await queue.next(), 'a');
    queue.done('a');
    assert.equal(queue.length, 0);
  });

  it('wakes a waiting worker', async () => {
    const queue = createWorkQueue(new FakeClock());
    const waiting = queue.next();
    queue.add('a');
    assert.equal(await waiting, 'a');
  });

  it('delays, the sooner time winning', async () => {
    const clock = new FakeClock();
    const queue = createWorkQueue(clock);
    queue.addAfter('a', 1000);
    queue.addAfter('a', 100);
    queue.addAfter('a', 5000);
    await clock.advance(99);
    assert.equal(queue.length, 0);
    await clock.advance(1);
    assert.equal(queue.length, 1);
    assert.equal(await queue.next(), 'a');
    queue.done('a');
    await clock.advance(10_000);
    assert.equal(queue.length, 0);
  });

  it('doubles the back-off up to the limit, and starts anew after forget', async () => {
    const clock = new FakeClock();
    const queue = createWorkQueue(clock, { firstBackOffMs: 5, maxBackOffMs: 20 });
    const delay = async (): Promise<number> => {
      queue.addRateLimited('a');
      const startMs = clock.now();
      while (queue.length === 0) await clock.advance(1);
      await queue.next();
      queue.done('a');
      return clock.now() - startMs;
    };
    assert.deepEqual([await delay(), await delay(), await delay(), await delay()], [5, 10, 20, 20]);
    queue.forget('a');
    assert.equal(await delay(), 5);
  });

  it('finishes what is queued before it is drained, and takes nothing new', async () => {
    const clock = new FakeClock();
    const queue = createWorkQueue(clock);
    queue.add('a');
    queue.addAfter('late', 10);
    queue.shutDown();
    queue.add('b');
    let drained = false;
    const end = queue.drained().then(() => (drained = true));
    assert.equal(await queue.next(), 'a');
    await clock.advance(100);
    assert.equal(drained, false);
    queue.done('a');
    await end;
    assert.equal(await queue.next(), undefined);
  });
});
