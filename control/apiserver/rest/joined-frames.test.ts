import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { JoinedFrames } from './joined-frames.ts';

describe('joined frames', () => {
  const frame = (text: string): Uint8Array => Buffer.from(text);

  it('are the same bytes for all who are sent the same frames', () => {
    const joined = new JoinedFrames();
    const [a, b, c] = [frame('a'), frame('b'), frame('c')];
    const piece = joined.of([a, b]);
    assert.equal(Buffer.from(piece).toString(), 'ab');
    assert.equal(Buffer.from(joined.of([a, c])).toString(), 'ac');
    assert.equal(Buffer.from(joined.of([a, b, c])).toString(), 'abc');
    assert.equal(joined.of([a, b]), piece);
    assert.notEqual(joined.of([a, frame('b')]), piece);
  });

  it('are not put together where there is one', () => {
    const only = frame('a');
    assert.equal(new JoinedFrames().of([only]), only);
  });

  it('are forgotten when others came, or at once where they are large', () => {
    const joined = new JoinedFrames();
    const large = [frame('a'), Buffer.alloc(100_000)];
    assert.notEqual(joined.of(large), joined.of(large));
    const first = [frame('a'), frame('b')];
    const piece = joined.of(first);
    for (let count = 0; count < 8; count++) joined.of([frame('c'), frame('d')]);
    assert.notEqual(joined.of(first), piece);
  });
});
