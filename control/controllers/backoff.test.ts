import assert from 'node:assert/strict';
import { it } from 'node:test';
import { BackOff } from './backoff.ts';

it('delays double up to the limit, each key for itself, and begin anew after a rest', () => {
  const backOff = new BackOff({ initialMs: 1000, maxMs: 4000 });
  let nowMs = 0;
  assert.equal(backOff.remainingMs('a', nowMs), 0);
  for (const delayMs of [1000, 2000, 4000, 4000]) {
    backOff.next('a', nowMs);
    assert.equal(backOff.remainingMs('a', nowMs), delayMs);
    assert.equal(backOff.remainingMs('a', nowMs + delayMs - 1), 1);
    nowMs += delayMs;
    assert.equal(backOff.remainingMs('a', nowMs), 0);
  }
  assert.equal(backOff.remainingMs('b', nowMs), 0);
  nowMs += 10_000;
  backOff.next('a', nowMs);
  assert.equal(backOff.remainingMs('a', nowMs), 1000);
});
