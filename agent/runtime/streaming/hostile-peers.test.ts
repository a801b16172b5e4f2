/** Tests streams over SPDY and WebSockets against hostile clients: memory and time stay bounded, and other clients are served. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Duplex, PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { constants, createDeflate } from 'node:zlib';
import fc from 'fast-check';
import { pino } from 'pino';
import { WebSocket } from 'ws';
import { systemClock } from '#client/clock.ts';
import { cpuMs } from '#test/cpu-time.ts';
import { openSpdy, textOf } from '../streams.testing.ts';
import { createSpdySession } from './spdy.ts';
import { spdyDictionary } from './spdy-headers.ts';
import type { SpdyStream } from './spdy-stream.ts';
import type { ProcessStreams } from './stream-request.ts';
import { createStreamingServer, type StreamingServer } from './streaming-server.ts';

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
};
const control = (type: number, body: Buffer, flags = 0, length = body.length): Buffer =>
  Buffer.concat([uint32(0x8003_0000 + type), uint32(flags * 0x100_0000 + length), body]);
const data = (id: number, body: Buffer, flags = 0, length = body.length): Buffer =>
  Buffer.concat([uint32(id), uint32(flags * 0x100_0000 + length), body]);

/** Compresses header blocks one after the other, as a client does. */
function compressor(): (block: Buffer) => Promise<Buffer> {
  const deflate = createDeflate({ dictionary: spdyDictionary() });
  return async (block) => {
    const chunks: Buffer[] = [];
    const take = (chunk: Buffer): unknown => chunks.push(chunk);
    deflate.on('data', take).write(block);
    await new Promise<void>((resolve) => deflate.flush(constants.Z_SYNC_FLUSH, () => setImmediate(resolve)));
    deflate.off('data', take);
    return Buffer.concat(chunks);
  };
}
const block = (...pairs: [string, string | Buffer][]): Buffer =>
  Buffer.concat([uint32(pairs.length), ...pairs.flat().flatMap((text) => [uint32(text.length), Buffer.from(text as string)])]);
const syn = (id: number, packed: Buffer): Buffer => control(1, Buffer.concat([uint32(id), uint32(0), Buffer.of(0, 0), packed]));

/** A server's session, and the raw client side of its connection. */
function rawSession(onStream: (stream: SpdyStream) => void = (stream) => void stream.resume()) {
  const sent: Buffer[] = [];
  const socket = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      sent.push(chunk);
      done();
    },
  });
  return { socket, sent, session: createSpdySession(socket, { role: 'server', onStream }) };
}
const withinMs = async (promise: Promise<unknown>, ms = 30_000): Promise<void> => {
  await Promise.race([
    promise,
    new Promise((_, reject) => setTimeout(() => reject(new Error(`not within ${ms} ms`)), ms).unref()),
  ]);
};

