import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ChunkFrames } from './chunk-frames.ts';

describe('chunks of HTTP/1.1', () => {
  it('have their length in front, and an end', () => {
    const framed = new ChunkFrames().of(Buffer.from('x'.repeat(26)));
    assert.equal(Buffer.from(framed).toString(), `1a\r\n${'x'.repeat(26)}\r\n`);
  });

  it('are framed once for all who are sent the same piece', () => {
    const frames = new ChunkFrames();
    const [piece, other] = [Buffer.from('a'), Buffer.from('a')];
    const framed = frames.of(piece);
    assert.notEqual(frames.of(other), framed);
    assert.equal(frames.of(piece), framed);
  });
});
