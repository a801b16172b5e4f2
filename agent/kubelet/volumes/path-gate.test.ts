import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '#client/clock.ts';
import { createPathGate } from './path-gate.ts';

const hang = (): Promise<never> => new Promise(() => undefined);

describe('paths that may never answer', () => {
  it('are touched by two at a time, and by one each', async () => {
    const gate = createPathGate(new FakeClock());
    const running = new Set<string>();
    let most = 0;
    const work = (path: string): Promise<void> =>
      gate.run(path, async () => {
        assert.equal(running.has(path), false);
        running.add(path);
        most = Math.max(most, running.size);
        await new Promise((resolve) => setImmediate(resolve));
        running.delete(path);
      });
    await Promise.all(['/a', '/a', '/b', '/c', '/a', '/d', '/b'].map(work));
    assert.equal(most, 2);
  });

  it('give up in time, and hold no more than their place', async () => {
    const clock = new FakeClock();
    const gate = createPathGate(clock);
    const dead = [1, 2, 3].map(() =>
      assert.rejects(gate.run('/dead', hang), /^Error: \/dead does not answer: .* waits for \/dead;/),
    );
    assert.equal(await gate.run('/alive', async () => 'x'), 'x');
    await clock.advance(10_000);
    await Promise.all(dead);
    const also = assert.rejects(gate.run('/also', hang), /\/also does not answer/);
    const third = assert.rejects(
      gate.run('/third', async () => 'x'),
      /still waits for \/dead and \/also;/,
    );
    await clock.advance(10_000);
    await Promise.all([also, third]);
  });

  it('go on when the other side is back', async () => {
    const clock = new FakeClock();
    const gate = createPathGate(clock);
    const back = Promise.withResolvers<void>();
    const late = assert.rejects(
      gate.run('/nfs', () => back.promise),
      /does not answer/,
    );
    await clock.advance(10_000);
    await late;
    back.resolve();
    assert.equal(await gate.run('/nfs', async () => 'x'), 'x');
  });

  it('hand on what the work fails with', async () => {
    const gate = createPathGate(new FakeClock());
    await assert.rejects(
      gate.run('/a', () => Promise.reject(new Error('no'))),
      { message: 'no' },
    );
    assert.equal(await gate.run('/a', async () => 'x'), 'x');
  });
});
