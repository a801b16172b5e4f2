/** Connections over HTTP/1.1 that ask to become something else: a WebSocket, a stream to a kubelet or pod, a tunnel. */
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { TransportRequest, TransportResponse } from '#client/transport.ts';
import { negotiateLeniently } from '../rest/negotiation.ts';
import { parseRequestInfo } from '../rest/request-info.ts';
import { errorResponse } from '../rest/responses.ts';
import type { Arrival } from './filter-chain.ts';
import { refusal } from './http-refusals.ts';
import { sendToReader, type UpgradeRequest } from './reader-websocket.ts';
import { credentialsOf, hideToken, plainHeaders, tlsSocketOf } from './request-sender.ts';
import type { Serving } from './serve-request.ts';
import { negotiateWatch, wantsWebSocketWatch, watchMessages } from './watch-websocket.ts';

/** A connection that asks to become something else: it passes the same filters as any request. Never rejects. */
export async function upgraded(serving: Serving, request: Http2ServerRequest, socket: Duplex, head: Buffer): Promise<void> {
  const { server, log } = serving;
  socket.on('error', (error) => log.debug({ err: error }, 'upgraded connection broke'));
  const headers = plainHeaders(request.headers);
  try {
    const refused = refusal(request);
    if (refused !== undefined) return await writeAnswer(socket, refused);
    const credentials = credentialsOf(request, serving.authorities);
    // Handlers and proxied servers must not see the token, so it is removed after authentication.
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

/** An error before the first watch event is sent as a normal HTTP response. */
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
export async function connected(
  { server, log, authorities }: Serving,
  request: Http2ServerRequest,
  socket: Duplex,
): Promise<void> {
  socket.on('error', (error) => log.debug({ err: error }, 'connection broke'));
  const headers = plainHeaders(request.headers);
  const credentials = credentialsOf(request, authorities);
  const answer =
    refusal(request) ??
    (await server.handle({ method: request.method, path: request.url, headers }, { sender: { credentials } }));
  await writeAnswer(socket, answer);
}

/** How long a client may take to read an answer after which the connection ends. */
const lastWordsMs = 5_000;

/** Sends a normal HTTP response on a connection that asked for an upgrade. Never rejects. */
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
