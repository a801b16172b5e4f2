/**
 * HTTPS: HTTP/2 and HTTP/1.1 on one port, client certificates, bearer tokens; requests become {@link TransportRequest}s.
 */

import { type IncomingHttpHeaders, type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Http2SecureServer, Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import type { TransportRequest, TransportResponse } from '#client/transport.ts';
import { untilAborted } from '#client/until-aborted.ts';
import type { ApiServer } from '../api-server.ts';
import { anonymousUser, type Credentials, withoutToken } from '../authentication/authentication.ts';
import { negotiateLeniently } from '../rest/negotiation.ts';
import { parseRequestInfo } from '../rest/request-info.ts';
import { errorResponse } from '../rest/responses.ts';
import { writeResponse } from './answer-writer.ts';
import { BodyReader, passedOn } from './body-reader.ts';
import { type ConnectionTimes, closeIdleSessions, connectionLimits, defaultTimes } from './connection-limits.ts';
import type { Arrival } from './filter-chain.ts';
import { refusal } from './http-refusals.ts';
import { sendToReader, type UpgradeRequest } from './reader-websocket.ts';
import { requestTimeoutMs } from './request-deadline.ts';
import type { ServerLog } from './server-log.ts';
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
  /** How long clients may take over headers, bodies and silence. Default: upstream's. */
  times?: Partial<ConnectionTimes>;
}

export interface Listener {
  readonly port: number;
  /** Serves until `signal` aborts, then lets requests finish. */
  run(signal: AbortSignal): Promise<void>;
}

