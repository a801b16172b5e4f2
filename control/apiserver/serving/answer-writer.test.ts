import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import type { TransportResponse } from '#client/transport.ts';
import { writeResponse } from './answer-writer.ts';

describe('answers over HTTP/1.1', () => {
  const servers: http.Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close().closeAllConnections();
  });

  /** A connection that has said `text`, to a server that answers each path as told. */
  async function say(text: string, answers: Record<string, () => AsyncIterable<Uint8Array>>): Promise<Socket> {
    const server = http.createServer((request, response) => {
      const gone = new AbortController();
      response.on('close', () => gone.abort());
      const body = answers[request.url ?? '']?.() ?? of();
      const answer: TransportResponse = { status: 200, headers: { 'content-type': 'text/plain' }, body };
      const [asked, answering] = [request as unknown as Http2ServerRequest, response as unknown as Http2ServerResponse];
      writeResponse(answer, asked, answering, gone.signal).catch(() => response.destroy());
    });
    servers.push(server.listen(0, '127.0.0.1'));
    await once(server, 'listening');
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.write(text);
    return socket;
  }

  async function* of(...pieces: string[]): AsyncGenerator<Uint8Array> {
    for (const piece of pieces) yield Buffer.from(piece);
  }

  async function untilEnd(socket: Socket): Promise<string> {
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    return text;
  }

  const bodies = (text: string): string[] => text.split(/HTTP\/1\.1 200 OK[^]*?\r\n\r\n/).slice(1);

  it('come in chunks, and an empty piece is not the last one', async () => {
    const answers = { '/': () => of('one', '', 'two') };
    const text = await untilEnd(await say('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', answers));
    assert.deepEqual(bodies(text), ['3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n']);
  });

  it('come as they are to a client that knows no chunks', async () => {
    const text = await untilEnd(await say('GET / HTTP/1.0\r\n\r\n', { '/': () => of('one', 'two') }));
    assert.deepEqual(bodies(text), ['onetwo']);
  });

  it('keep their order where a client asks on before it has them', async () => {
    const first = Promise.withResolvers<void>();
    async function* late(): AsyncGenerator<Uint8Array> {
      await first.promise;
      yield Buffer.from('first');
    }
    async function* soon(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('second');
      first.resolve();
      yield Buffer.from('third');
    }
    const ask = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;
    const socket = await say(ask('/late') + ask('/soon', 'Connection: close\r\n'), { '/late': late, '/soon': soon });
    assert.deepEqual(bodies(await untilEnd(socket)), ['5\r\nfirst\r\n0\r\n\r\n', '6\r\nsecond\r\n5\r\nthird\r\n0\r\n\r\n']);
  });

  it('wait for a client that does not read', async () => {
    const count = 2_000;
    const piece = Buffer.alloc(16 * 1024, 'x');
    let taken = 0;
    const full = Promise.withResolvers<void>();
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (; taken < count; taken++) {
        const waiting = setTimeout(full.resolve, 200);
        yield piece;
        clearTimeout(waiting);
      }
    }
    const socket = await say('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', { '/': endless });
    await full.promise;
    assert.ok(taken < count / 2, `${taken} pieces were made`);
    const text = await untilEnd(socket);
    assert.equal(text.length - text.indexOf('\r\n\r\n') - 4, count * (piece.length + '4000\r\n\r\n'.length) + '0\r\n\r\n'.length);
  });
});
