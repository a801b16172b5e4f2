import assert from 'node:assert/strict';
import { Duplex, duplexPair, type Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { createSpdySession, type SpdySession } from './spdy.ts';
import { spdyDictionary } from './spdy-headers.ts';
import type { SpdyStream } from './spdy-stream.ts';

async function textOf(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function pair(onStream: (stream: SpdyStream) => void): { client: SpdySession; server: SpdySession; sockets: Duplex[] } {
  const [left, right] = duplexPair();
  return {
    client: createSpdySession(left, { role: 'client' }),
    server: createSpdySession(right, { role: 'server', onStream }),
    sockets: [left, right],
  };
}

describe('SPDY', () => {
  it('begins header compression with the dictionary of the draft', () => {
    // The dictionary is identified by its length and its Adler-32, which zlib writes into the stream.
    let [low, high] = [1, 0];
    for (const byte of spdyDictionary()) {
      low = (low + byte) % 65521;
      high = (high + low) % 65521;
    }
    assert.equal(spdyDictionary().length, 1423);
    assert.equal(((high << 16) | low) >>> 0, 0xe3c6a7c2);
  });

  it('carries several streams with headers in both directions, and half-closes them', { timeout: 120_000 }, async () => {
    const { client, server } = pair(
      (stream) => void textOf(stream).then((text) => stream.end(`${stream.headers.name}: ${text.length}`)),
    );
    const ask = async (name: string, size: number): Promise<string> => {
      const stream = await client.open({ Name: name });
      stream.end('x'.repeat(size));
      return await textOf(stream);
    };
    assert.deepEqual(await Promise.all([ask('one', 3), ask('two', 200_000), ask('three', 0)]), [
      'one: 3',
      'two: 200000',
      'three: 0',
    ]);
    await Promise.all([client.close(), server.closed]);
  });

  it('ends every stream when the connection breaks', { timeout: 120_000 }, async () => {
    const { client, sockets } = pair(() => undefined);
    const stream = await client.open({ name: 'cut' });
    sockets[0]?.destroy();
    await client.closed;
    assert.equal(stream.destroyed, true);
  });

  it('delivers the last bytes of a peer that breaks the connection right after them', { timeout: 120_000 }, async () => {
    const words: Buffer[] = [];
    const recorded = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        words.push(chunk);
        done();
      },
    });
    createSpdySession(recorded, { role: 'server', onStream: () => undefined });
    const clientSocket = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        recorded.push(chunk);
        done();
      },
    });
    const client = createSpdySession(clientSocket, { role: 'client' });
    const opening = client.open({ name: 'status' });
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (words.length === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    const status = Buffer.from('\0\0\0\x01\x01\0\0\x04done', 'latin1'); // Stream 1, the flag that ends it, and four bytes of data.
    for (const word of [...words, status]) clientSocket.push(word);
    clientSocket.destroy(new Error('read ECONNRESET'));
    assert.equal(await textOf(await opening), 'done');
  });

  it('makes a sender wait for a slow reader, and still notices that the sender has ended', { timeout: 120_000 }, async () => {
    let received: SpdyStream | undefined;
    const { client, server, sockets } = pair((stream) => (received = stream));
    const stream = await client.open({ name: 'much' });
    stream.on('error', () => undefined); // The stream is cut off at the end.
    for (let sent = 0; sent < 64; sent++) stream.write(Buffer.alloc(64 * 1024));
    for (let turn = 0; turn < 2000; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
    const held = received?.readableLength ?? 0;
    assert.ok(held > 0 && held <= 64 * 1024, `${held} bytes of 4 MiB are held for a reader that reads none`);
    sockets[1]?.destroy();
    await server.closed;
  });

  it('shows a reset to the other side', { timeout: 120_000 }, async () => {
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const { client } = pair((stream) => stream.once('close', resolve).resume());
    const stream = await client.open({ name: 'reset' });
    stream.destroy();
    await ended;
    await client.close();
  });
});