/** Opens the port. @throws the socket's error (EADDRINUSE, EACCES) */
export async function listen(server: ApiServer, options: ListenerOptions, log: ServerLog): Promise<Listener> {
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
  const serving: Serving = { server, bodies: new BodyReader(), log, requestMs: times.requestMs };
  http.on('request', (request, response) => void serve(serving, request, response));
  // Go on only when it is known who asks: a client that is refused keeps its body.
  http.on('checkContinue', (request, response) => void serve(serving, request, response, () => response.writeContinue()));
  http.on(
    'upgrade',
    (request: Http2ServerRequest, socket: Duplex, head: Buffer) => void upgraded(serving, request, socket, head),
  );
  // HTTP/2 gives request and response, HTTP/1.1 the connection.
  http.on('connect', (request: Http2ServerRequest, second: Http2ServerResponse | Duplex) =>
    'writeHead' in second ? void serve(serving, request, second) : void connected(serving, request, second),
  );
  // Without this, Node gives every request with an Upgrade header to the listener above, whatever it is about.
  Object.assign(http, {
    shouldUpgradeCallback: ({ method, url, headers }: IncomingMessage) => {
      const info = parseRequestInfo(method ?? '', url ?? '');
      return wantsWebSocketWatch(info, method, headers) || server.upgrades(info);
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
  const limit = new WritingLimit(request, serving.requestMs, leave);
  try {
    const found = await answer(serving, request, gone.signal, goOn);
    if (found.answer.headers['connection'] === 'close' || found.isAnonymous) closeAfter(request);
    limit.answering(found.answer.status);
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

/**
 * An answer that is still being written when the request's time is over breaks off. (What has no answer by then is told so by the filter
 * `deadline`, and that answer gets a time of its own.) Long-running requests have no limit.
 */
class WritingLimit {
  readonly #startMs = performance.now();
  readonly #timeoutMs: number | undefined;
  readonly #leave: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(request: Http2ServerRequest, requestMs: number, leave: () => void) {
    this.#timeoutMs = timeoutOf(request, requestMs);
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

function timeoutOf(request: Http2ServerRequest, requestMs: number): number | undefined {
  try {
    return requestTimeoutMs(parseRequestInfo(request.method, request.url ?? ''), requestMs);
  } catch {
    return requestMs; // The answer tells what is wrong with it.
  }
}

async function answer(
  { server, bodies, requestMs }: Serving,
  request: Http2ServerRequest,
  signal: AbortSignal,
  goOn: (() => void) | undefined,
): Promise<Found> {
  const refused = refusal(request);
  if (refused !== undefined) return { answer: refused, isAnonymous: true };
  let isAnonymous = true;
  let isBodyRead = false;
  const arrival: Arrival = {
    sender: { credentials: credentialsOf(request) },
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

const protocolHeader = 'sec-websocket-protocol';

function credentialsOf(request: Http2ServerRequest): Credentials {
  const socket = tlsSocketOf(request);
  return {
    certificate: verifiedCertificate(request.stream?.session ?? socket, socket),
    authorization: request.headers.authorization,
    protocols: request.headers.upgrade?.toLowerCase() === 'websocket' ? request.headers[protocolHeader] : undefined,
  };
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

/** A connection that asks to become something else: it passes the same filters as any request. Never rejects. */
async function upgraded(serving: Serving, request: Http2ServerRequest, socket: Duplex, head: Buffer): Promise<void> {
  const { server, log } = serving;
  socket.on('error', (error) => log.debug({ err: error }, 'upgraded connection broke'));
  const headers = plainHeaders(request.headers);
  try {
    const refused = refusal(request);
    if (refused !== undefined) return await writeAnswer(socket, refused);
    const credentials = credentialsOf(request);
    // Nobody behind authentication is told the token.
    hideToken(headers);
    hideToken(request.headers);
    const { remoteAddress } = tlsSocketOf(request);
    const plain = { method: request.method, path: request.url, headers, remoteAddress };
    const message = request as unknown as IncomingMessage;
    const arrival = { sender: { credentials }, timeoutMs: serving.requestMs };
    if (wantsWebSocketWatch(parseRequestInfo(request.method, request.url), request.method, request.headers))
      return await watchOverWebSocket({ server, log }, plain, arrival, { request: message, socket, head });
    const answer = await server.handle(plain, { ...arrival, upgrade: { message, socket, head } });
    if (answer.status !== 101) await writeAnswer(socket, answer);
  } catch (error) {
    log.error({ err: error, path: request.url }, 'a connection could not be upgraded');
    await writeAnswer(socket, errorResponse(error, negotiateLeniently(headers['accept']), false));
  }
}

/** What goes wrong before the first event is an ordinary answer. */
async function watchOverWebSocket(
  { server, log }: Pick<Serving, 'server' | 'log'>,
  request: TransportRequest,
  arrival: Arrival,
  upgrade: UpgradeRequest,
): Promise<void> {
  const { socket } = upgrade;
  const gone = new AbortController();
  socket.once('close', () => gone.abort());
  const answer = await server.handle({ ...request, signal: gone.signal }, arrival);
  if (answer.status !== 200) return await writeAnswer(socket, answer);
  let protocol: string;
  try {
    protocol = negotiateWatch(request.headers);
  } catch (error) {
    const refused = errorResponse(error, negotiateLeniently(request.headers['accept']), false);
    for (const name of ['audit-id', 'cache-control']) refused.headers[name] = answer.headers[name] ?? '';
    return await writeAnswer(socket, refused);
  }
  if (socket.destroyed) return;
  await sendToReader(watchMessages(answer), protocol, upgrade, log);
}

/** CONNECT over HTTP/1.1: nothing here tunnels, so it is answered as any other request (405, 404, 401), and the connection ends. */
async function connected({ server, log }: Serving, request: Http2ServerRequest, socket: Duplex): Promise<void> {
  socket.on('error', (error) => log.debug({ err: error }, 'connection broke'));
  const headers = plainHeaders(request.headers);
  const credentials = credentialsOf(request);
  const answer =
    refusal(request) ??
    (await server.handle({ method: request.method, path: request.url, headers }, { sender: { credentials } }));
  await writeAnswer(socket, answer);
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
