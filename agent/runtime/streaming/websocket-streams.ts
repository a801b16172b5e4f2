/**
 * Streams over a WebSocket, one channel each; `channel-protocols.ts` says how a message names its channel.
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

/** Upstream's limit for one message. */
const maxMessageBytes = 32 * 1024 * 1024;
/** Output that the client has not taken yet; beyond it the process is made to wait. */
const maxBufferedBytes = 1024 * 1024;

/** A client's WebSocket and the protocol that was agreed on. */
interface Connection {
  socket: WebSocket;
  protocol: ChannelProtocol;
}

/** Settles when the connection has ended. */
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
    // Older clients send any bytes in text messages, and upstream's server takes them.
    skipUTF8Validation: true,
    handleProtocols: () => protocol.name,
  });
  const client = await new Promise<WebSocket | undefined>((resolve) => {
    // A handshake that is no good is answered there, and never calls back.
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

/** Sends what an output says on its channel; it waits while the client does not take what was sent. */
function relay(output: Readable | undefined, connection: Connection, channel: number): void {
  const { socket } = connection;
  output?.on('data', (data: Buffer) => {
    send(connection, channel, data, () => {
      if (socket.bufferedAmount <= maxBufferedBytes) output.resume();
    });
    if (socket.bufferedAmount > maxBufferedBytes) output.pause();
  });
  // Nobody takes what is left.
  socket.once('close', () => output?.resume());
}

/** Hands a message to an input; no more messages are read while it takes none. */
function take(input: Writable | undefined, data: Buffer, socket: WebSocket): void {
  if (input === undefined || input.writableEnded || input.destroyed || input.write(data) || socket.isPaused) return;
  socket.pause();
  // One that ends without taking it never drains, and a paused connection would not notice its own end.
  const goOn = (): void => {
    input.off('drain', goOn).off('close', goOn);
    socket.resume();
  };
  input.on('drain', goOn).on('close', goOn);
}

async function serveProcess(request: StreamRequest & { kind: 'process' }, connection: Connection): Promise<void> {
  const { socket, protocol } = connection;
  // What comes before the process is up must not be lost.
  socket.pause();
  // An empty message on the lowest channel that the client reads tells it that the connection stands.
  send(connection, request.stdout ? channels.stdout : request.stderr ? channels.stderr : channels.error, '');
  try {
    const process = await request.open();
    // A process that ends, or closes its input, breaks the pipe: its status tells what there is to tell.
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

/** Before `v4`, the message of what failed, and nothing for a success. */
function sendStatus(connection: Connection, json: string): void {
  if (connection.protocol.hasStatus) return send(connection, channels.error, json);
  const { message } = JSON.parse(json) as { message?: string };
  if (message !== undefined) send(connection, channels.error, message);
}

/** A message that names no channel, or one that there is not, ends the connection, as upstream has it. */
function closeInput(data: Buffer, stdin: Writable | undefined, socket: WebSocket): void {
  const [channel = closeChannel] = data;
  if (data.length !== 1 || channel > channels.resize) socket.close(1000);
  else if (channel === channels.stdin) stdin?.end();
}

/** Reads sizes as they come: a message may carry several, or a part of one. */
function resizer(change: ((columns: number, rows: number) => Promise<void>) | undefined): (data: Buffer) => void {
  let text = '';
  return (data) => {
    const { sizes, rest } = terminalSizes(text + data.toString('utf8'));
    text = rest;
    // A terminal that has just ended cannot be resized, and nobody needs to know.
    for (const { columns, rows } of sizes) change?.(columns, rows).catch(() => undefined);
  };
}

/**
 * Two channels for each port, data and error, each beginning with the port as two bytes, lowest first. Ends when every port's connection
 * has ended.
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
    // Until the connection stands, what is meant for it waits on the other side.
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
    // What went wrong has been told on the error channel.
    await finished(stream, { writable: false }).catch(() => undefined);
    stream.destroy();
  });
  await Promise.all(ended);
  socket.resume();
  socket.close(1000);
}
