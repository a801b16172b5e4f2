/**
 * A {@link Transport} over the network. https: one HTTP/2 session that carries all requests; http: HTTP/1.1.
 *
 * Source: client-go `transport`, `rest/config.go`.
 */

import { readFile } from 'node:fs/promises';
import { queryBool } from '#api/query-options.ts';
import type { Clock } from './clock.ts';
import { systemClock } from './clock.ts';
import { http1Exchange } from './http1-exchange.ts';
import { http2Exchange } from './http2-exchange.ts';
import type { Http2Options } from './http2-session.ts';
import type { Transport, TransportRequest, TransportResponse } from './transport.ts';
import { TransportError } from './transport-error.ts';

/** The address of the server, and the credentials of the client. */
export interface HttpTransportOptions extends Http2Options {
  /** `https://10.0.0.1:6443`. */
  server: string;
  token?: string | undefined;
  /** Path of a file with the token. It is read again once a minute, because service account tokens rotate. */
  tokenFile?: string | undefined;
  /** Time for the whole answer of a request that is neither a watch nor a followed log. Default 60 s. */
  requestTimeoutMs?: number | undefined;
  clock?: Clock | undefined;
}

/** A transport that holds connections. */
export interface HttpTransport extends Transport {
  /** Ends the session; requests under way fail. */
  close(): void;
  /** Uses a new connection, with the current certificate, for later requests. Requests under way have ten seconds to end. */
  reconnect(): void;
}

const tokenMaxAgeMs = 60_000;

/** Connects at the first request. */
export function createHttpTransport(options: HttpTransportOptions): HttpTransport {
  const clock = options.clock ?? systemClock;
  const url = new URL(options.server);
  const prefix = url.pathname.replace(/\/+$/, '');
  const authorization = bearer(options, clock);
  const exchange = url.protocol === 'http:' ? http1Exchange(url) : http2Exchange(url, options, clock);
  // The deadlines of answers that are not completely read. Closing the transport stops their timers too.
  const open = new Set<Deadline>();
  const transport = async (request: TransportRequest): Promise<TransportResponse> => {
    const token = await authorization();
    const headers = token === undefined ? request.headers : { ...request.headers, authorization: `Bearer ${token}` };
    const timeoutMs = options.requestTimeoutMs ?? 60_000;
    const deadline = new Deadline(clock, timeoutMs, request);
    const signal = deadline.signal(request.signal);
    open.add(deadline);
    const finish = (): void => {
      deadline.stop();
      open.delete(deadline);
    };
    try {
      const response = await exchange.send({ ...request, path: prefix + request.path, headers, signal });
      const streamMs = streamingMs(request.path);
      if (streamMs !== undefined) deadline.restart(streamMs + timeoutMs);
      return { ...response, body: finishing(response.body, deadline, finish) };
    } catch (error) {
      finish();
      throw deadline.error ?? error;
    }
  };
  const close = (): void => {
    exchange.close();
    for (const deadline of open) deadline.stop();
  };
  return Object.assign(transport, { close, reconnect: () => exchange.reconnect() });
}

/**
 * Time limit of the body of a watch or a followed log: the one that the request names, otherwise none. Its headers come at once, like
 * those of any answer. Undefined for other requests.
 */
function streamingMs(path: string): number | undefined {
  const query = new URLSearchParams(path.includes('?') ? path.slice(path.indexOf('?') + 1) : '');
  if (!queryBool(query, 'watch') && !queryBool(query, 'follow')) return undefined;
  const seconds = Number(query.get('timeoutSeconds') ?? 0);
  return seconds > 0 ? seconds * 1000 : Number.POSITIVE_INFINITY;
}

class Deadline {
  error: TransportError | undefined;
  readonly #abort = new AbortController();
  readonly #clock: Clock;
  readonly #request: TransportRequest;
  #cancel: () => void = () => undefined;
  constructor(clock: Clock, timeoutMs: number, request: TransportRequest) {
    this.#clock = clock;
    this.#request = request;
    this.restart(timeoutMs);
  }
  /** @param timeoutMs from now on; infinite: none */
  restart(timeoutMs: number): void {
    this.#cancel();
    if (timeoutMs === Number.POSITIVE_INFINITY) return;
    this.#cancel = this.#clock.after(timeoutMs, () => {
      const { method, path } = this.#request;
      this.error = new TransportError(`${method} ${path}: no whole answer within ${timeoutMs / 1000} s`);
      this.#abort.abort(this.error);
    });
  }
  signal(outer: AbortSignal | undefined): AbortSignal {
    return outer === undefined ? this.#abort.signal : AbortSignal.any([outer, this.#abort.signal]);
  }
  stop(): void {
    this.#cancel();
  }
}

async function* finishing(body: AsyncIterable<Uint8Array>, deadline: Deadline, finish: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw deadline.error ?? error;
  } finally {
    finish();
  }
}

function bearer({ token, tokenFile }: HttpTransportOptions, clock: Clock): () => Promise<string | undefined> {
  if (tokenFile === undefined) return () => Promise.resolve(token);
  let cached: { token: string; atMs: number } | undefined;
  return async () => {
    if (cached === undefined || clock.monotonic() - cached.atMs > tokenMaxAgeMs) {
      cached = { token: (await readFile(tokenFile, 'utf8')).trim(), atMs: clock.monotonic() };
    }
    return cached.token;
  };
}
