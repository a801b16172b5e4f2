/**
 * Streams over a WebSocket, one channel per stream. `channel-protocols.ts` defines how a message names its channel.
 *
 * Source: kubernetes cri-streaming, remotecommand/websocket.go and portforward/websocket.go.
 */

import type { IncomingMessage } from 'node:http';
import type { Duplex, Readable, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { type WebSocket, WebSocketServer } from 'ws';
import { errorText } from '#api/error-text.ts';
import { type ChannelProtocol, closeChannel, decodeMessage, encodeMessage, negotiateChannels } from './channel-protocols.ts';
import { exitStatus, failureStatus, refuse, type StreamRequest, terminalSizes } from './stream-request.ts';

const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const;

/** Upstream's limit of one message. */
const maxMessageBytes = 32 * 1024 * 1024;
/** Limit of output that the client has not read yet. Beyond it, the process has to wait. */
const maxBufferedBytes = 1024 * 1024;

/** A client's WebSocket and its negotiated protocol. */
interface Connection {
  socket: WebSocket;
  protocol: ChannelProtocol;
}

/** Serves one upgraded connection. Settles when the connection has ended. */
export async function serveWebSocket(
  request: StreamRequest,
  message: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  const protocol = negotiateChannels(request.kind, message.headers['sec-websocket-protocol']);
  if (typeof protocol === 'string') return refuse(socket, '403 Forbidden', protocol);
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: maxMessageBytes,
    // Older clients send arbitrary bytes in text messages, and upstream's server accepts them.
    skipUTF8Validation: true,
    handleProtocols: () => protocol.name,
  });
  const client = await new Promise<WebSocket | undefined>((resolve) => {
    // `handleUpgrade` answers a malformed handshake itself and then does not call back.
    socket.once('close', () => resolve(undefined));
    server.handleUpgrade(message, socket, head, resolve);
  });
  if (client === undefined) return;
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
  client.on('error', () => undefined); // `close` follows.
  const connection = { socket: client, protocol };
  if (request.kind === 'process') await serveProcess(request, connection);
  else await servePorts(request, connection);
  await closed;
}

function send({ socket, protocol }: Connection, channel: number, data: Uint8Array | string, sent?: () => void): void {
  socket.send(encodeMessage(protocol, channel, Buffer.from(data as string)), sent);
}

/** Sends an output on its channel. Reading pauses while the client does not read. */
function relay(output: Readable | undefined, connection: Connection, channel: number): void {
  const { socket } = connection;
  output?.on('data', (data: Buffer) => {
    send(connection, channel, data, () => {
      if (socket.bufferedAmount <= maxBufferedBytes) output.resume();
    });
    if (socket.bufferedAmount > maxBufferedBytes) output.pause();
  });
  // Nobody reads the rest: it is dropped, so that the process can end.
  socket.once('close', () => output?.resume());
}

/** Writes a message to an input. No further messages are read while the input accepts none. */
function take(input: Writable | undefined, data: Buffer, socket: WebSocket): void {
  if (input === undefined || input.writableEnded || input.destroyed || input.write(data) || socket.isPaused) return;
  socket.pause();
  // An input that ends without reading never emits `drain`, and a paused connection would not notice its own end.
  const resume = (): void => {
    input.off('drain', resume).off('close', resume);
    socket.resume();
  };
  input.on('drain', resume).on('close', resume);
}