describe('an SPDY session of a hostile client', { timeout: 240_000 }, () => {
  const ends: [string, (pack: (block: Buffer) => Promise<Buffer>) => Promise<Buffer> | Buffer][] = [
    ['a control frame of 16 MiB', () => control(1, Buffer.alloc(0), 0, 0xff_ffff)],
    ['headers that are not compressed', () => syn(1, Buffer.from('streamtype: error'))],
    ['headers that become megabytes', async (pack) => syn(1, await pack(block(['a', Buffer.alloc(20_000_000)])))],
    [
      'a header longer than its block',
      async (pack) => syn(1, await pack(Buffer.concat([uint32(1), uint32(0x7fff_ffff), Buffer.from('a')]))),
    ],
    ['four billion headers', async (pack) => syn(1, await pack(uint32(0xffff_ffff)))],
    ['no header block', async (pack) => syn(1, await pack(Buffer.of(1)))],
    ['a stream of an even number', async (pack) => syn(2, await pack(block(['a', 'b'])))],
    [
      'a stream twice',
      async (pack) => Buffer.concat([syn(1, await pack(block(['a', 'b']))), syn(1, await pack(block(['a', 'b'])))]),
    ],
    [
      'a stream with a number below the last',
      async (pack) => Buffer.concat([syn(5, await pack(block())), syn(3, await pack(block()))]),
    ],
    ['a stream frame of some bytes', () => control(1, Buffer.of(0, 0))],
  ];
  for (const [name, bytesOf] of ends) {
    it(`ends with ${name}`, async () => {
      const { socket, session } = rawSession();
      socket.push(await bytesOf(compressor()));
      await withinMs(session.closed);
    });
  }

  it('accepts any header names', async () => {
    const names: string[] = [];
    const { socket, session } = rawSession((stream) => names.push(...Object.keys(stream.headers)));
    const pack = compressor();
    socket.push(syn(1, await pack(block(['__proto__', 'x'], ['constructor', 'y']))));
    while (names.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual(names, ['__proto__', 'constructor']);
    socket.destroy();
    await withinMs(session.closed);
  });

  it('refuses more streams than a thousand', async () => {
    let opened = 0;
    const { socket, sent, session } = rawSession(() => opened++);
    const pack = compressor();
    for (let index = 0; index < 1_100; index++) socket.push(syn(index * 2 + 1, await pack(block(['streamtype', 'data']))));
    const resets = (): number => Buffer.concat(sent).toString('latin1').split('\u0080\u0003\u0000\u0003').length - 1;
    while (resets() < 100) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(opened, 1_000);
    socket.destroy();
    await withinMs(session.closed);
  });

  it('passes on a frame of 16 MiB as it arrives, also in small pieces', async () => {
    let received = 0;
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const { socket, session } = rawSession((stream) => {
      stream.on('data', (chunk: Buffer) => (received += chunk.length)).once('end', resolve);
    });
    socket.push(syn(1, await compressor()(block(['streamtype', 'stdin']))));
    const startMs = cpuMs();
    const size = 0xff_ff00;
    socket.push(data(1, Buffer.alloc(0), 1, size));
    const piece = Buffer.alloc(1_024);
    for (let sent = 0; sent < size; sent += piece.length) {
      socket.push(piece.subarray(0, size - sent));
      if (sent % (256 * 1024) === 0) await new Promise((next) => setImmediate(next));
    }
    await withinMs(ended);
    assert.equal(received, size);
    assert.ok(cpuMs() - startMs < 15_000);
    socket.destroy();
    await withinMs(session.closed);
  });

  it('stops answering pings when the client does not read the answers', async () => {
    let written = 0;
    const socket = new Duplex({
      read() {},
      highWaterMark: 1_024,
      write(chunk: Buffer) {
        written += chunk.length; // `false` is returned to every write, and no `drain` follows.
      },
    });
    const session = createSpdySession(socket, { role: 'server', onStream: () => undefined });
    const before = process.memoryUsage().heapUsed;
    const pings = Buffer.concat(Array.from({ length: 20_000 }, () => control(6, uint32(1))));
    for (let round = 0; round < 10; round++) {
      socket.push(pings);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(process.memoryUsage().heapUsed - before < 100e6);
    assert.ok(written < 10_000);
    socket.destroy();
    await withinMs(session.closed);
  });

  it('survives any bytes', async () => {
    const type = fc.constantFrom(1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 0xffff);
    const frame = fc
      .tuple(fc.boolean(), type, fc.nat(255), fc.uint8Array({ maxLength: 40 }), fc.option(fc.nat(0xff_ffff)), fc.nat(9))
      .map(([isControl, kind, flags, body, length, id]) =>
        isControl
          ? control(kind, Buffer.from(body), flags, length ?? body.length)
          : data(id, Buffer.from(body), flags, length ?? body.length),
      );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(frame, fc.uint8Array({ maxLength: 30 })), { maxLength: 12 }), async (frames) => {
        const { socket, session } = rawSession();
        socket.push(syn(1, await compressor()(block(['streamtype', 'stdin']))));
        for (const bytes of frames) if (!socket.destroyed) socket.push(Buffer.from(bytes));
        await new Promise((resolve) => setImmediate(resolve));
        socket.destroy();
        await withinMs(session.closed);
      }),
      { numRuns: 200 },
    );
  });
});

