/**
 * Reads request bodies into memory: each up to a limit, and only a few large ones at a time. Who waits for a turn is not read from,
 * so that the bodies wait at their clients.
 *
 * Source: apiserver `pkg/endpoints/handlers/rest.go` (limitedReadBody); Go's `net/http` for what becomes of the rest of a refused body.
 */
import type { ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import http2 from 'node:http2';
import { failure, requestTooLarge } from '#api/status.ts';
import { maxBodyBytes } from '../rest/request-body.ts';

/** Bodies up to here, which nearly all are, never wait. */
const smallBodyBytes = 256 * 1024;
/** One that came in one piece and is no longer than this is not copied. */
const briefBytes = 16 * 1024;
/** Large bodies in memory at a time, from their first byte until their answer is known. */
const turns = 4;
/** The time for a whole body to arrive, its turn included: upstream's `--request-timeout`. */
const deadlineMs = 60_000;
/** How long a large body may keep its turn without sending anything, while others wait. */
const stalledMs = 5_000;
/** An unread rest up to this size is taken in, so that the connection can be used again. */
const drainedBytes = 256 * 1024;
/** How long a refused HTTP/1.1 client gets for reading the answer before its connection ends (Go's rstAvoidanceDelay). */
const lingerMs = 500;

/** What a request sent. */
export interface Body {
  bytes: Uint8Array | undefined;
  /** In place of `bytes`: the body as it comes. */
  stream?: AsyncIterable<Uint8Array> | undefined;
  /** To be called when the request is answered: the next one may be read. */
  release(): void;
}

/** Reads bodies, few large ones at a time. @throws (its methods) ApiError 413 beyond the limit */
export class BodyReader {
  #free = turns;
  readonly #waiting: (() => void)[] = [];

  /**
   * @param gone the client has left, or has been answered
   * @throws ApiError 413 without reading what is, or says it is, too large; 504 when the body does not arrive
   */
  async read(request: Http2ServerRequest, gone: AbortSignal): Promise<Body> {
    const declared = Number(request.headers['content-length'] ?? Number.NaN);
    if (declared > maxBodyBytes) throw tooLarge();
    if (!hasBody(request)) {
      request.resume();
      return { bytes: undefined, release: () => undefined };
    }
    const reading = new Reading(request, gone);
    let release = (): void => undefined;
    try {
      const first = declared > smallBodyBytes ? 'more' : await reading.upTo(smallBodyBytes);
      if (first === 'more') {
        release = await this.#turn(reading);
        if ((await reading.upTo(maxBodyBytes, () => this.#waiting.length > 0)) === 'more') throw tooLarge();
      }
      return { bytes: reading.take(), release };
    } catch (error) {
      release();
      throw error;
    } finally {
      reading.stop();
    }
  }

  /** Resolves to the function that ends the turn. */
  async #turn(reading: Reading): Promise<() => void> {
    if (this.#free > 0) this.#free -= 1;
    else {
      let take: (() => void) | undefined;
      try {
        await reading.unlessBroken<void>((resolve) => {
          take = resolve;
          this.#waiting.push(resolve);
        });
      } catch (error) {
        // Undefined: it was broken before it waited.
        const index = take === undefined ? -1 : this.#waiting.indexOf(take);
        if (index >= 0) this.#waiting.splice(index, 1);
        else if (take !== undefined) this.#end();
        throw error;
      }
    }
    let isEnded = false;
    return () => {
      if (!isEnded) this.#end();
      isEnded = true;
    };
  }

  #end(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}

/** One body on its way. */
class Reading {
  readonly #request: Http2ServerRequest;
  #chunks: Buffer[] = [];
  #length = 0;
  #limit = 0;
  #isEnded = false;
  #lastMs = performance.now();
  #settle: ((result: 'all' | 'more') => void) | undefined;
  /** Why nothing more comes: the client has gone away, or takes too long. */
  #broken: Error | undefined;
  /** Rejects the promise that waits for more data. */
  #whenBroken: ((error: Error) => void) | undefined;
  #isStopped = false;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #gone: AbortSignal;
  readonly #leave: () => void;

  constructor(request: Http2ServerRequest, gone: AbortSignal) {
    this.#request = request;
    request.on('data', (chunk: Buffer) => this.#received(chunk));
    request.pause();
    request.on('end', () => {
      this.#isEnded = true;
      this.#settle?.('all');
    });
    this.#gone = gone;
    this.#leave = () => this.#breakOff(new Error('the client went away before its request was complete'));
    if (gone.aborted) this.#leave();
    gone.addEventListener('abort', this.#leave, { once: true });
    this.#timers.push(setTimeout(() => this.#breakOff(timeout()), deadlineMs));
  }

  #breakOff(error: Error): void {
    this.#broken ??= error;
    this.#whenBroken?.(error);
  }

  /** What `start` resolves to; rejects when the body breaks off before. One waits at a time. */
  unlessBroken<T>(start: (resolve: (value: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#broken !== undefined) return reject(this.#broken);
      this.#whenBroken = reject;
      start(resolve);
    });
  }

  /** Reads on until the body ends or is longer than `limit` bytes. @param isHurried whether somebody waits for this one */
  async upTo(limit: number, isHurried?: () => boolean): Promise<'all' | 'more'> {
    if (this.#isEnded) return 'all';
    if (this.#length > limit) return 'more';
    this.#limit = limit;
    this.#lastMs = performance.now();
    if (isHurried !== undefined) {
      const look = (): void => {
        if (isHurried() && performance.now() - this.#lastMs > stalledMs) this.#breakOff(timeout());
      };
      this.#timers.push(setInterval(look, stalledMs / 5));
    }
    try {
      return await this.unlessBroken((resolve) => {
        this.#settle = resolve;
        this.#request.resume();
      });
    } finally {
      this.#settle = undefined;
    }
  }

  #received(chunk: Buffer): void {
    if (this.#isStopped) return;
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    this.#lastMs = performance.now();
    if (this.#length <= this.#limit) return;
    this.#request.pause();
    this.#settle?.('more');
  }

  take(): Uint8Array | undefined {
    if (this.#length === 0) return undefined;
    const [first] = this.#chunks;
    // A piece is a part of a larger buffer, which would stay in memory with a body that is kept, so only a brief one is not copied.
    return this.#chunks.length === 1 && this.#length < briefBytes ? first : Buffer.concat(this.#chunks);
  }

  stop(): void {
    this.#isStopped = true;
    this.#gone.removeEventListener('abort', this.#leave);
    this.#chunks = [];
    for (const timer of this.#timers) clearTimeout(timer);
  }
}

/** A body that somebody else reads, as it comes and of any size. */
export function passedOn(request: Http2ServerRequest): Body {
  // The connection outlives a body that is not read to its end: the answer still has to be sent.
  const stream = hasBody(request) ? request.iterator({ destroyOnReturn: false }) : undefined;
  return { bytes: undefined, stream, release: () => undefined };
}

const tooLarge = (): Error => requestTooLarge(`Request entity too large: limit is ${maxBodyBytes}`);
const timeout = (): Error => failure(504, 'Timeout', 'Timeout: request did not complete within the allotted timeout', {});

/** Whether so much of the body is unread, or may be, that the connection is not worth reading it. */
export function isRestUnwanted(request: Http2ServerRequest): boolean {
  if (request.complete || !hasBody(request)) return false;
  return !(Number(request.headers['content-length'] ?? Number.NaN) <= drainedBytes);
}

function hasBody({ stream, headers }: Http2ServerRequest): boolean {
  if (stream !== undefined) return !stream.endAfterHeaders;
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/**
 * Ends an answer to a request whose body is not read. HTTP/2 resets the stream with NO_ERROR, which leaves the answer valid; HTTP/1.1
 * has only the connection, which waits a little, for a connection that is closed while data arrive takes the answer with it.
 */
export async function endWithoutReading(
  request: Http2ServerRequest,
  response: Http2ServerResponse | ServerResponse,
  gone: AbortSignal,
): Promise<void> {
  const { stream } = request;
  if (stream !== undefined) {
    response.end();
    stream.close(http2.constants.NGHTTP2_NO_ERROR);
    return;
  }
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, lingerMs);
    gone.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
  response.end();
}
