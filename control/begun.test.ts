import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { begun } from './begun.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a part that was begun', () => {
  it('tells its failure to the wait that comes later, and not as an unhandled one', async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown): void => void unhandled.push(reason);
    process.on('unhandledRejection', note);
    try {
      const part = begun(Promise.reject(new Error('the listener is gone')));
      await turn();
      await turn();
      assert.deepEqual(unhandled, []);
      await assert.rejects(Promise.race([new Promise(() => undefined), part]), /the listener is gone/);
    } finally {
      process.off('unhandledRejection', note);
    }
  });

  it('gives its result', async () => {
    assert.equal(await begun(Promise.resolve(3)), 3);
  });
});
