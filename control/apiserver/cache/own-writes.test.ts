import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OwnWrites } from './own-writes.ts';

const value = (text: string): Uint8Array => Buffer.from(text);

describe('the values that a server is writing', () => {
  it('knows a value that comes back, once', () => {
    const own = new OwnWrites();
    own.begin('/a', value('1'));
    assert.equal(own.take('/b', value('1')), false);
    assert.equal(own.take('/a', value('1')), true);
    assert.equal(own.take('/a', value('1')), false);
    assert.equal(own.size, 0);
  });

  it('does not know what somebody else has written meanwhile, and still knows its own that comes after it', () => {
    const own = new OwnWrites();
    own.begin('/a', value('mine'));
    assert.equal(own.take('/a', value('other')), false);
    assert.equal(own.take('/a', value('mine')), true);
  });

  it('forgets a write that has failed, but not the one that has replaced it', () => {
    const own = new OwnWrites();
    const [first, second] = [value('1'), value('2')];
    own.begin('/a', first);
    own.begin('/a', second);
    own.failed('/a', first);
    assert.equal(own.size, 1);
    own.failed('/a', second);
    assert.equal(own.size, 0);
  });
});
