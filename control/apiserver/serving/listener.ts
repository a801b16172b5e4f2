/**
 * HTTPS: HTTP/2 and HTTP/1.1 on one port, client certificates, bearer tokens; requests become {@link TransportRequest}s.
 */

import { type IncomingHttpHeaders, type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Http2SecureServer, Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import { ApiError, failure } from '#api/status.ts';
import type { TransportRequest, TransportResponse } from '#client/transport.ts';
import { untilAborted } from '#client/until-aborted.ts';
import type { ApiServer, ProxiedRequest } from '../api-server.ts';
import { anonymousUser, authenticate, withoutToken } from '../authentication/authentication.ts';
import type { UserInfo } from '../registry/strategy.ts';
import { negotiateLeniently } from '../rest/negotiation.ts';
import { parseRequestInfo, type RequestInfo } from '../rest/request-info.ts';
import { errorResponse } from '../rest/responses.ts';
import { writeResponse } from './answer-writer.ts';
import { BodyReader, passedOn } from './body-reader.ts';
import { type ConnectionTimes, closeIdleSessions, connectionLimits, defaultTimes } from './connection-limits.ts';
import { refusal } from './http-refusals.ts';
import { defaultInflightLimits, Inflight, type InflightLimits, tooManyRequests } from './inflight.ts';
import { sendToReader, type UpgradeRequest } from './reader-websocket.ts';
import { requestTimeoutMs } from './request-deadline.ts';
import type { ServerLog } from './server-log.ts';
import { WarningRecorder } from './warnings.ts';
import { negotiateWatch, wantsWebSocketWatch, watchMessages } from './watch-websocket.ts';

export interface ListenerOptions {
  host: string;
  /** 0: any free one. */
  port: number;
  /** PEM: the server's certificate and key, and the CA that client certificates must come from. */
  certificate: string;
  key: string;
  clientCa: string;
  /** How long requests under way may take to finish on shutdown. Default 10 s. */
  graceMs?: number;
  /** Default: upstream's, 400 and 200. */
  inflight?: InflightLimits;
  /** How long clients may take over headers, bodies and silence. Default: upstream's. */
  times?: Partial<ConnectionTimes>;
}

/** A client's connection that asks to become something else, with all that is known of it. */
export interface UpgradeExchange extends ProxiedRequest {
  message: IncomingMessage;
  socket: Duplex;
  /** What the client has said behind its request. */
  head: Buffer;
}

/** Takes over upgraded HTTP/1.1 connections (the kubelet proxy). @throws ApiError when it cannot */
export interface UpgradeHandler {
  /** Whether it upgrades connections for such requests at all; for others an `Upgrade` header means nothing, as in Go. */
  handles(info: RequestInfo): boolean;
  /** Settles when the connection has ended. @throws ApiError while an ordinary answer can still be given */
  upgrade(exchange: UpgradeExchange): Promise<void>;
}

export interface Listener {
  readonly port: number;
  /** Serves until `signal` aborts, then lets requests finish. */
  run(signal: AbortSignal): Promise<void>;
}

/** Opens the port. @throws the socket's error (EADDRINUSE, EACCES) */
export async function listen(
  server: ApiServer,
  options: ListenerOptions,
  log: ServerLog,
  upgrade?: UpgradeHandler,
): Promise<Listener> {
  const times = { ...defaultTimes, ...options.times };
  const http = http2.createSecureServer({
    ...connectionLimits(times),
    allowHTTP1: true,
    cert: options.certificate,
    key: options.key,
    ca: options.clientCa,
    requestCert: true,
    // Whoever has no certificate of ours may still have a token.
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
  });
  const inflight = new Inflight(options.inflight ?? defaultInflightLimits);
  server.metrics.reportInflight(inflight);
  const serving: Serving = { server, inflight, bodies: new BodyReader(), log, requestMs: times.requestMs };
  http.on('request', (request, response) => void serve(serving, request, response));
  // Go on only when it is known who asks: a client that is refused keeps its body.
  http.on('checkContinue', (request, response) => void serve(serving, request, response, () => response.writeContinue()));
  http.on(
    'upgrade',
    (request: Http2ServerRequest, socket: Duplex, head: Buffer) => void upgraded(serving, upgrade, request, socket, head),
  );
  // HTTP/2 gives request and response, HTTP/1.1 the connection.
  http.on('connect', (request: Http2ServerRequest, second: Http2ServerResponse | Duplex) =>
    'writeHead' in second ? void serve(serving, request, second) : void connected(serving, request, second),
  );
  // Without this, Node gives every request with an Upgrade header to the listener above, whatever it is about.
  Object.assign(http, {
    shouldUpgradeCallback: ({ method, url, headers }: IncomingMessage) => {
      const info = parseRequestInfo(method ?? '', url ?? '');
      return wantsWebSocketWatch(info, method, headers) || upgrade?.handles(info) === true;
    },
  });
  closeIdleSessions(http, times);
  http.on('session', (session) =>
    session.on('error', (error) => log.debug({ err: error }, 'HTTP/2 session ended with an error')),
  );
  http.on('tlsClientError', (error) => log.debug({ err: error }, 'TLS handshake failed'));
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject);
    http.listen(options.port, options.host, () => {
      http.off('error', reject);
      resolve();
    });
  });
  // A connection that cannot be accepted (too many open files) is one client's loss, not the server's end.
  http.on('error', (error) => log.error({ err: error }, 'a connection could not be accepted'));
  const sessions = trackSessions(http);
  return {
    port: (http.address() as AddressInfo).port,
    run: (signal) => runUntil(signal, server, http, sessions, options.graceMs ?? 10_000),
  };
}