describe('the streaming server of hostile clients', { timeout: 240_000 }, () => {
  let server: StreamingServer;
  beforeEach(() => {
    server = createStreamingServer({ log: pino({ level: 'silent' }), clock: systemClock });
  });
  afterEach(() => server.close());

  const dial = async (url: URL): Promise<Socket> => connect(Number(url.port), url.hostname);
  /** A process that writes nothing, reads nothing, and ends when told. */
  function silentProcess(more: Partial<ProcessStreams> = {}) {
    const { promise: exited, resolve: exit } = Promise.withResolvers<number>();
    let closed = false;
    const stdout = new PassThrough();
    const process: ProcessStreams = {
      stdout,
      exited,
      close() {
        closed = true;
        exit(137);
        stdout.end();
      },
      ...more,
    };
    return { process, exit, isClosed: () => closed };
  }
  const urlOf = async (process: ProcessStreams, tty = false): Promise<URL> =>
    new URL(
      await server.urlFor('exec', { kind: 'process', stdin: true, stdout: true, stderr: false, tty, open: async () => process }),
    );
  const webSocket = async (url: URL): Promise<WebSocket> => {
    const socket = new WebSocket(url.href.replace('http', 'ws'), ['v5.channel.k8s.io']);
    socket.on('error', () => undefined);
    await once(socket, 'open');
    return socket;
  };
  const until = async (condition: () => boolean): Promise<void> => {
    for (const startMs = performance.now(); !condition(); await new Promise((resolve) => setTimeout(resolve, 10)))
      assert.ok(performance.now() - startMs < 60_000, `not in time: ${condition}`);
  };

  it('makes a WebSocket client wait for a process that does not read, and notices that it left', async () => {
    const stdin = new PassThrough({ highWaterMark: 16_384 });
    const { process, isClosed } = silentProcess({ stdin });
    const client = await webSocket(await urlOf(process));
    for (let index = 0; index < 2_000; index++) client.send(Buffer.concat([Buffer.of(0), Buffer.alloc(32_768)]));
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.ok(stdin.readableLength + stdin.writableLength < 4_000_000, `${stdin.writableLength} bytes of 64 MB are held`);
    client.terminate();
    stdin.resume();
    await until(isClosed);
  });

  it('makes a process wait for a WebSocket client that does not read, and sends the rest of its output before the status', async () => {
    let made = 0;
    const stdout = new PassThrough();
    const { process, exit } = silentProcess({ stdout });
    const client = await webSocket(await urlOf(process));
    client.pause();
    const early = made;
    assert.equal(early, 0);
    const write = (): void => {
      if (made >= 50_000_000) return void stdout.end();
      made += 65_536;
      if (stdout.write(Buffer.alloc(65_536))) setImmediate(write);
      else stdout.once('drain', write);
    };
    write();
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.ok(made < 30_000_000, `${made} bytes were taken for a client that reads none`);
    exit(0);
    let received = 0;
    let statusAt = -1;
    client.on('message', (message: Buffer) => {
      if (message[0] === 1) received += message.length - 1;
      if (message[0] === 3) statusAt = received;
    });
    client.resume();
    await once(client, 'close');
    assert.ok(received === made && statusAt === received, `${received} bytes, the status after ${statusAt}`);
  });

  it('ignores input after the end of standard input', async () => {
    const stdin = new PassThrough().resume();
    const { process, exit } = silentProcess({ stdin });
    const client = await webSocket(await urlOf(process));
    const messages: Buffer[] = [];
    client.on('message', (message: Buffer) => messages.push(message));
    client.send(Buffer.of(255, 0));
    client.send(Buffer.of(0, 65));
    client.send(Buffer.of(9, 9, 9));
    client.send(Buffer.alloc(0));
    client.send('text');
    await once(stdin, 'end');
    await new Promise((resolve) => setTimeout(resolve, 50));
    exit(0);
    process.stdout.destroy();
    await once(client, 'close');
    assert.match(String(messages.at(-1)), /Success/);
  });

  it('answers malformed WebSocket handshakes and frames', async () => {
    for (const key of ['bad', '']) {
      const url = await urlOf(silentProcess().process);
      const socket = await dial(url);
      socket
        .on('error', () => undefined)
        .write(
          `GET ${url.pathname} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
            `Sec-WebSocket-Protocol: v4.channel.k8s.io\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
        );
      const [answer] = (await once(socket, 'data')) as [Buffer];
      assert.match(answer.toString(), /^HTTP\/1.1 400 /);
      socket.destroy();
    }
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 60 }), async (bytes) => {
        const { process, isClosed } = silentProcess();
        const client = await webSocket(await urlOf(process));
        const { _socket: raw } = client as unknown as { _socket: Socket };
        raw.write(Buffer.from(bytes));
        await new Promise((resolve) => setImmediate(resolve));
        client.terminate();
        await until(isClosed);
      }),
      { numRuns: 40 },
    );
  });

  it('does not wait for a client that reads nothing when the process has ended', async () => {
    const { process, exit } = silentProcess();
    const session = await openSpdy(await urlOf(process, true), dial, 'v4.channel.k8s.io');
    const error = await session.open({ streamType: 'error' });
    const stdin = await session.open({ streamType: 'stdin' });
    await session.open({ streamType: 'stdout' });
    const resize = await session.open({ streamType: 'resize' });
    resize.write('{'.repeat(100_000));
    // The process does not read this input, so the messages after it wait.
    stdin.write(Buffer.alloc(2_000_000));
    exit(0);
    process.stdout.destroy();
    assert.match(await textOf(error), /Success/);
    await withinMs(session.close(), 15_000);
  });

  it('forwards to ports only, each with its two streams', async () => {
    const dialled: number[] = [];
    const echo = async (port: number): Promise<Duplex> => {
      dialled.push(port);
      return new PassThrough();
    };
    const url = new URL(await server.urlFor('portforward', { kind: 'portforward', ports: [], dial: echo }));
    const session = await openSpdy(url, dial, 'portforward.k8s.io');
    let id = 0;
    const ask = async (port: string): Promise<[string, string]> => {
      const headers = { port, requestid: String(id++) };
      const error = await session.open({ ...headers, streamtype: 'error' });
      const stream = await session.open({ ...headers, streamtype: 'data' });
      stream.end('hello');
      return [await textOf(stream), await textOf(error)];
    };
    assert.deepEqual(await ask('80'), ['hello', '']);
    for (const bad of ['0', '65536', '-1', 'x', '', '8e1'])
      assert.deepEqual(await ask(bad), ['', `unable to parse ${JSON.stringify(bad)} as a port`]);
    // The half of a pair twice, and a stream type that does not exist.
    const half = await session.open({ port: '80', requestid: 'half', streamtype: 'data' });
    const twice = await session.open({ port: '80', requestid: 'half', streamtype: 'data' });
    const other = await session.open({ port: '80', requestid: 'half', streamtype: 'nonsense' });
    await Promise.all([textOf(twice), textOf(other)]);
    half.destroy();
    assert.deepEqual(dialled, [80]);
    await session.close();
  });
});
