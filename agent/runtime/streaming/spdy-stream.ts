/** One stream of a SPDY session, as Node's Duplex. */
import { Duplex } from 'node:stream';
import type { SpdyHeaders } from './spdy-headers.ts';

/** One stream. Reading ends when the peer ends its half, `end` ends ours, `destroy` resets the stream. */
export interface SpdyStream extends Duplex {
  readonly headers: SpdyHeaders;
}

/** A stream on our side of the session: what is written becomes frames, and frames of the peer are {@link receive}d. */
export class Stream extends Duplex implements SpdyStream {
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
