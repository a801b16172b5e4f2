/**
 * Writes answers piece by piece. The next piece is made only when the client has taken those before, so a client that does not read costs
 * no more memory than one piece. An answer is cut off when its source has ended and the client still does not read.
 */
import type { ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { Writable } from 'node:stream';
import { type TransportResponse, WholeBody } from '#client/transport.ts';
import { endWithoutReading, isRestUnwanted } from './body-reader.ts';
import { ChunkFrames } from './chunk-frames.ts';

/** How long one answer may have the event loop to itself. */
const maxTurnMs = 10;

/** Headers of one HTTP/1.1 hop, which HTTP/2 does not have. */
const hopHeaders = ['connection', 'keep-alive', 'transfer-encoding'];

/** What a stream takes without asking its writer to wait: an answer up to here costs no more memory than Node's own buffers. */
const atOnceBytes = 16 * 1024;

/** The body of an answer that is written as a whole, in one frame with its end; undefined: it goes piece by piece. */
export function writtenAtOnce({ body }: TransportResponse, request: Http2ServerRequest): Uint8Array | undefined {
  return body instanceof WholeBody && body.bytes.length < atOnceBytes && !isRestUnwanted(request) ? body.bytes : undefined;
}

/**
 * Writes one answer to its last byte.
 * @param gone aborts when the client has left, or has had its time
 * @throws Error where the answer cannot be finished: the connection (or stream) has to end
 */
export async function writeResponse(
  answer: TransportResponse,
  request: Http2ServerRequest,
  response: Http2ServerResponse,
  gone: AbortSignal,
): Promise<void> {
  const isHttp2 = request.httpVersionMajor === 2;
  const isUnwanted = isRestUnwanted(request);
  const closing = isUnwanted ? { ...answer.headers, connection: 'close' } : answer.headers;
  const headers = isHttp2 ? withoutHop(answer.headers) : closing;
  const { cookies = [] } = answer;
  response.writeHead(answer.status, cookies.length === 0 ? headers : { ...headers, 'set-cookie': [...cookies] });
  if (request.method === 'HEAD') {
    response.end();
    await answer.body[Symbol.asyncIterator]().return?.();
    return;
  }
  const whole = writtenAtOnce(answer, request);
  if (whole !== undefined) {
    if (gone.aborted) throw leftEarly();
    if (whole.length === 0) response.end();
    else response.end(whole);
    return;
  }
  // A watch answers at once, also when it has nothing to tell yet.
  if (answer.headers['content-length'] === undefined && 'flushHeaders' in response)
    (response as unknown as ServerResponse).flushHeaders();
  const over = answer.over === undefined ? gone : AbortSignal.any([gone, answer.over]);
  const outlet = outletOf(response);
  let turnMs = performance.now();
  for await (const piece of answer.body) {
    if (gone.aborted) break;
    if (!outlet.write(piece)) {
      if (!(await drained(outlet.stream, over))) throw new Error('the client did not read its answer in time');
      turnMs = performance.now();
    } else if (performance.now() - turnMs > maxTurnMs) {
      // A client that takes everything at once must not keep other clients waiting.
      await new Promise((resolve) => setImmediate(resolve));
      turnMs = performance.now();
    }
  }
  if (gone.aborted) throw leftEarly();
  if (isUnwanted) await endWithoutReading(request, response, gone);
  else response.end();
}

const leftEarly = (): Error => new Error('the client left, or its time was over, before its answer was complete');

function withoutHop(headers: Record<string, string>): Record<string, string> {
  if (!hopHeaders.some((name) => Object.hasOwn(headers, name))) return headers;
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !hopHeaders.includes(name)));
}

/** Where pieces go. */
interface Outlet {
  /** @returns whether there is room for more; when not, `stream` says `drain` once there is */
  write(piece: Uint8Array): boolean;
  stream: Pick<Writable, 'once' | 'off'>;
}

const chunks = new ChunkFrames();

/**
 * Over HTTP/1.1, Node writes a chunk's length, content and end apart, for each client; here they are one piece that all who are sent the
 * same share, and one write.
 */
function outletOf(response: Http2ServerResponse): Outlet {
  const plain = response as unknown as ServerResponse;
  const { socket } = plain;
  // A pipelined response has no socket until the earlier responses of its connection are sent.
  if (!('chunkedEncoding' in plain) || !plain.chunkedEncoding || socket === null)
    return { write: (piece) => response.write(piece), stream: response };
  // A chunk without content would be the last one.
  return { write: (piece) => piece.length === 0 || socket.write(chunks.of(piece)), stream: socket };
}

/** Waits until the client has taken what was written. @returns false when `over` aborts before */
function drained(stream: Outlet['stream'], over: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (taken: boolean): void => {
      stream.off('drain', taking);
      over.removeEventListener('abort', ending);
      resolve(taken);
    };
    const taking = (): void => settle(true);
    const ending = (): void => settle(false);
    stream.once('drain', taking);
    over.addEventListener('abort', ending, { once: true });
    if (over.aborted) ending();
  });
}
