import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import { FakeClock, sleep, systemClock } from './clock.ts';

describe('system clock', () => {
  it('waits longer than a timer of Node can', (t) => {
    mock.timers.enable({ apis: ['setTimeout'] });
    t.after(() => mock.timers.reset());
    let fired = 0;
    const dayMs = 86_400_000;
    systemClock.after(60 * dayMs, () => fired++);
    const cancel = systemClock.after(60 * dayMs, () => fired++);
    for (let day = 0; day < 59; day++) mock.timers.tick(dayMs);
    assert.equal(fired, 0);
    cancel();
    // Each further timer begins with a tick, so up to a day late.
    for (let day = 0; day < 2; day++) mock.timers.tick(dayMs);
    assert.equal(fired, 1);
  });
});

describe('sleep', () => {
  it('is for thousands with one signal: they share a listener, and those that have ended are forgotten', async () => {
    const clock = new FakeClock();
    const abort = new AbortController();
    let listeners = 0;
    const add = abort.signal.addEventListener.bind(abort.signal);
    abort.signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners++;
      add(...args);
    };
    let woken = 0;
    const all = Array.from({ length: 2_000 }, async (_, index) => {
      await sleep(clock, index < 1_000 ? 1_000 : 60_000, abort.signal);
      woken++;
    });
    assert.equal(listeners, 1);
    await clock.advance(1_000);
    assert.equal(woken, 1_000);
    abort.abort();
    await Promise.all(all);
    assert.equal(woken, 2_000);
  });

  it('ends at its time, or at once when aborted', async () => {
    const clock = new FakeClock();
    const abort = new AbortController();
    const ended: string[] = [];
    const naps = [
      sleep(clock, 100).then(() => ended.push('slept')),
      sleep(clock, 1e9, abort.signal).then(() => ended.push('aborted')),
    ];
    await clock.advance(99);
    assert.deepEqual(ended, []);
    abort.abort();
    await clock.advance(1);
    await Promise.all(naps);
    assert.deepEqual(ended, ['aborted', 'slept']);
  });
});
