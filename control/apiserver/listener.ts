/**
 * HTTPS: HTTP/2 and HTTP/1.1 on one port, client certificates, bearer tokens; requests become {@link TransportRequest}s.
 */

import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { Http2SecureServer, Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import type { TransportRequest, TransportResponse } from '#client/transport.ts';
import type { ApiServer } from './api-server.ts';
import { authenticate } from './authentication.ts';
import { BodyReader, endWithoutReading, isRestUnwanted } from './body-reader.ts';
import { defaultInflightLimits, Inflight, type InflightLimits, tooManyRequests } from './inflight.ts';
import { negotiateLeniently } from './negotiation.ts';
import type { Registry } from './registry.ts';
import { parseRequestInfo, type RequestInfo } from './request-info.ts';
import { errorResponse } from './responses.ts';
import type { ServerLog } from './server-log.ts';
import type { UserInfo } from './strategy.ts';

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
}

/** Takes over upgraded HTTP/1.1 connections (the kubelet proxy). @throws ApiError when it cannot */
export interface UpgradeHandler {
  upgrade(request: TransportRequest, info: RequestInfo, registry: Registry, socket: Duplex, head: Uint8Array): Promise<void>;
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
  const http = http2.createSecureServer({
    allowHTTP1: true,
    cert: options.certificate,
    key: options.key,
    ca: options.clientCa,
    requestCert: true,
    // Whoever has no certificate of ours may still have a token.
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    // What a client may send ahead on a stream that is not read is held in memory.
    settings: { maxConcurrentStreams: 250, initialWindowSize: 128 * 1024 },
  });
  const gates: Gates = { bodies: new BodyReader(), inflight: new Inflight(options.inflight ?? defaultInflightLimits) };
  server.metrics.reportInflight(gates.inflight);
  http.on('request', (request, response) => void serve(server, gates, log, request, response));
  http.on(
    'upgrade',
    (request: Http2ServerRequest, socket: Duplex, head: Buffer) => void upgraded(server, log, upgrade, request, socket, head),
  );
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
  if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
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

/** What requests pass before they are handled. */
interface Gates {
  inflight: Inflight;
  bodies: BodyReader;
}

async function serve(
  server: ApiServer,
  gates: Gates,
  log: ServerLog,
  request: Http2ServerRequest,
  response: Http2ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  const release = occupy(socketOf(request));
  request.on('aborted', () => gone.abort());
  response.on('close', () => gone.abort());
  request.on('error', () => gone.abort());
  response.on('error', () => gone.abort());
  try {
    await send(await answer(server, gates, log, request, gone.signal), request, response, gone.signal);
  } catch (error) {
    if (!gone.signal.aborted) log.error({ err: error, path: request.url }, 'answer broke off');
    // HTTP/1.1 has no streams: there the connection ends, or the client would wait for the rest for ever.
    if ('stream' in response) response.stream?.destroy();
    else socketOf(request).destroy();
  } finally {
    release();
  }
}

async function answer(
  server: ApiServer,
  gates: Gates,
  log: ServerLog,
  request: Http2ServerRequest,
  signal: AbortSignal,
): Promise<TransportResponse> {
  const headers = plainHeaders(request.headers);
  try {
    const user = await authenticated(server, log, request);
    const leave = gates.inflight.enter(parseRequestInfo(request.method, request.url), user);
    if (leave === undefined) return tooManyRequests();
    try {
      const body = await gates.bodies.read(request);
      const plain = { method: request.method, path: request.url, headers, body: body.bytes, signal };
      return await server.handle(plain, user).finally(body.release);
    } finally {
      leave();
    }
  } catch (error) {
    return errorResponse(error, negotiateLeniently(headers['accept']), false);
  }
}

async function authenticated(server: ApiServer, log: ServerLog, request: Http2ServerRequest): Promise<UserInfo> {
  const socket = tlsSocketOf(request);
  const info = parseRequestInfo(request.method, request.url);
  return await authenticate(
    { certificate: verifiedCertificate(request.stream?.session ?? socket, socket), authorization: request.headers.authorization },
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

async function send(
  answer: TransportResponse,
  request: Http2ServerRequest,
  response: Http2ServerResponse,
  gone: AbortSignal,
): Promise<void> {
  const isUnwanted = isRestUnwanted(request);
  response.writeHead(
    answer.status,
    isUnwanted && request.stream === undefined ? { ...answer.headers, connection: 'close' } : answer.headers,
  );
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  // A watch answers at once, also when it has nothing to tell yet.
  if (answer.headers['content-length'] === undefined && 'flushHeaders' in response)
    (response as unknown as ServerResponse).flushHeaders();
  for await (const chunk of answer.body) {
    if (gone.aborted) break;
    if (!response.write(chunk)) await drained(response, gone);
  }
  if (isUnwanted) await endWithoutReading(request, response, gone);
  else response.end();
}

function drained(response: Http2ServerResponse, gone: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      gone.removeEventListener('abort', done);
      resolve();
    };
    response.once('drain', done);
    gone.addEventListener('abort', done, { once: true });
  });
}

async function upgraded(
  server: ApiServer,
  log: ServerLog,
  upgrade: UpgradeHandler | undefined,
  request: Http2ServerRequest,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  socket.on('error', (error) => log.debug({ err: error }, 'upgraded connection broke'));
  const headers = plainHeaders(request.headers);
  try {
    const user = await authenticated(server, log, request);
    const info = parseRequestInfo(request.method, request.url);
    const plain = { method: request.method, path: request.url, headers };
    if (upgrade === undefined) await writeAnswer(socket, await server.handle(plain, user));
    else {
      await server.admit(plain, info, user);
      await server.ready;
      await upgrade.upgrade(plain, info, server.registry, socket, head);
    }
  } catch (error) {
    await writeAnswer(socket, errorResponse(error, negotiateLeniently(headers['accept']), false));
  }
}

/** An ordinary answer on a connection that asked to be upgraded. */
export async function writeAnswer(socket: Duplex, answer: TransportResponse): Promise<void> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of answer.body) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const headers = { ...answer.headers, 'content-length': String(body.length), connection: 'close' };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(
    Buffer.concat([
      Buffer.from(`HTTP/1.1 ${answer.status} ${answer.status < 300 ? 'OK' : 'Error'}\r\n${lines.join('')}\r\n`),
      body,
    ]),
  );
}
