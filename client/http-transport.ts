/**
 * A {@link Transport} over the network. https: one HTTP/2 session that carries all requests; http: HTTP/1.1.
 *
 * The session, by state; a request waits for `open`, whatever it takes:
 *
 *     idle ──request──▶ connecting ──ok──▶ open ──goaway, error, silent──▶ idle
 *                           │ failed
 *                           ▼
 *                      backingOff (until) ──request──▶ connecting
 *
 * Source: client-go `transport` (ReadIdleTimeout, PingTimeout); RFC 9113; connect-es `http2-session-manager.ts` for the shape.
 */

import { readFile } from 'node:fs/promises';
import * as http from 'node:http';
import * as http2 from 'node:http2';
import { errorText } from '#api/error-text.ts';
import { queryBool } from '#api/query-options.ts';
import type { Clock } from './clock.ts';
import { sleep, systemClock } from './clock.ts';
import type { Transport, TransportRequest, TransportResponse } from './transport.ts';

/** Where the server is, and how a client proves who it is. */
export interface HttpTransportOptions {
  /** `https://10.0.0.1:6443`. */
  server: string;
  /** PEM; absent: the system's authorities. */
  ca?: string | undefined;
  /** PEM of the client's certificate and key. */
  cert?: string | undefined;
  key?: string | undefined;
  /** In place of these two, where they change: asked at each new connection. Undefined: there is none at the moment. */
  clientCertificate?: (() => { certificate: string; key: string } | undefined) | undefined;
  token?: string | undefined;
  /** Read again once a minute, as service-account tokens rotate. */
  tokenFile?: string | undefined;
  /** The name to verify the server's certificate against, where it is not the one in `server`. */
  tlsServerName?: string | undefined;
  insecureSkipTlsVerify?: boolean | undefined;
  /** Until the whole answer of a request that is neither a watch nor a followed log. Default 60 s. */
  requestTimeoutMs?: number | undefined;
  /** A silent session is asked for a sign of life this often. Default 15 s. */
  pingIntervalMs?: number | undefined;
  /** And given up when none comes within this time. Default 10 s. */
  pingTimeoutMs?: number | undefined;
  connectTimeoutMs?: number | undefined;
  clock?: Clock | undefined;
}

/** A transport that holds connections. */
export interface HttpTransport extends Transport {
  /** Ends the session; requests under way fail. */
  close(): void;
  /** Requests from now on take a new connection, with the current certificate; what is under way has ten seconds to end. */
  reconnect(): void;
}

/** The server could not be reached, or the connection to it broke. */
export class TransportError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TransportError';
  }
}

const tokenMaxAgeMs = 60_000;

