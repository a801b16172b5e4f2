/**
 * SPDY/3.1 as Kubernetes' streaming uses it: streams with headers over one connection, half-closing, no push, no flow control
 * (Kubernetes' own library has none; TCP's holds). Either side.
 *
 * Source: draft-mbelshe-httpbis-spdy-00 for frames and the header dictionary.
 */
import { Duplex } from 'node:stream';
import { setImmediate as afterReading } from 'node:timers/promises';
import { constants, createDeflate, createInflate, type Deflate, type Inflate } from 'node:zlib';

export type SpdyHeaders = Readonly<Record<string, string>>;

/** One stream: reading ends with the other side's half, `end` closes ours, `destroy` resets it. */
export interface SpdyStream extends Duplex {
  readonly headers: SpdyHeaders;
}

export interface SpdySession {
  /** Resolves when the other side has accepted the stream. */
  open(headers: SpdyHeaders): Promise<SpdyStream>;
  /** Settles when the connection has ended, however. */
  closed: Promise<void>;
  /** Sends what is under way, then closes the connection. */
  close(): Promise<void>;
}

export interface SpdyOptions {
  role: 'client' | 'server';
  /** A stream the other side opened; it has been accepted. */
  onStream?(stream: SpdyStream): void;
}

const frame = { synStream: 1, synReply: 2, reset: 3, ping: 6, goAway: 7, headers: 8 } as const;
const headerBytes = 8;
const finFlag = 1;
const refusedStream = 3;
const controlBit = 0x8000_0000;
const version = 3;
const maxDataBytes = 32 * 1024;
/** Kubernetes' headers are some dozens of bytes; anything near these is no client of ours. */
const maxControlBytes = 64 * 1024;
const maxHeaderBytes = 128 * 1024;
/** Open at one time; each connection of a port-forward takes two. */
const maxStreams = 1_000;
/** Frames that wait to be sent; beyond it, the other side's are not read: one that asks without reading would fill the memory. */
const maxPending = 256;
/** For the other side to accept a stream, as upstream has it. */
const openTimeoutMs = 30_000;
/** For the other side to close the connection as well. */
const closeTimeoutMs = 10_000;
/** Bytes of the connection that wait here to be taken apart; beyond that the other side is made to wait. */
const maxWaitingBytes = 1024 * 1024;

/** The words and the text of the draft's dictionary, section 2.6.10.1: each word with its length before it. */
const dictionaryWords = (
  'options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow authorization ' +
  'cache-control connection content-base content-encoding content-language content-length content-location content-md5 content-range ' +
  'content-type date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified ' +
  'location max-forwards pragma proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding ' +
  'upgrade user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie keep-alive origin'
).split(' ');
const dictionaryText =
  '100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative Information' +
  '204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error' +
  '501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, ' +
  'Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,' +
  'publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.';

const prefixed = (text: string): Buffer => Buffer.concat([uint32(Buffer.byteLength(text)), Buffer.from(text)]);

/** What both sides' header compression starts from. */
export const spdyDictionary = (): Buffer =>
  Buffer.concat([...dictionaryWords.map((word) => prefixed(word.replace('_', ' '))), Buffer.from(dictionaryText)]);

function uint32(...values: number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => buffer.writeUInt32BE(value >>> 0, index * 4));
  return buffer;
}

function encodeHeaders(headers: SpdyHeaders): Buffer {
  const pairs = Object.entries(headers);
  return Buffer.concat([
    uint32(pairs.length),
    ...pairs.flatMap(([name, value]) => [prefixed(name.toLowerCase()), prefixed(value)]),
  ]);
}

/** @throws RangeError for what is no header block */
function decodeHeaders(block: Buffer): SpdyHeaders {
  // Any name may come, `__proto__` too.
  const headers = Object.create(null) as Record<string, string>;
  let offset = 4;
  const text = (): string => {
    const start = offset + 4;
    const end = start + block.readUInt32BE(offset);
    if (end > block.length) throw new RangeError('a SPDY header is longer than its block');
    offset = end;
    return block.toString('utf8', start, end);
  };
  for (let count = block.readUInt32BE(0); count > 0; count--) {
    const name = text();
    headers[name] = text();
  }
  return headers;
}

/**
 * Passes a block through a (de)compressor that keeps its state from block to block. 64 KiB may become 64 MiB: no more than `maxBytes` are
 * made of it. @throws Error then, and for what was not compressed; the codec is of no use afterwards
 */
