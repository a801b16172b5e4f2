/** One request over HTTPS, from its headers to its answer's last byte. */
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { TransportResponse } from '#client/transport.ts';
import type { ApiServer } from '../api-server.ts';
import { anonymousUser } from '../authentication/anonymous.ts';
import { parseRequestInfo, type RequestInfo } from '../rest/request-info.ts';
import { writeResponse, writtenAtOnce } from './answer-writer.ts';
import { type BodyReader, passedOn } from './body-reader.ts';
import type { Arrival } from './filter-chain.ts';
import { refusal } from './http-refusals.ts';
import { occupy } from './open-connections.ts';
import { requestTimeoutMs } from './request-deadline.ts';
import { type ClientAuthorities, credentialsOf, plainHeaders, socketOf, tlsSocketOf } from './request-sender.ts';
import type { ServerLog } from './server-log.ts';

/** Who answers the requests: the API server, or what another component serves of itself. */
export type RequestHandler = Pick<ApiServer, 'handle' | 'upgrades' | 'beginShutdown'>;

/** What requests of one listener are served with. */
export interface Serving {
  server: RequestHandler;
  bodies: BodyReader;
  log: ServerLog;
  /** How long a request that is not long-running may take (`--request-timeout`). */
  requestMs: number;
  /** Whose client certificates are known. */
  authorities: ClientAuthorities;
}

/** The abort reason of all request signals. It is shared, because creating an Error with its stack per request is slow. */
const clientLeft = new Error('the client has left, or has been answered');

/**
 * One request from its headers to its answer's last byte. Never rejects: what goes wrong is an answer, or ends the connection.
 * @param goOn tells a client that asked (`Expect: 100-continue`) to send its body
 */
export async function serve(
  serving: Serving,
  request: Http2ServerRequest,
  response: Http2ServerResponse,
  goOn?: () => void,
): Promise<void> {
  const gone = new AbortController();
  const release = occupy(socketOf(request));
  // Nothing goes on behind an answer that was written at once, so nobody has to be told that it is over. (Behind a 504 the handler does.)
  let isOver = false;
  const leave = (): void => {
    if (!isOver) gone.abort(clientLeft);
  };
  request.on('aborted', leave);
  request.on('error', leave);
  response.on('close', leave);
  response.on('error', leave);
  const info = parseRequestInfo(request.method, request.url ?? '');
  const limit = new WritingLimit(info, serving.requestMs, leave);
  try {
    const found = await answer(serving, request, info, gone.signal, goOn);
    if (found.answer.headers['connection'] === 'close' || found.isAnonymous) closeAfter(request);
    const isBrief = writtenAtOnce(found.answer, request) !== undefined;
    if (!isBrief) limit.answering(found.answer.status);
    await writeResponse(found.answer, request, response, gone.signal);
    isOver = isBrief && found.answer.status !== 504;
  } catch (error) {
    if (!gone.signal.aborted) serving.log.warn({ err: error, path: request.url }, 'answer broke off');
    // HTTP/1.1 has no streams: there the connection ends, or the client would wait for the rest for ever.
    if ('stream' in response) response.stream?.destroy();
    else socketOf(request).destroy();
  } finally {
    limit.stop();
    release();
  }
}

/**
 * HTTP/2 is costly and easily abused: whoever is not known gets one request a connection (upstream's
 * `UnauthenticatedHTTP2DOSMitigation`, CVE-2023-44487), as after an answer with `Connection: close`.
 */
function closeAfter(request: Http2ServerRequest): void {
  if (request.httpVersionMajor === 2) request.stream?.session?.close();
}

/** A response, and whether its sender is anonymous. */
interface Found {
  answer: TransportResponse;
  isAnonymous: boolean;
}

/**
 * An answer that is still being written when the request's time is over breaks off. (What has no answer by then is told so by the filter
 * `deadline`, and that answer gets a time of its own.) Long-running requests have no limit.
 */
class WritingLimit {
  readonly #startMs = performance.now();
  readonly #timeoutMs: number | undefined;
  readonly #leave: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(info: RequestInfo, requestMs: number, leave: () => void) {
    this.#timeoutMs = timeoutOf(info, requestMs);
    this.#leave = leave;
  }

  answering(status: number): void {
    if (this.#timeoutMs === undefined) return;
    const leftMs = this.#timeoutMs - (performance.now() - this.#startMs);
    this.#timer = setTimeout(this.#leave, status === 504 || leftMs <= 0 ? this.#timeoutMs : leftMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

function timeoutOf(info: RequestInfo, requestMs: number): number | undefined {
  try {
    return requestTimeoutMs(info, requestMs);
  } catch {
    return requestMs; // The answer tells what is wrong with it.
  }
}

async function answer(
  { server, bodies, requestMs, authorities }: Serving,
  request: Http2ServerRequest,
  info: RequestInfo,
  signal: AbortSignal,
  goOn: (() => void) | undefined,
): Promise<Found> {
  const refused = refusal(request);
  if (refused !== undefined) return { answer: refused, isAnonymous: true };
  let isAnonymous = true;
  let isBodyRead = false;
  const arrival: Arrival = {
    sender: { credentials: credentialsOf(request, authorities) },
    info,
    timeoutMs: requestMs,
    identified: (user) => {
      isAnonymous = user.groups.includes(anonymousUser.groups[0] ?? '');
    },
    async readBody(isPassedOn) {
      goOn?.();
      const body = isPassedOn ? passedOn(request) : await bodies.read(request, signal);
      isBodyRead = true;
      return body;
    },
  };
  const headers = plainHeaders(request.headers);
  if (request.authority !== undefined) headers['host'] ??= request.authority;
  const { remoteAddress } = tlsSocketOf(request);
  const plain = { method: request.method, path: request.url ?? '', headers, remoteAddress, signal };
  const answer = await server.handle(plain, arrival);
  // The body that was announced has not been asked for: what comes next on this connection may be it, or not.
  if (goOn !== undefined && !isBodyRead) answer.headers['connection'] = 'close';
  return { answer, isAnonymous };
}
