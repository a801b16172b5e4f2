import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { VirtualTime } from './virtual-time.ts';

describe('virtual time', () => {
  it('fires timers in the order of their times, those of one moment in the order in which they were set', () => {
    const time = new VirtualTime(0);
    const fired: [atMs: number, set: number][] = [];
    for (let set = 0; set < 500; set++) {
      const atMs = (set * 17) % 41;
      time.after(atMs, () => fired.push([time.monotonic(), set]));
    }
    while (time.step());
    assert.equal(fired.length, 500);
    const sorted = [...fired].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    assert.deepEqual(fired, sorted);
  });

  it('does not fire what was cancelled, nor what a world before has set', () => {
    const time = new VirtualTime(0);
    const fired: string[] = [];
    time.after(1, () => fired.push('cancelled'))();
    time.after(2, () => fired.push('before'));
    time.reset(0);
    time.after(3, () => fired.push('now'));
    while (time.step());
    assert.deepEqual(fired, ['now']);
  });

  it('has a wall clock that can be set without time passing', () => {
    const time = new VirtualTime(1000);
    time.setBy(-400);
    assert.deepEqual([time.now(), time.monotonic()], [600, 0]);
  });
});
