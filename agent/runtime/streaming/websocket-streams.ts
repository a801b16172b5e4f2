/**
 * Streams over a WebSocket: the first byte of a message is its channel.
 *
 * Source: kubernetes apimachinery, httpstream/wsstream; KEP-4006 for `v5`, in which channel 255 closes another one.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex, Readable, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { type WebSocket, WebSocketServer } from 'ws';
import { exitStatus, failureStatus, refuse, type StreamRequest, terminalSizes } from './stream-request.ts';

const protocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'] as const;
const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;

/** Upstream's limit for one message. */
const maxMessageBytes = 32 * 1024 * 1024;
/** Output that the client has not taken yet; beyond it the process is made to wait. */
const maxBufferedBytes = 1024 * 1024;

/** Settles when the connection has ended. */
export async function serveWebSocket(
  request: StreamRequest,
  message: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  const offered = (message.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  const protocol = protocols.find((name) => offered.includes(name));
  if (protocol === undefined)
    return refuse(socket, '400 Bad Request', `none of the offered protocols is served: ${protocols.join(', ')}`);
  const server = new WebSocketServer({ noServer: true, maxPayload: maxMessageBytes, handleProtocols: () => protocol });
  const connection = await new Promise<WebSocket | undefined>((resolve) => {
    // A handshake that is no good is answered there, and never calls back.
    socket.once('close', () => resolve(undefined));
    server.handleUpgrade(message, socket, head, resolve);
  });
  if (connection === undefined) return;
  const closed = new Promise<void>((resolve) => connection.once('close', () => resolve()));
  connection.on('error', () => undefined); // `close` follows.
  if (request.kind === 'process') await serveProcess(request, connection);
  else servePorts(request, connection);
  await closed;
}

const framed = (channel: number, data: Uint8Array | string): Buffer =>
  Buffer.concat([Buffer.from([channel]), Buffer.from(data as string)]);

/** Sends what an output says on its channel; it waits while the client does not take what was sent. */
function relay(output: Readable | undefined, connection: WebSocket, channel: number): void {
  output?.on('data', (data: Buffer) => {
    connection.send(framed(channel, data), () => {
      if (connection.bufferedAmount <= maxBufferedBytes) output.resume();
    });
    if (connection.bufferedAmount > maxBufferedBytes) output.pause();
  });
  // Nobody takes what is left.
  connection.once('close', () => output?.resume());
}

/** Hands a message to an input; no more messages are read while it takes none. */
function take(input: Writable | undefined, data: Buffer, connection: WebSocket): void {
  if (input === undefined || input.writableEnded || input.destroyed || input.write(data) || connection.isPaused) return;
  connection.pause();
  // One that ends without taking it never drains, and a paused connection would not notice its own end.
  const goOn = (): void => {
    input.off('drain', goOn).off('close', goOn);
    connection.resume();
  };
  input.on('drain', goOn).on('close', goOn);
}

async function serveProcess(request: StreamRequest & { kind: 'process' }, connection: WebSocket): Promise<void> {
  // What comes before the process is up must not be lost.
  connection.pause();
  try {
    const process = await request.open();
    // A process that ends, or closes its input, breaks the pipe: its status tells what there is to tell.
    process.stdin?.on('error', () => undefined);
    if (connection.readyState !== connection.OPEN) process.close();
    connection.once('close', () => process.close());
    connection.on('message', (data: Buffer) => {
      const [channel] = data;
      const body = data.subarray(1);
      if (channel === channels.stdin) take(process.stdin, body, connection);
      else if (channel === channels.close && body[0] === channels.stdin) process.stdin?.end();
      else if (channel === channels.resize) resize(process.resize, body);
    });
    connection.resume();
    if (request.stdout) relay(process.stdout, connection, channels.stdout);
    else process.stdout.resume();
    if (request.stderr) relay(process.stderr, connection, channels.stderr);
    else process.stderr?.resume();
    const exitCode = await process.exited;
    const outputs = [process.stdout, process.stderr].filter((output) => output !== undefined);
    await Promise.all(outputs.map((output) => finished(output, { writable: false }).catch(() => undefined)));
    connection.send(framed(channels.error, exitStatus(exitCode)));
  } catch (error) {
    connection.send(framed(channels.error, failureStatus(error)));
  }
  connection.resume();
  connection.close(1000);
}

function resize(change: ((columns: number, rows: number) => Promise<void>) | undefined, body: Buffer): void {
  // A terminal that has just ended cannot be resized, and nobody needs to know.
  for (const { columns, rows } of terminalSizes(body.toString('utf8')).sizes) change?.(columns, rows).catch(() => undefined);
}

/** Two channels for each port, data and error, each beginning with the port as two bytes, lowest first. */
function servePorts(request: StreamRequest & { kind: 'portforward' }, connection: WebSocket): void {
  const streams: Promise<Duplex | undefined>[] = request.ports.map(async (port, index) => {
    const [data, error] = [index * 2, index * 2 + 1];
    const announced = Buffer.from([port & 0xff, port >> 8]);
    connection.send(framed(data, announced));
    connection.send(framed(error, announced));
    try {
      const stream = await request.dial(port);
      stream.on('error', (failure) => connection.send(framed(error, failure.message)));
      relay(stream, connection, data);
      return stream;
    } catch (failure) {
      connection.send(framed(error, failure instanceof Error ? failure.message : String(failure)));
      return undefined;
    }
  });
  connection.on('message', (message: Buffer) => {
    const [channel = 0] = message;
    const opening = channel % 2 === 0 ? streams[channel / 2] : undefined;
    if (opening === undefined) return;
    // Until the connection stands, what is meant for it waits on the other side.
    connection.pause();
    void opening.then((stream) => {
      connection.resume();
      take(stream, message.subarray(1), connection);
    });
  });
  connection.once('close', () => {
    for (const opening of streams) void opening.then((stream) => stream?.destroy());
  });
}