interface OpenConnections {
  sessions: Set<http2.ServerHttp2Session>;
  /** Those that speak HTTP/1.1. */
  sockets: Set<Duplex>;
}

function trackSessions(http: Http2SecureServer): OpenConnections {
  const open: OpenConnections = { sessions: new Set(), sockets: new Set() };
  http.on('session', (session) => {
    open.sessions.add(session);
    session.on('close', () => open.sessions.delete(session));
  });
  http.on('secureConnection', (socket) => {
    if (socket.alpnProtocol === 'h2') return;
    open.sockets.add(socket);
    socket.on('close', () => open.sockets.delete(socket));
  });
  return open;
}

async function runUntil(
  signal: AbortSignal,
  server: ApiServer,
  http: Http2SecureServer,
  open: OpenConnections,
  graceMs: number,
): Promise<void> {
  await untilAborted(signal);
  server.beginShutdown();
  const closed = new Promise<void>((resolve) => http.close(() => resolve()));
  for (const session of open.sessions) session.close();
  // A closed HTTP/2 session ends with its last stream; HTTP/1.1 connections that wait for a next request would stay for ever.
  const timer = setTimeout(() => {
    for (const socket of open.sockets) socket.destroy();
    for (const session of open.sessions) session.destroy();
  }, graceMs);
  const idle = setInterval(() => {
    for (const socket of open.sockets) if (!busy.has(socket)) socket.destroy();
  }, 50);
  await closed;
  clearTimeout(timer);
  clearInterval(idle);
}

/** Sockets with a request or stream under way. */
const busy = new WeakMap<Duplex, number>();

function occupy(socket: Duplex): () => void {
  busy.set(socket, (busy.get(socket) ?? 0) + 1);
  return () => {
    const left = (busy.get(socket) ?? 1) - 1;
    if (left > 0) busy.set(socket, left);
    else busy.delete(socket);
  };
}

interface Serving {
  server: ApiServer;
  /** What requests pass before they are handled. */
  inflight: Inflight;
  bodies: BodyReader;
  log: ServerLog;
  /** How long a request that is not long-running may take (`--request-timeout`). */
  requestMs: number;
}

/**
 * One request from its headers to its answer's last byte. Never rejects: what goes wrong is an answer, or ends the connection.
 * @param goOn tells a client that asked (`Expect: 100-continue`) to send its body
 */
