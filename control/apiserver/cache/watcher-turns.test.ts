import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Clock } from '#client/clock.ts';
import { WatcherTurns } from './watcher-turns.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('turns of watchers', () => {
  function setUp(count: number, costMs = 0) {
    let nowMs = 0;
    let due = { atMs: Number.POSITIVE_INFINITY, callback: (): void => {} };
    const clock: Clock = {
      now: () => nowMs,
      monotonic: () => nowMs,
      after(delayMs, callback) {
        due = { atMs: nowMs + delayMs, callback };
        return () => {};
      },
    };
    /** To be called while no watcher is told: telling takes time by itself. */
    const pass = (byMs: number): void => {
      nowMs += byMs;
      if (nowMs < due.atMs) return;
      due.atMs = Number.POSITIVE_INFINITY;
      due.callback();
    };
    const told: number[] = Array.from({ length: count }, () => 0);
    const watchers = told.map((_, index) => ({
      changed: () => {
        told[index] = (told[index] ?? 0) + 1;
        nowMs += costMs;
      },
    }));
    return { pass, told, turns: new WatcherTurns(new Set(watchers), clock) };
  }

  it('tell of all changes of one turn of the loop at once, at its end', async () => {
    const { told, turns } = setUp(2);
    turns.changed();
    turns.changed();
    assert.deepEqual([told, turns.isUnderWay], [[0, 0], true]);
    await turn();
    assert.deepEqual(told, [1, 1]);
    await turn();
    assert.equal(turns.isUnderWay, false);
    turns.changed();
    await turn();
    assert.deepEqual(told, [2, 2]);
  });

  it('let others have their turn between many watchers, and tell all of them of what changes meanwhile', async () => {
    const { told, turns } = setUp(300);
    turns.changed();
    await turn();
    assert.deepEqual([told[0], told[127], told[128], told[299]], [1, 1, 0, 0]);
    turns.changed();
    for (let count = 0; count < 3; count++) await turn();
    assert.ok(told.every((times) => times >= 1));
    for (let count = 0; count < 4; count++) await turn();
    assert.ok(told.every((times) => times === 2));
    assert.equal(turns.isUnderWay, false);
  });

  it('rest as long as a pass took, and not when that was long ago', async () => {
    const { pass, told, turns } = setUp(5, 2);
    turns.changed();
    await turn();
    await turn();
    turns.changed();
    await turn();
    assert.deepEqual(told, [1, 1, 1, 1, 1]);
    pass(9);
    assert.deepEqual(told, [1, 1, 1, 1, 1]);
    pass(1);
    assert.deepEqual(told, [2, 2, 2, 2, 2]);
    await turn();
    pass(10);
    turns.changed();
    await turn();
    assert.deepEqual(told, [3, 3, 3, 3, 3]);
  });
});
