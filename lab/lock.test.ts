import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withLabLock } from './lock.ts';

describe('the lock of a lab', () => {
  it('runs one command at a time, and the next one after it, also when it failed', async () => {
    let end: (error: Error) => void = () => undefined;
    const first = withLabLock('tklock', () => new Promise<void>((_, reject) => (end = reject)));
    // The command of another lab runs meanwhile. It also shows that the first one holds its lock.
    assert.equal(await withLabLock('tkother', async () => 'in'), 'in');
    await assert.rejects(
      withLabLock('tklock', async () => assert.fail('both are in')),
      {
        message: 'Another "up" or "down" works on the lab "tklock": wait until it has ended, then run this again.',
      },
    );
    end(new Error('it failed'));
    await assert.rejects(first, { message: 'it failed' });
    assert.equal(await withLabLock('tklock', async () => 'in'), 'in');
  });
});
