/**
 * SPDY/3.1 as Kubernetes' streaming uses it: streams with headers over one connection, half-close, no push. It has no flow
 * control of its own, like Kubernetes' library; TCP's flow control limits the sender. Both sides are implemented.
 *
 * Source: draft-mbelshe-httpbis-spdy-00 for frames and the header dictionary.
 */
import type { Duplex } from 'node:stream';
import { setImmediate as afterReading } from 'node:timers/promises';
import { createDeflate, createInflate } from 'node:zlib';
import { incoming } from './incoming-bytes.ts';
import { decodeHeaders, encodeHeaders, type SpdyHeaders, spdyDictionary, through, uint32 } from './spdy-headers.ts';
import { type SpdyStream, Stream } from './spdy-stream.ts';

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
