/**
 * Streams for WebSocket clients, translated to the SPDY that the runtime's streaming server speaks.
 *
 * exec and attach in `v5`: the first byte of a message is its channel; channel 255 closes another one. port-forward: SPDY itself
 * travels in the messages. Everything else (older protocols, refusals) is relayed as it is to the streaming server.
 *
 * Source: KEP-4006; upstream `apiserver/pkg/util/proxy/{streamtranslator,streamtunnel}.go`.
 */

import type { IncomingMessage } from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import type { WebSocket } from 'ws';
import { createWebSocketStream, WebSocketServer } from 'ws';
import { offeredProtocols } from '#agent/runtime/streaming/channel-protocols.ts';
import { createSpdySession } from '#agent/runtime/streaming/spdy.ts';
import type { SpdyStream } from '#agent/runtime/streaming/spdy-stream.ts';
import { failureStatus } from '#agent/runtime/streaming/stream-request.ts';
import type { StreamTarget } from './upgrade.ts';
import { askStreamingServer, relayUpgrade, streamsOf, UpgradeError } from './upgrade.ts';

const channelProtocol = 'v5.channel.k8s.io';
const tunnelProtocol = 'SPDY/3.1+portforward.k8s.io';
const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;
/** Limit of output that waits for the client, in bytes. Above it, the process must wait. */
const maxBufferedBytes = 1024 * 1024;

/** Upstream's limit for one message. */
const maxMessageBytes = 32 * 1024 * 1024;
/** How long the runtime may take to end a stream whose client has left, in ms. */
const closeTimeoutMs = 10_000;

type Handling = { kind: 'channels' | 'tunnel'; protocol: string } | { kind: 'relay' };

/** How a WebSocket request is served. Pure. @param header `Sec-WebSocket-Protocol` */
export function webSocketHandling(header: string | undefined, action: StreamTarget['action']): Handling {
  const protocols = offeredProtocols(header);
  if (action === 'portForward')
    return protocols.includes(tunnelProtocol) ? { kind: 'tunnel', protocol: tunnelProtocol } : { kind: 'relay' };
  return protocols.includes(channelProtocol) ? { kind: 'channels', protocol: channelProtocol } : { kind: 'relay' };
}

/** A port-forward over channels must name its ports in the query, since each port takes two channels. @throws UpgradeError */
export function checkPortsNamed({ headers }: IncomingMessage, { action, query }: StreamTarget): void {
  if (action !== 'portForward' || webSocketHandling(headers['sec-websocket-protocol'], action).kind === 'tunnel') return;
  if (!query.has('port')) throw new UpgradeError(400, 'query parameter "port" is required');
}

/** Serves the upgraded connection. @throws UpgradeError while an HTTP answer can still be sent */
export async function serveWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  target: StreamTarget,
  url: URL,
): Promise<void> {
  const handling = webSocketHandling(request.headers['sec-websocket-protocol'], target.action);
  if (handling.kind === 'relay') {
    await relayUpgrade(request, socket, head, url);
    return;
  }
  const server = await dialSpdy(url, handling.kind === 'tunnel' ? 'portforward.k8s.io' : 'v4.channel.k8s.io');
  // Either side may have ended meanwhile. A bad handshake (a wrong key) ends only the client's side.
  server.socket.on('error', () => server.socket.destroy());
  socket.once('close', () => setTimeout(() => server.socket.destroy(), closeTimeoutMs).unref());
  if (socket.destroyed) return void server.socket.destroy();
  const accept = new WebSocketServer({
    noServer: true,
    maxPayload: maxMessageBytes,
    skipUTF8Validation: true,
    handleProtocols: () => handling.protocol,
  });
  accept.handleUpgrade(request, socket, head, (client) => {
    // `close` follows every error, and ends the other side.
    client.on('error', () => client.terminate());
    if (handling.kind === 'tunnel') tunnel(client, server);
    else void translate(client, server, target.query).catch((error: unknown) => giveStatus(client, failureStatus(error)));
  });
}

interface Upgraded {
  socket: Duplex;
  head: Buffer;
}

