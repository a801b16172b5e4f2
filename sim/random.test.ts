import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRandom } from './random.ts';

describe('random', () => {
  it('gives the same numbers for the same seed, and others for a fork', () => {
    const numbers = (seed: string): number[] => Array.from({ length: 5 }, createRandom(seed).next);
    assert.deepEqual(numbers('1'), numbers('1'));
    assert.notDeepEqual(numbers('1'), numbers('2'));
    const one = createRandom('1');
    assert.notDeepEqual(one.fork('a').next(), one.fork('b').next());
  });

  it('is even enough, and stays within its bounds', () => {
    const random = createRandom('even');
    const counts = [0, 0, 0, 0];
    for (let draw = 0; draw < 4000; draw++) {
      const at = random.between(0, 3);
      counts[at] = (counts[at] ?? NaN) + 1;
    }
    for (const count of counts) assert.ok(count > 850 && count < 1150, String(counts));
  });
});
