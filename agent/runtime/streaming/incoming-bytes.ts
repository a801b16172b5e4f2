/** Reads a connection to its last byte. */
import type { Duplex } from 'node:stream';

/** Limit of received bytes that wait to be parsed. Beyond it, the connection is not read any further. */
const maxWaitingBytes = 1024 * 1024;

/** The bytes of a connection, read one chunk at a time. */
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
export function incoming(socket: Duplex, head: Buffer): Incoming {
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
