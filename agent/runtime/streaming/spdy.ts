/**
 * SPDY/3.1 as Kubernetes' streaming uses it: streams with headers over one connection, half-close, no push. It has no flow
 * control of its own, like Kubernetes' library; TCP's flow control limits the sender. Both sides are implemented.
 *
 * Source: draft-mbelshe-httpbis-spdy-00 for frames and the header dictionary.
 */
import { Duplex } from 'node:stream';
import { setImmediate as afterReading } from 'node:timers/promises';
import { constants, createDeflate, createInflate, type Deflate, type Inflate } from 'node:zlib';

/** The headers of a stream. Names are in lower case. */
export type SpdyHeaders = Readonly<Record<string, string>>;

/** One stream. Reading ends when the peer ends its half, `end` ends ours, `destroy` resets the stream. */
export interface SpdyStream extends Duplex {
  readonly headers: SpdyHeaders;
}

/** A connection with its streams, see {@link createSpdySession}. */
export interface SpdySession {
  /**
   * Opens a stream. Resolves when the peer has accepted it. @throws Error when the connection ends or the peer does not answer in
   * time
   */
  open(headers: SpdyHeaders): Promise<SpdyStream>;
  /** Resolves when the connection has ended for any reason. */
  closed: Promise<void>;
  /** Sends the pending frames, then closes the connection. */
  close(): Promise<void>;
}

/** Options of a session. */
export interface SpdyOptions {
  role: 'client' | 'server';
  /** Is called for each stream that the peer has opened. It has been accepted. */
  onStream?(stream: SpdyStream): void;
}

const frame = { synStream: 1, synReply: 2, reset: 3, ping: 6, goAway: 7, headers: 8 } as const;
const headerBytes = 8;
const finFlag = 1;
const refusedStream = 3;
const controlBit = 0x8000_0000;
const version = 3;
const maxDataBytes = 32 * 1024;
/** Limit of a control frame. Kubernetes' headers have some dozens of bytes. */
const maxControlBytes = 64 * 1024;
const maxHeaderBytes = 128 * 1024;
/** Limit of open streams. Each connection of a port-forward takes two. */
const maxStreams = 1_000;
/**
 * Limit of frames that wait to be sent. Beyond it, no frames of the peer are read: a peer that causes replies and does not read
 * them would otherwise fill the memory.
 */
const maxPending = 256;
/** Time that the peer has to accept a stream. The value is upstream's. */
const openTimeoutMs = 30_000;
/** Time that the peer has to close its side of the connection. */
const closeTimeoutMs = 10_000;
/** Limit of received bytes that wait to be parsed. Beyond it, the connection is not read any further. */
const maxWaitingBytes = 1024 * 1024;

/** The words and the text of the dictionary in the draft, section 2.6.10.1. Each word has its length before it. */
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

/** The dictionary with which the header compression of both sides starts. */
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