/** Asks the streaming server for SPDY. @throws UpgradeError with its answer when it refuses */
async function dialSpdy(url: URL, protocol: string): Promise<Upgraded> {
  const headers = { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': protocol };
  const answer = await askStreamingServer(url, 'POST', headers);
  if (answer.kind === 'switched') return answer;
  answer.response.destroy();
  throw new UpgradeError(500, `the runtime's streaming server answered ${answer.response.statusCode} in place of an upgrade`);
}

/** Bytes of SPDY, in messages on one side and plain on the other. */
function tunnel(client: WebSocket, { socket, head }: Upgraded): void {
  const messages = createWebSocketStream(client);
  messages.on('error', () => socket.destroy());
  socket.on('error', () => socket.destroy()); // `close` comes after all data: messages end after the last one.
  socket.once('close', () => messages.end());
  messages.once('close', () => socket.destroy());
  if (head.length > 0) messages.write(head);
  socket.pipe(messages);
  messages.pipe(socket);
}

const framed = (channel: number, data: Uint8Array): Buffer => Buffer.concat([Buffer.of(channel), data]);

/** Opens the streams of the request, connects each with its channel, and returns when the process has ended. */
async function translate(client: WebSocket, { socket, head }: Upgraded, query: URLSearchParams): Promise<void> {
  // Messages that come before the streams are open must not be lost.
  client.pause();
  const wanted = streamsOf(query);
  // An empty message on the lowest channel that the client reads: clients wait for it to see that they are connected.
  client.send(Buffer.of(wanted.stdout ? channels.stdout : wanted.stderr ? channels.stderr : channels.error));
  const session = createSpdySession(socket, { role: 'client' }, head);
  client.once('close', () => void session.close());
  const open = (streamType: string): Promise<SpdyStream> => session.open({ streamtype: streamType });
  const error = await open('error');
  const stdin = wanted.stdin ? await open('stdin') : undefined;
  const stdout = wanted.stdout ? await open('stdout') : undefined;
  const stderr = wanted.stderr ? await open('stderr') : undefined;
  const resize = wanted.tty ? await open('resize') : undefined;

  const inputs = new Map<number, SpdyStream>();
  if (stdin !== undefined) inputs.set(channels.stdin, stdin);
  if (resize !== undefined) inputs.set(channels.resize, resize);
  client.on('message', (data: Buffer) => take(client, inputs, data));
  client.resume();

  const outputs: [SpdyStream | undefined, number][] = [
    [stdout, channels.stdout],
    [stderr, channels.stderr],
  ];
  // Promise.all waits for all streams: when the client leaves, all of them fail, and each failure must be handled.
  const [text] = await Promise.all([
    collect(error),
    ...outputs.map(async ([stream, channel]) => (stream === undefined ? undefined : await forward(stream, client, channel))),
  ]);
  giveStatus(client, text.length > 0 ? text : failureStatus(new Error("the runtime's stream ended without a status")));
  await session.close();
}

/** Ends a client's streams with a Status on the error channel. Without a Status, clients report success. */
function giveStatus(client: WebSocket, status: Buffer | string): void {
  client.send(framed(channels.error, Buffer.from(status as string)));
  client.close(1000);
}

function take(client: WebSocket, inputs: ReadonlyMap<number, SpdyStream>, data: Buffer): void {
  const [channel = -1, closed = channels.close] = data;
  if (channel === channels.close) {
    // As upstream, a message without a valid channel ends the connection.
    if (data.length !== 2 || closed > channels.resize) client.close(1000);
    else inputs.get(closed)?.end();
    return;
  }
  const stream = inputs.get(channel);
  if (stream === undefined || data.length === 1 || stream.writableEnded || stream.destroyed) return;
  if (stream.write(data.subarray(1)) || client.isPaused) return;
  client.pause();
  // A stream that ends before it has taken the data never drains; the client must then be read again to notice its end.
  const goOn = (): void => {
    stream.off('drain', goOn).off('close', goOn);
    client.resume();
  };
  stream.on('drain', goOn).on('close', goOn);
}

/** Sends a stream's data on a channel until it ends. */
async function forward(stream: Readable, client: WebSocket, channel: number): Promise<void> {
  for await (const chunk of readToEnd(stream)) {
    const sent = new Promise<void>((resolve) => client.send(framed(channel, chunk), () => resolve()));
    if (client.bufferedAmount > maxBufferedBytes) await sent;
  }
}

async function collect(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of readToEnd(stream)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Reads a stream to its end and does not destroy it after that: that would reset a stream that the runtime is closing. */
const readToEnd = (stream: Readable): AsyncIterable<Buffer> => stream.iterator({ destroyOnReturn: false });