async function through(codec: Deflate | Inflate, block: Buffer, maxBytes = Number.POSITIVE_INFINITY): Promise<Buffer> {
  if (codec.destroyed) throw new Error('the streaming connection is closed');
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const chunks: Buffer[] = [];
  let bytes = 0;
  const take = (chunk: Buffer): void => {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > maxBytes) reject(new Error(`SPDY headers of more than ${maxBytes} bytes`));
  };
  const closed = (): void => reject(new Error('the streaming connection is closed'));
  codec.on('data', take).once('error', reject).once('close', closed);
  codec.write(block);
  // All that comes of it has been handed over in the turn after.
  codec.flush(constants.Z_SYNC_FLUSH, () => setImmediate(resolve));
  try {
    await promise;
  } finally {
    codec.off('data', take).off('error', reject).off('close', closed);
  }
  return Buffer.concat(chunks);
}

class Stream extends Duplex implements SpdyStream {
  readonly headers: SpdyHeaders;
  readonly #send: (data: Buffer, fin: boolean) => Promise<void>;
  readonly #reset: () => void;
  #remoteEnded = false;
  #wasReset = false;
  #roomAgain: (() => void) | undefined;

  constructor(headers: SpdyHeaders, send: (data: Buffer, fin: boolean) => Promise<void>, reset: () => void) {
    super({ allowHalfOpen: true });
    this.headers = headers;
    this.#send = send;
    this.#reset = reset;
  }