async function serve(
  serving: Serving,
  request: Http2ServerRequest,
  response: Http2ServerResponse,
  goOn?: () => void,
): Promise<void> {
  const gone = new AbortController();
  const release = occupy(socketOf(request));
  const leave = (): void => gone.abort();
  request.on('aborted', leave);
  request.on('error', leave);
  response.on('close', leave);
  response.on('error', leave);
  const limit = new Deadline(request, serving.requestMs, leave);
  try {
    const found = await Promise.race([answer(serving, request, gone.signal, goOn), limit.answer]);
    if (found.answer.headers['connection'] === 'close' || found.isAnonymous) closeAfter(request);
    limit.answering();
    await writeResponse(found.answer, request, response, gone.signal);
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

/** An answer, and whether nobody known asked for it. */
interface Found {
  answer: TransportResponse;
  isAnonymous: boolean;
}

/** After `requestMs`: 504 where nothing has been answered yet; else the answer breaks off. Long-running requests have none. */
class Deadline {
  readonly answer: Promise<Found>;
  readonly #timer: NodeJS.Timeout | undefined;
  #isAnswering = false;
  #hasPassed = false;

  constructor(request: Http2ServerRequest, requestMs: number, leave: () => void) {
    const { promise, resolve } = Promise.withResolvers<Found>();
    this.answer = promise;
    const timeoutMs = this.#timeoutMs(request, requestMs);
    if (timeoutMs === undefined) return;
    this.#timer = setTimeout(() => {
      this.#hasPassed = true;
      if (this.#isAnswering) leave();
      else resolve({ answer: timedOut(request), isAnonymous: false });
    }, timeoutMs);
  }

  #timeoutMs(request: Http2ServerRequest, requestMs: number): number | undefined {
    try {
      return requestTimeoutMs(parseRequestInfo(request.method, request.url ?? ''), requestMs);
    } catch {
      return requestMs; // The answer tells what is wrong with it.
    }
  }

  /** From here on there is no other answer. A moment more for the 504 itself. */
  answering(): void {
    this.#isAnswering = true;
    if (this.#hasPassed) this.#timer?.refresh();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

function timedOut(request: Http2ServerRequest): TransportResponse {
  const error = failure(504, 'Timeout', 'Timeout: request did not complete within the allotted timeout', {});
  const response = errorResponse(error, negotiateLeniently(request.headers['accept']), false);
  response.headers['connection'] = 'close';
  return response;
}

async function answer(
  { server, inflight, bodies, log, requestMs }: Serving,
  request: Http2ServerRequest,
  signal: AbortSignal,
  goOn: (() => void) | undefined,
): Promise<Found> {
  let isAnonymous = true;
  const headers = plainHeaders(request.headers);
  try {
    const refused = refusal(request);
    if (refused !== undefined) return { answer: refused, isAnonymous };
    requestTimeoutMs(parseRequestInfo(request.method, request.url ?? ''), requestMs);
    const user = await authenticated(server, log, request);
    isAnonymous = user.groups.includes(anonymousUser.groups[0] ?? '');
    const leave = inflight.enter(parseRequestInfo(request.method, request.url ?? ''), user);
    if (leave === undefined) return { answer: tooManyRequests(), isAnonymous };
    try {
      goOn?.();
      if (request.authority !== undefined) headers['host'] ??= request.authority;
      const { remoteAddress } = tlsSocketOf(request);
      const isPassedOn = server.passesBodyOn(parseRequestInfo(request.method, request.url ?? ''));
      const body = isPassedOn ? passedOn(request) : await bodies.read(request);
      const { bytes, stream } = body;
      const plain = { method: request.method, path: request.url ?? '', headers, body: bytes, stream, remoteAddress, signal };
      // Nobody waits for what a stream that was reset asked for.
      if (signal.aborted) throw new Error('the client left before its request was looked at');
      return { answer: await server.handle(plain, user).finally(body.release), isAnonymous };
    } finally {
      leave();
    }
  } catch (error) {
    if (!(error instanceof ApiError) && !signal.aborted) log.error({ err: error, path: request.url }, 'request failed');
    const refused = errorResponse(error, negotiateLeniently(headers['accept']), false);
    // The body that was announced has not been asked for: what comes next on this connection may be it, or not.
    if (goOn !== undefined) refused.headers['connection'] = 'close';
    return { answer: refused, isAnonymous };
  }
}

const protocolHeader = 'sec-websocket-protocol';

async function authenticated(server: ApiServer, log: ServerLog, request: Http2ServerRequest): Promise<UserInfo> {
  const socket = tlsSocketOf(request);
  const info = parseRequestInfo(request.method, request.url ?? '');
  return await authenticate(
    {
      certificate: verifiedCertificate(request.stream?.session ?? socket, socket),
      authorization: request.headers.authorization,
      protocols: request.headers.upgrade?.toLowerCase() === 'websocket' ? request.headers[protocolHeader] : undefined,
    },
    info,
    server.tokens,
    log,
  );
}

/** Asking TLS for it means parsing it: once for each connection is enough. */
const certificates = new WeakMap<object, { certificate: PeerCertificate | undefined }>();

function verifiedCertificate(connection: object, socket: TLSSocket): PeerCertificate | undefined {
  let known = certificates.get(connection);
  if (known === undefined) {
    const certificate = socket.authorized ? socket.getPeerCertificate() : undefined;
    // Without a certificate Node gives an empty object.
    known = { certificate: certificate?.raw === undefined ? undefined : certificate };
    certificates.set(connection, known);
  }
  return known.certificate;
}

/** HTTP/2 hands out a proxy of the socket that keeps TLS methods out of reach of writes, but not of reads. */
function tlsSocketOf(request: Http2ServerRequest): TLSSocket {
  return (request.stream?.session?.socket ?? request.socket) as TLSSocket;
}

const socketOf = (request: Http2ServerRequest): Duplex => request.socket as unknown as Duplex;

/** Lower-case names, one value each: several of one name are joined, as RFC 9110 allows. */
export function plainHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const plain: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !name.startsWith(':')) plain[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return plain;
}

function hideToken(headers: { [protocolHeader]?: string | undefined }): void {
  const offered = headers[protocolHeader];
  if (offered === undefined) return;
  const others = withoutToken(offered);
  if (others === '') delete headers[protocolHeader];
  else headers[protocolHeader] = others;
}

async function upgraded(
  { server, log }: Serving,
  upgrade: UpgradeHandler | undefined,
  request: Http2ServerRequest,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  socket.on('error', (error) => log.debug({ err: error }, 'upgraded connection broke'));
  const headers = plainHeaders(request.headers);
  try {
    const refused = refusal(request);
    if (refused !== undefined) return await writeAnswer(socket, refused);
    const user = await authenticated(server, log, request);
    hideToken(headers);
    hideToken(request.headers);
    const info = parseRequestInfo(request.method, request.url);
    const { remoteAddress } = tlsSocketOf(request);
    const plain = { method: request.method, path: request.url, headers, remoteAddress };
    const message = request as unknown as IncomingMessage;
    if (wantsWebSocketWatch(info, request.method, request.headers))
      return await watchOverWebSocket({ server, log }, plain, user, { request: message, socket, head });
    const acting = await server.admit(plain, info, user);
    // A browser opens a WebSocket by GET, and yet it is no mere reading (AuthorizePodWebsocketUpgradeCreatePermission).
    if (info.resource === 'pods' && streams.has(info.subresource)) await server.admit(plain, { ...info, verb: 'create' }, user);
    await server.ready;
    const admitConnect = (): Promise<void> => server.admitConnect(info, acting, new WarningRecorder());
    await upgrade?.upgrade({ request: plain, info, registry: server.registry, admitConnect, message, socket, head });
  } catch (error) {
    if (!(error instanceof ApiError)) log.error({ err: error, path: request.url }, 'a connection could not be upgraded');
    await writeAnswer(socket, errorResponse(error, negotiateLeniently(headers['accept']), false));
  }
}

const streams: ReadonlySet<string> = new Set(['exec', 'attach', 'portforward']);

/** What goes wrong before the first event is an ordinary answer. @throws ApiError for a handshake that cannot be agreed on */
async function watchOverWebSocket(
  { server, log }: Pick<Serving, 'server' | 'log'>,
  request: TransportRequest,
  user: UserInfo,
  upgrade: UpgradeRequest,
): Promise<void> {
  const { socket } = upgrade;
  const gone = new AbortController();
  socket.once('close', () => gone.abort());
  const answer = await server.handle({ ...request, signal: gone.signal }, user);
  if (answer.status !== 200) return await writeAnswer(socket, answer);
  const protocol = negotiateWatch(request.headers);
  if (socket.destroyed) return;
  await sendToReader(watchMessages(answer), protocol, upgrade, log);
}

/** CONNECT over HTTP/1.1: nothing here tunnels, so it is answered as any other request (405, 404, 401), and the connection ends. */
async function connected({ server, log }: Serving, request: Http2ServerRequest, socket: Duplex): Promise<void> {
  socket.on('error', (error) => log.debug({ err: error }, 'connection broke'));
  const headers = plainHeaders(request.headers);
  try {
    const refused = refusal(request);
    if (refused !== undefined) return await writeAnswer(socket, refused);
    const user = await authenticated(server, log, request);
    await writeAnswer(socket, await server.handle({ method: request.method, path: request.url, headers }, user));
  } catch (error) {
    if (!(error instanceof ApiError)) log.error({ err: error, path: request.url }, 'request failed');
    await writeAnswer(socket, errorResponse(error, negotiateLeniently(headers['accept']), false));
  }
}

/** How long a client may take to read an answer after which the connection ends. */
const lastWordsMs = 5_000;

/** An ordinary answer on a connection that asked to be more. Never rejects. */
async function writeAnswer(socket: Duplex, answer: TransportResponse): Promise<void> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of answer.body) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const headers = { ...answer.headers, 'content-length': String(body.length), connection: 'close' };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? 'Unknown'}\r\n${lines.join('')}\r\n`;
  const timer = setTimeout(() => socket.destroy(), lastWordsMs);
  socket.once('close', () => clearTimeout(timer));
  socket.end(Buffer.concat([Buffer.from(head), body]));
}