/** Parses a header block. @throws RangeError when it is malformed */
function decodeHeaders(block: Buffer): SpdyHeaders {
  // A header may have any name, `__proto__` too.
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
 * Passes a block through a compressor or decompressor that keeps its state between blocks. 64 KiB may expand to 64 MiB, so the
 * output is limited to `maxBytes`. @throws Error beyond that limit, and for malformed input; the codec cannot be used afterwards
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
  // The codec has emitted all its output one turn of the event loop later.
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

  /**
   * Passes data of the peer to the reader; `null` is the end, which may come twice. When the reader is slow, returns a promise
   * that resolves when there is room again.
   */
  receive(data: Buffer | null): Promise<void> | undefined {
    if (this.#remoteEnded) return undefined;
    this.#remoteEnded = data === null;
    if (this.push(data) || data === null || this.destroyed) return undefined;
    return new Promise((resolve) => (this.#roomAgain = resolve));
  }

  /**
   * Handles a reset by the peer. Go's library resets every stream when it closes a connection, so a reset counts as an end:
   * received data can still be read.
   */
  resetByPeer(): void {
    this.#wasReset = true;
    void this.receive(null);
    this.end();
  }

  /**
   * The connection has ended. When the peer had ended its half, the received data can still be read; otherwise the stream fails.
   */
  connectionClosed(): void {
    if (this.#remoteEnded) this.resetByPeer();
    else this.destroy();
  }

  /** Frames are pushed when they arrive. A reader that asks for more only signals that there is room again. */
  override _read(): void {
    this.#roomAgain?.();
    this.#roomAgain = undefined;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#wasReset) done();
    else this.#send(chunk, false).then(() => done(), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    // When the connection is gone, the peer does not wait for our end. Received data can still be read.
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
  /** The next bytes, in order. Undefined when the connection has ended and all bytes have been returned. */
  next(): Promise<Buffer | undefined>;
  /** Resolves when no further bytes will arrive. */
  ended: Promise<void>;
}

/**
 * Collects all bytes of a connection, also those that arrive just before it breaks. A destroyed Readable drops the data that it
 * holds, and a runtime that closes right after its last bytes may cause a reset right behind them.
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
  socket.on('error', finish); // `close` follows. A broken connection ends the session in the same way as a closed one.
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

/** Makes a session on a connection after its HTTP upgrade. `head` is the data that arrived together with the upgrade. */
export function createSpdySession(socket: Duplex, { role, onStream }: SpdyOptions, head: Buffer = Buffer.alloc(0)): SpdySession {
  const deflate = createDeflate({ dictionary: spdyDictionary() });
  const inflate = createInflate({ dictionary: spdyDictionary() });
  // The callers of the codecs get their failures. This handler is for failures that come when nobody waits.
  for (const codec of [deflate, inflate]) codec.on('error', () => undefined);
  const streams = new Map<number, Stream>();
  const opening = new Map<number, () => void>();
  let nextId = role === 'client' ? 1 : 2;
  let lastPeerId = 0;
  let sending: Promise<void> = Promise.resolve();
  let pending = 0;

  /**
   * Sends frames in the order of the calls, also when their headers must be compressed first. A frame is written only right after
   * the event loop has read from the connection: a write to a peer that has closed fails, and Node then drops the peer's last
   * bytes if they are still unread.
   */
  function send(make: () => Buffer | Promise<Buffer>): Promise<void> {
    // Without a check here, a frame for a closed connection would wait for ever.
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
    sending = sent.catch(() => undefined); // The caller gets the failure.
    return sent;
  }

  const control = (type: number, flags: number, body: Buffer): Buffer =>
    Buffer.concat([uint32(controlBit | (version << 16) | type, (flags << 24) | body.length), body]);
  const unlessClosed = (sent: Promise<void>): void => void sent.catch(() => undefined); // The peer has gone, so nobody needs the failure.

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
    stream.on('error', () => undefined); // A reset by the peer also shows as the end of its data.
    return stream;
  }

  async function onControl(type: number, flags: number, body: Buffer): Promise<void> {
    const id = body.length >= 4 ? body.readUInt32BE(0) & ~controlBit : 0;
    switch (type) {
      case frame.synStream: {
        // The block must be decompressed even when the stream is refused, because the decompressor keeps its state between
        // blocks.
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
        // The block must be decompressed to keep the decompressor's state. The headers of a reply have no meaning here.
        await through(inflate, body.subarray(4), maxHeaderBytes);
        opening.get(id)?.();
        return;
      case frame.headers:
        await through(inflate, body.subarray(4), maxHeaderBytes);
        return;
      case frame.reset:
        streams.get(id)?.resetByPeer();
        return;
      case frame.ping:
        // Odd ids belong to the client. Only pings of the peer are answered.
        if ((id % 2 === 1) === (role === 'server') && socket.writable)
          unlessClosed(send(() => control(frame.ping, 0, uint32(id))));
        return;
      default: // GOAWAY, SETTINGS, WINDOW_UPDATE: nothing to do.
    }
  }

  /**
   * Handles data of a stream. A stream with a slow reader delays the whole connection, as in Kubernetes' own library. A stream
   * that has ended delays nothing.
   */
  async function onData(id: number, flags: number, data: Buffer): Promise<void> {
    const stream = streams.get(id);
    if (stream === undefined) return;
    const room = data.length > 0 ? stream.receive(data) : undefined;
    if (flags & finFlag) void stream.receive(null);
    else if (room !== undefined) await Promise.race([room, connection.ended]);
  }

  const connection = incoming(socket, head);

  /**
   * Waits until enough frames were sent: a peer that does not read its replies is not read from. Its end is noticed all the same.
   */
  async function untilSent(): Promise<void> {
    if (pending > maxPending && socket.writable) await Promise.race([sending, connection.ended]);
  }

  /** A frame that has not arrived completely. */
  interface Partial {
    first: number;
    flags: number;
    left: number;
    /**
     * The bytes of a control frame so far, which is handled as a whole. Undefined for a data frame, whose bytes are passed on as
     * they arrive.
     */
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
    .catch(() => undefined) // Malformed input ends the session in the same way as a closed connection.
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
      // A peer that does not read the pending frames, or does not close its side, is disconnected.
      const timer = setTimeout(() => socket.destroy(), closeTimeoutMs);
      await sending;
      socket.end();
      await closed;
      clearTimeout(timer);
    },
  };
}