/** Connects at the first request. */
export function createHttpTransport(options: HttpTransportOptions): HttpTransport {
  const clock = options.clock ?? systemClock;
  const url = new URL(options.server);
  const prefix = url.pathname.replace(/\/+$/, '');
  const authorization = bearer(options, clock);
  const exchange = url.protocol === 'http:' ? http1(url) : http2Exchange(url, options, clock);
  // The deadlines of answers that have not been read to their end; closing the transport stops their timers, too.
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

interface Exchange {
  send(request: TransportRequest): Promise<TransportResponse>;
  close(): void;
  reconnect(): void;
}

/**
 * How long the body of a watch or a followed log may last: as long as the request asks for, else for ever. Its headers come at once, as
 * those of any answer. Undefined: it is neither.
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

function http1(url: URL): Exchange {
  const agent = new http.Agent({ keepAlive: true });
  return {
    close: () => agent.destroy(),
    reconnect: () => undefined, // Plain HTTP knows no certificates.
    send: (request) =>
      new Promise((resolve, reject) => {
        const outgoing = http.request(
          {
            agent,
            host: url.hostname.replace(/^\[|\]$/g, ''),
            port: url.port === '' ? 80 : Number(url.port),
            method: request.method,
            path: request.path,
            headers: {
              ...request.headers,
              ...(request.body === undefined ? {} : { 'content-length': String(request.body.byteLength) }),
            },
            ...(request.signal === undefined ? {} : { signal: request.signal }),
          },
          (incoming) => resolve({ status: incoming.statusCode ?? 0, headers: plainHeaders(incoming.headers), body: incoming }),
        );
        const fail = (error: Error): void => reject(new TransportError(`${url.origin}: ${error.message}`, { cause: error }));
        outgoing.on('error', fail);
        outgoing.once('upgrade', (_response, socket) => {
          socket.destroy();
          fail(new Error('the server switched protocols in place of an answer'));
        });
        outgoing.once('close', () => fail(new Error('the connection closed before an answer came')));
        outgoing.end(request.body);
      }),
  };
}

function plainHeaders(headers: http.IncomingHttpHeaders | http2.IncomingHttpHeaders): Record<string, string> {
  const pairs = Object.entries(headers).filter(([name, value]) => value !== undefined && !name.startsWith(':'));
  return Object.fromEntries(pairs.map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : String(value)]));
}

type SessionState =
  | { kind: 'idle' }
  | { kind: 'connecting'; session: Promise<http2.ClientHttp2Session>; isStale?: true }
  | { kind: 'open'; session: http2.ClientHttp2Session }
  | { kind: 'backingOff'; untilMs: number }
  | { kind: 'closed' };

const firstBackOffMs = 50;
const maxBackOffMs = 2000;
/** How long requests under way keep a connection that is left. */
const drainMs = 10_000;

function http2Exchange(url: URL, options: HttpTransportOptions, clock: Clock): Exchange {
  const sessions = new SessionKeeper(url, options, clock);
  return {
    close: () => sessions.close(),
    reconnect: () => sessions.reconnect(),
    async send(request) {
      const session = await sessions.open(request.signal);
      return await exchangeOn(session, url, request);
    },
  };
}

class SessionKeeper {
  #state: SessionState = { kind: 'idle' };
  #failures = 0;
  readonly #url: URL;
  readonly #options: HttpTransportOptions;
  readonly #clock: Clock;

  constructor(url: URL, options: HttpTransportOptions, clock: Clock) {
    this.#url = url;
    this.#options = options;
    this.#clock = clock;
  }

  /** An open session; one attempt to connect is shared by all who ask. @throws TransportError when that attempt fails */
  async open(signal: AbortSignal | undefined): Promise<http2.ClientHttp2Session> {
    for (;;) {
      signal?.throwIfAborted();
      const state = this.#state;
      switch (state.kind) {
        case 'open':
          // A session that was told to go away still finishes its streams, but takes no new ones.
          if (!state.session.closed && !state.session.destroyed) return state.session;
          this.#state = { kind: 'idle' };
          break;
        case 'connecting':
          return await state.session;
        case 'backingOff':
          await sleep(this.#clock, Math.max(0, state.untilMs - this.#clock.monotonic()), signal);
          if (this.#state === state) this.#state = { kind: 'idle' };
          break;
        case 'idle':
          this.#state = { kind: 'connecting', session: this.#connect() };
          break;
        case 'closed':
          throw new TransportError(`${this.#url.origin}: the transport is closed`);
      }
    }
  }

  close(): void {
    const state = this.#state;
    this.#state = { kind: 'closed' };
    if (state.kind === 'open') state.session.destroy();
    // A connection that is just being made is closed as soon as it is there. If it fails instead, there is nobody left to tell.
    if (state.kind === 'connecting')
      state.session.then(
        (session) => session.destroy(),
        () => undefined,
      );
  }

  /** A connection that is just being made may have the certificate of before: it serves those who wait for it, and nobody else. */
  reconnect(): void {
    const state = this.#state;
    if (state.kind === 'connecting') this.#state = { ...state, isStale: true };
    if (state.kind !== 'open') return;
    this.#state = { kind: 'idle' };
    this.#leave(state.session);
  }

  #leave(session: http2.ClientHttp2Session): void {
    if (!session.closed) session.close();
    const cancel = this.#clock.after(drainMs, () => session.destroy());
    session.once('close', cancel);
  }

  async #connect(): Promise<http2.ClientHttp2Session> {
    try {
      const session = await connect(this.#url, this.#options, this.#clock);
      this.#failures = 0;
      const state = this.#state;
      if (state.kind === 'connecting') this.#state = state.isStale === true ? { kind: 'idle' } : { kind: 'open', session };
      // Those who have waited for it send their requests first.
      if (state.kind === 'connecting' && state.isStale === true) setImmediate(() => this.#leave(session));
      session.once('close', () => {
        if (this.#state.kind === 'open' && this.#state.session === session) this.#state = { kind: 'idle' };
      });
      keepAlive(session, this.#options, this.#clock);
      return session;
    } catch (error) {
      const delayMs = Math.min(maxBackOffMs, firstBackOffMs * 2 ** Math.min(this.#failures, 10));
      this.#failures += 1;
      if (this.#state.kind !== 'closed') this.#state = { kind: 'backingOff', untilMs: this.#clock.monotonic() + delayMs };
      throw error;
    }
  }
}

function connect(url: URL, options: HttpTransportOptions, clock: Clock): Promise<http2.ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const current = options.clientCertificate?.();
    const { cert, key } = current === undefined ? options : { cert: current.certificate, key: current.key };
    const session = http2.connect(url.origin, {
      ...(options.ca === undefined ? {} : { ca: options.ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(options.tlsServerName === undefined ? {} : { servername: options.tlsServerName }),
      ...(options.insecureSkipTlsVerify === true ? { rejectUnauthorized: false } : {}),
      // A list of thousands of objects should not wait for a window update every 64 KiB.
      settings: { initialWindowSize: 1 << 20, enablePush: false },
      maxSessionMemory: 64,
    });
    const fail = (error: Error): void => {
      cancel();
      if (!session.destroyed) session.destroy();
      reject(new TransportError(`${url.origin}: ${error.message}`, { cause: error }));
    };
    const timeoutMs = options.connectTimeoutMs ?? 10_000;
    const cancel = clock.after(timeoutMs, () => fail(new Error(`no connection within ${timeoutMs / 1000} s`)));
    // Stays for the session's life. Once it is open, every stream learns of the error by its own.
    session.on('error', fail);
    // A server may also close without an error, right after its greeting.
    session.once('close', () => fail(new Error('the server closed the connection')));
    session.once('connect', () => {
      cancel();
      if (session.destroyed) return;
      // One slow watcher must not use up what all streams share.
      session.setLocalWindowSize(64 << 20);
      resolve(session);
    });
  });
}

/** Notices that the server or the network is gone while a watch is silent: sends pings, and destroys the session when one is not answered. */
function keepAlive(session: http2.ClientHttp2Session, options: HttpTransportOptions, clock: Clock): void {
  const intervalMs = options.pingIntervalMs ?? 15_000;
  const timeoutMs = options.pingTimeoutMs ?? 10_000;
  let cancel = (): void => undefined;
  const gaveUp = (): void => {
    session.destroy(new TransportError(`the server did not answer a ping within ${timeoutMs / 1000} s`));
  };
  const ping = (): void => {
    if (session.destroyed || session.closed) return;
    cancel = clock.after(timeoutMs, gaveUp);
    session.ping((error) => {
      cancel();
      if (error === null) cancel = clock.after(intervalMs, ping);
    });
  };
  cancel = clock.after(intervalMs, ping);
  session.once('close', () => cancel());
}

function exchangeOn(session: http2.ClientHttp2Session, url: URL, request: TransportRequest): Promise<TransportResponse> {
  return new Promise((resolve, reject) => {
    const broke = (error: Error): void =>
      reject(
        request.signal?.aborted === true
          ? request.signal.reason
          : new TransportError(`${url.origin}: ${error.message}`, { cause: error }),
      );
    const stream = session.request(
      {
        ':method': request.method,
        ':path': request.path,
        ...request.headers,
        ...(request.body === undefined ? {} : { 'content-length': String(request.body.byteLength) }),
      },
      { endStream: request.body === undefined, ...(request.signal === undefined ? {} : { signal: request.signal }) },
    );
    // Stays for the stream's life: an error after the headers reaches the reader of the body as well.
    stream.on('error', broke);
    stream.once('close', () => broke(new Error('the connection closed before an answer came')));
    stream.once('response', (headers) =>
      resolve({
        status: Number(headers[':status'] ?? 0),
        headers: plainHeaders(headers),
        body: streamBody(stream, url, request.signal),
      }),
    );
    if (request.body !== undefined) stream.end(request.body);
  });
}

async function* streamBody(
  stream: http2.ClientHttp2Stream,
  url: URL,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of stream) yield chunk as Uint8Array;
    // Node ends the iteration quietly when the session dies; half an answer must not pass for a whole one.
    if (!stream.readableEnded) throw new Error(`the stream broke off with code ${stream.rstCode}`);
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason;
    throw new TransportError(`${url.origin}: ${errorText(error)}`, { cause: error });
  } finally {
    // A reader that stops half-way (a watch it no longer wants) frees the stream on both sides.
    if (!stream.destroyed) stream.close(http2.constants.NGHTTP2_CANCEL);
  }
}