  /** Data of the other side; `null` is its end, which may come twice. The promise, where there is one, is of room for more. */
  receive(data: Buffer | null): Promise<void> | undefined {
    if (this.#remoteEnded) return undefined;
    this.#remoteEnded = data === null;
    if (this.push(data) || data === null || this.destroyed) return undefined;
    return new Promise((resolve) => (this.#roomAgain = resolve));
  }

  /** Go's library resets every stream when it closes a connection, so a reset is an end: what has come can be read. */
  resetByPeer(): void {
    this.#wasReset = true;
    void this.receive(null);
    this.end();
  }

  /** What a side sent before it ended its half is still to be read; a stream cut off in the middle is broken. */
  connectionClosed(): void {
    if (this.#remoteEnded) this.resetByPeer();
    else this.destroy();
  }

  /** Frames are pushed as they come: a reader that wants more only says that there is room again. */
  override _read(): void {
    this.#roomAgain?.();
    this.#roomAgain = undefined;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#wasReset) done();
    else this.#send(chunk, false).then(() => done(), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    // Where the connection is gone, nobody waits for our end, and what has come before can still be read.
    if (this.#wasReset) done();
    else
      this.#send(Buffer.alloc(0), true).then(
        () => done(),
        () => done(),
      );
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.#wasReset && (!this.#remoteEnded || !this.writableFinished)) this.#reset();
    this._read();
    done(error);
  }
}

interface Incoming {
  /** What has come in order; undefined: the connection has ended and all of it has been taken. */
  next(): Promise<Buffer | undefined>;
  /** Settles when nothing more will come. */
  ended: Promise<void>;
}

/**
 * Everything that a connection says, also just before it breaks: a Readable that is destroyed drops what it holds, and with a runtime that
 * closes as soon as it has said its last word, the reset may come right behind that word.
 */
function incoming(socket: Duplex, head: Buffer): Incoming {
  const waiting: Buffer[] = head.length > 0 ? [head] : [];
  let waitingBytes = head.length;
  let isEnded = false;
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  let arrived = Promise.withResolvers<void>();
  const finish = (): void => {
    isEnded = true;
    arrived.resolve();
    end();
  };
  socket.on('data', (chunk: Buffer) => {
    waiting.push(chunk);
    waitingBytes += chunk.length;
    if (waitingBytes > maxWaitingBytes) socket.pause();
    arrived.resolve();
  });
  socket.once('end', finish);
  socket.once('close', finish);
  socket.on('error', finish); // `close` follows; a broken connection ends the session as a closed one does.
  return {
    ended,
    async next() {
      while (waiting.length === 0 && !isEnded) {
        await arrived.promise;
        arrived = Promise.withResolvers();
      }
      const chunk = waiting.shift();
      waitingBytes -= chunk?.length ?? 0;
      if (waitingBytes <= maxWaitingBytes && socket.isPaused()) socket.resume();
      return chunk;
    },
  };
}

/** Takes over a connection after its upgrade; `head` is what came along with the upgrade. */
export function createSpdySession(socket: Duplex, { role, onStream }: SpdyOptions, head: Buffer = Buffer.alloc(0)): SpdySession {
  const deflate = createDeflate({ dictionary: spdyDictionary() });
  const inflate = createInflate({ dictionary: spdyDictionary() });
  // Whoever waits for them hears of a failure; it may also come when nobody does.
  for (const codec of [deflate, inflate]) codec.on('error', () => undefined);
  const streams = new Map<number, Stream>();
  const opening = new Map<number, () => void>();
  let nextId = role === 'client' ? 1 : 2;
  let lastPeerId = 0;
  let sending: Promise<void> = Promise.resolve();
  let pending = 0;

  /**
   * Frames leave in the order of the calls, also where headers have to be compressed first; and only when the event loop has just read what
   * has come. A write to a side that has closed meanwhile fails, and Node then drops what of it is still unread: its last words.
   */
  function send(make: () => Buffer | Promise<Buffer>): Promise<void> {
    // Nobody hears it: there is no queue for that.
    if (!socket.writable) return Promise.reject(new Error('the streaming connection is closed'));
    pending++;
    const sent = sending.then(async () => {
      pending--;
      const bytes = await make();
      await afterReading();
      if (!socket.writable) throw new Error('the streaming connection is closed');
      if (!socket.write(bytes))
        await new Promise<void>((resolve) => {
          const go = (): void => {
            socket.off('drain', go);
            socket.off('close', go);
            resolve();
          };
          socket.on('drain', go);
          socket.on('close', go);
        });
    });
    sending = sent.catch(() => undefined); // The caller gets it.
    return sent;
  }

  const control = (type: number, flags: number, body: Buffer): Buffer =>
    Buffer.concat([uint32(controlBit | (version << 16) | type, (flags << 24) | body.length), body]);
  const unlessClosed = (sent: Promise<void>): void => void sent.catch(() => undefined); // Nobody is there to be told.

  async function sendData(id: number, data: Buffer, fin: boolean): Promise<void> {
    for (let offset = 0; offset < data.length || (fin && offset === 0); offset += maxDataBytes) {
      const part = data.subarray(offset, offset + maxDataBytes);
      const last = fin && offset + maxDataBytes >= data.length;
      await send(() => Buffer.concat([uint32(id, ((last ? finFlag : 0) << 24) | part.length), part]));
      if (data.length === 0) return;
    }
  }

  function addStream(id: number, headers: SpdyHeaders): Stream {
    const reset = (): void => unlessClosed(send(() => control(frame.reset, 0, uint32(id, 5))));
    const stream = new Stream(headers, (data, fin) => sendData(id, data, fin), reset);
    streams.set(id, stream);
    stream.once('close', () => streams.delete(id));
    stream.on('error', () => undefined); // A reset by the other side also shows as the end of its data.
    return stream;
  }

  async function onControl(type: number, flags: number, body: Buffer): Promise<void> {
    const id = body.length >= 4 ? body.readUInt32BE(0) & ~controlBit : 0;
    switch (type) {
      case frame.synStream: {
        // In step with the compressor, whether or not the stream is taken.
        const headers = decodeHeaders(await through(inflate, body.subarray(10), maxHeaderBytes));
        if (id <= lastPeerId || (id % 2 === 1) !== (role === 'server')) throw new Error(`SPDY stream ${id} after ${lastPeerId}`);
        lastPeerId = id;
        if (streams.size >= maxStreams) return unlessClosed(send(() => control(frame.reset, 0, uint32(id, refusedStream))));
        const stream = addStream(id, headers);
        unlessClosed(
          send(async () => control(frame.synReply, 0, Buffer.concat([uint32(id), await through(deflate, encodeHeaders({}))]))),
        );
        if (flags & finFlag) void stream.receive(null);
        onStream?.(stream);
        return;
      }
      case frame.synReply:
        await through(inflate, body.subarray(4), maxHeaderBytes); // Keeps the decompressor in step; the reply's headers mean nothing here.
        opening.get(id)?.();
        return;
      case frame.headers:
        await through(inflate, body.subarray(4), maxHeaderBytes);
        return;
      case frame.reset:
        streams.get(id)?.resetByPeer();
        return;
      case frame.ping:
        // Odd numbers are the client's: only the other side's pings are answered.
        if ((id % 2 === 1) === (role === 'server') && socket.writable)
          unlessClosed(send(() => control(frame.ping, 0, uint32(id))));
        return;
      default: // GOAWAY, SETTINGS, WINDOW_UPDATE: nothing to do.
    }
  }

  /** A stream whose reader is slow holds up the connection, as with Kubernetes' own library; nobody waits for one that has ended. */
  async function onData(id: number, flags: number, data: Buffer): Promise<void> {
    const stream = streams.get(id);
    if (stream === undefined) return;
    const room = data.length > 0 ? stream.receive(data) : undefined;
    if (flags & finFlag) void stream.receive(null);
    else if (room !== undefined) await Promise.race([room, connection.ended]);
  }

  const connection = incoming(socket, head);

  /** Replies that are not taken hold up what asks for them; the other side's end is noticed all the same. */
  async function untilSent(): Promise<void> {
    if (pending > maxPending && socket.writable) await Promise.race([sending, connection.ended]);
  }

  /** A frame whose end has not come yet. */
  interface Partial {
    first: number;
    flags: number;
    left: number;
    /** Of a control frame, which is taken whole; data is handed on as it comes. */
    control: Buffer | undefined;
  }

  function begin(header: Buffer): Partial {
    const [first, second] = [header.readUInt32BE(0), header.readUInt32BE(4)];
    const length = second & 0xff_ffff;
    const isControl = first >= controlBit;
    if (isControl && length > maxControlBytes) throw new Error(`SPDY control frame of ${length} bytes`);
    return { first, flags: second >>> 24, left: length, control: isControl ? Buffer.alloc(length) : undefined };
  }

  async function read(): Promise<void> {
    const header = Buffer.alloc(headerBytes);
    let headerRead = 0;
    let current: Partial | undefined;
    for (;;) {
      const chunk = await connection.next();
      if (chunk === undefined) return;
      for (let at = 0; ; ) {
        if (current === undefined) {
          const taken = chunk.copy(header, headerRead, at);
          headerRead += taken;
          at += taken;
          if (headerRead < headerBytes) break;
          headerRead = 0;
          current = begin(header);
        }
        const part = chunk.subarray(at, at + current.left);
        at += part.length;
        if (current.control === undefined) {
          const isLast = part.length === current.left;
          if (part.length > 0 || isLast) await onData(current.first, isLast ? current.flags : 0, part);
        } else part.copy(current.control, current.control.length - current.left);
        current.left -= part.length;
        if (current.left > 0) break;
        const { first, flags, control: body } = current;
        current = undefined;
        if (body === undefined) continue;
        await onControl(first & 0xffff, flags, body);
        await untilSent();
      }
    }
  }

  const closed = read()
    .catch(() => undefined) // What is no SPDY ends the session as a closed connection does.
    .finally(() => {
      for (const stream of streams.values()) stream.connectionClosed();
      socket.destroy();
      deflate.close();
      inflate.close();
    });

  return {
    closed,
    async open(headers) {
      const id = nextId;
      nextId += 2;
      const stream = addStream(id, headers);
      const { promise: accepted, resolve, reject } = Promise.withResolvers<void>();
      opening.set(id, resolve);
      const timer = setTimeout(
        () => reject(new Error(`the streaming connection did not accept a stream within ${openTimeoutMs / 1000} s`)),
        openTimeoutMs,
      );
      const gone = (): void => reject(new Error('the streaming connection closed before it accepted a stream'));
      stream.once('close', gone);
      const frameOf = async (): Promise<Buffer> =>
        control(
          frame.synStream,
          0,
          Buffer.concat([uint32(id, 0), Buffer.from([0, 0]), await through(deflate, encodeHeaders(headers))]),
        );
      send(frameOf).catch(reject);
      try {
        await accepted;
      } catch (error) {
        stream.destroy();
        throw error;
      } finally {
        clearTimeout(timer);
        opening.delete(id);
        stream.off('close', gone);
      }
      return stream;
    },
    async close() {
      unlessClosed(send(() => control(frame.goAway, 0, uint32(0, 0))));
      // One that does not read what is under way, or does not close its side, is cut off.
      const timer = setTimeout(() => socket.destroy(), closeTimeoutMs);
      await sending;
      socket.end();
      await closed;
      clearTimeout(timer);
    },
  };
}
