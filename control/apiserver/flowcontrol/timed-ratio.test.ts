import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TimedRatio } from './timed-ratio.ts';

describe('a share over time', () => {
  it('counts the nanoseconds that it was in each range', () => {
    const ratio = new TimedRatio([0, 0.5, 1], 1000);
    ratio.setDenominator(10, 1000);
    ratio.set(5, 1002);
    ratio.set(12, 1003);
    ratio.setDenominator(12, 1004);
    ratio.set(0, 1005);
    const { counts, count, sum } = ratio.read(1005.5);
    // Two ms at 0, one at 1/2, one at 1.2, one at 1, half a ms at 0.
    assert.deepEqual(counts, [2.5e6, 3.5e6, 4.5e6]);
    assert.equal(count, 5.5e6);
    assert.ok(Math.abs(sum - (0.5 + 1.2 + 1) * 1e6) < 1);
  });
});
