import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '#client/clock.ts';
import { createBackOff, goDuration } from './backoff.ts';

describe('back-off', () => {
  const options = { initialMs: 10_000, maxMs: 300_000 };
  it('lets the first failure pass, then doubles from 10 s to 5 min', async () => {
    const clock = new FakeClock();
    const backOff = createBackOff(clock, options);
    const delays: number[] = [];
    assert.equal(backOff.isWaiting('k', clock.now()), false);
    for (let failure = 0; failure < 7; failure++) {
      backOff.next('k', clock.now());
      delays.push(backOff.delayMs('k') / 1000);
      await clock.advance(backOff.delayMs('k'));
    }
    assert.deepEqual(delays, [10, 20, 40, 80, 160, 300, 300]);
  });
  it('waits from the end of the last try', async () => {
    const clock = new FakeClock();
    const backOff = createBackOff(clock, options);
    backOff.next('k', clock.now());
    await clock.advance(60_000);
    const ended = clock.now();
    assert.equal(backOff.isWaiting('k', ended), true);
    await clock.advance(9_999);
    assert.equal(backOff.isWaiting('k', ended), true);
    await clock.advance(1);
    assert.equal(backOff.isWaiting('k', ended), false);
  });
  it('starts over after ten quiet minutes', async () => {
    const clock = new FakeClock();
    const backOff = createBackOff(clock, options);
    for (let failure = 0; failure < 4; failure++) backOff.next('k', clock.now());
    await clock.advance(600_001);
    assert.equal(backOff.isWaiting('k', clock.now()), false);
    backOff.next('k', clock.now());
    assert.equal(backOff.delayMs('k'), 10_000);
  });
});

describe('goDuration', () => {
  const cases: [number, string][] = [
    [0, '0s'],
    [250, '250ms'],
    [1_500, '1.5s'],
    [10_000, '10s'],
    [80_000, '1m20s'],
    [300_000, '5m0s'],
    [3_600_000, '1h0m0s'],
  ];
  for (const [ms, text] of cases) it(`writes ${ms} ms as ${text}`, () => assert.equal(goDuration(ms), text));
});