async function serveProcess(request: StreamRequest & { kind: 'process' }, connection: Connection): Promise<void> {
  const { socket, protocol } = connection;
  // Pauses until the process runs, so that no message is lost.
  socket.pause();
  // Upstream sends an empty message on the lowest channel that the client reads, to show that the connection is ready.
  send(connection, request.stdout ? channels.stdout : request.stderr ? channels.stderr : channels.error, '');
  try {
    const process = await request.open();
    // A process that ends, or closes its input, causes EPIPE here. Its exit status reports what happened.
    process.stdin?.on('error', () => undefined);
    if (socket.readyState !== socket.OPEN) process.close();
    socket.once('close', () => process.close());
    const resize = resizer(process.resize);
    socket.on('message', (message: Buffer) => {
      const { channel, data } = decodeMessage(protocol, message) ?? {};
      if (channel === undefined || data === undefined) return;
      if (protocol.closesChannels && channel === closeChannel) closeInput(data, process.stdin, socket);
      else if (channel === channels.stdin) take(process.stdin, data, socket);
      else if (channel === channels.resize) resize(data);
    });
    socket.resume();
    if (request.stdout) relay(process.stdout, connection, channels.stdout);
    else process.stdout.resume();
    if (request.stderr) relay(process.stderr, connection, channels.stderr);
    else process.stderr?.resume();
    const exitCode = await process.exited;
    const outputs = [process.stdout, process.stderr].filter((output) => output !== undefined);
    await Promise.all(outputs.map((output) => finished(output, { writable: false }).catch(() => undefined)));
    sendStatus(connection, exitStatus(exitCode));
  } catch (error) {
    sendStatus(connection, failureStatus(error));
  }
  socket.resume();
  socket.close(1000);
}

/** Sends the Status of an exec. Before `v4` it sends only the message of a failure, and nothing for a success. */
function sendStatus(connection: Connection, json: string): void {
  if (connection.protocol.hasStatus) return send(connection, channels.error, json);
  const { message } = JSON.parse(json) as { message?: string };
  if (message !== undefined) send(connection, channels.error, message);
}

/** Handles a close message of `v5`. One that names no channel, or an unknown one, ends the connection, as upstream does. */
function closeInput(data: Buffer, stdin: Writable | undefined, socket: WebSocket): void {
  const [channel = closeChannel] = data;
  if (data.length !== 1 || channel > channels.resize) socket.close(1000);
  else if (channel === channels.stdin) stdin?.end();
}

/** Returns a reader of resize messages. A message may contain several sizes or a part of one. */
function resizer(change: ((columns: number, rows: number) => Promise<void>) | undefined): (data: Buffer) => void {
  let text = '';
  return (data) => {
    const { sizes, rest } = terminalSizes(text + data.toString('utf8'));
    text = rest;
    // Resizing fails when the terminal has just ended. That is no failure to report.
    for (const { columns, rows } of sizes) change?.(columns, rows).catch(() => undefined);
  };
}

/**
 * Serves port forwarding. Each port has two channels, data and error, and each channel begins with its port as two bytes
 * (little-endian). Settles when the connections to all ports have ended.
 */
async function servePorts(request: StreamRequest & { kind: 'portforward' }, connection: Connection): Promise<void> {
  const { socket, protocol } = connection;
  const streams: Promise<Duplex | undefined>[] = request.ports.map(async (port, index) => {
    const [data, error] = [index * 2, index * 2 + 1];
    const announced = Buffer.from([port & 0xff, port >> 8]);
    send(connection, data, announced);
    send(connection, error, announced);
    try {
      const stream = await request.dial(port);
      stream.on('error', (failure) => send(connection, error, failure.message));
      relay(stream, connection, data);
      return stream;
    } catch (failure) {
      send(connection, error, errorText(failure));
      return undefined;
    }
  });
  socket.on('message', (message: Buffer) => {
    const { channel = 1, data } = decodeMessage(protocol, message) ?? {};
    const opening = channel % 2 === 0 ? streams[channel / 2] : undefined;
    if (opening === undefined || data === undefined) return;
    // Pauses until the connection is made, so that the data waits at the client.
    socket.pause();
    void opening.then((stream) => {
      socket.resume();
      take(stream, data, socket);
    });
  });
  socket.once('close', () => {
    for (const opening of streams) void opening.then((stream) => stream?.destroy());
  });
  const ended = streams.map(async (opening) => {
    const stream = await opening;
    if (stream === undefined) return;
    // The failure has been sent on the error channel.
    await finished(stream, { writable: false }).catch(() => undefined);
    stream.destroy();
  });
  await Promise.all(ended);
  socket.resume();
  socket.close(1000);
}
