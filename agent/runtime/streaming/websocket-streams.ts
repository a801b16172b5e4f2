/**
 * Streams over a WebSocket: the first byte of a message is its channel.
 *
 * Source: kubernetes apimachinery, httpstream/wsstream; KEP-4006 for `v5`, in which channel 255 closes another one.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { exitStatus, failureStatus, refuse, type StreamRequest, terminalSizes } from './stream-request.ts';

const protocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'] as const;
const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;

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
  const server = new WebSocketServer({ noServer: true, handleProtocols: () => protocol });
  const connection = await new Promise<WebSocket>((resolve) => server.handleUpgrade(message, socket, head, resolve));
  const closed = new Promise<void>((resolve) => connection.once('close', () => resolve()));
  connection.on('error', () => undefined); // `close` follows.
  if (request.kind === 'process') await serveProcess(request, connection);
  else servePorts(request, connection);
  await closed;
}

const framed = (channel: number, data: Uint8Array | string): Buffer =>
  Buffer.concat([Buffer.from([channel]), Buffer.from(data as string)]);

async function serveProcess(request: StreamRequest & { kind: 'process' }, connection: WebSocket): Promise<void> {
  // What comes before the process is up must not be lost.
  const early: Buffer[] = [];
  const keep = (data: Buffer): void => void early.push(data);
  connection.on('message', keep);
  try {
    const process = await request.open();
    connection.once('close', () => process.close());
    const take = (data: Buffer): void => {
      const [channel] = data;
      const body = data.subarray(1);
      if (channel === channels.stdin) process.stdin?.write(body);
      else if (channel === channels.close && body[0] === channels.stdin) process.stdin?.end();
      else if (channel === channels.resize) resize(process.resize, body);
    };
    connection.off('message', keep);
    early.forEach(take);
    connection.on('message', take);
    if (request.stdout) process.stdout.on('data', (data: Buffer) => connection.send(framed(channels.stdout, data)));
    else process.stdout.resume();
    if (request.stderr) process.stderr?.on('data', (data: Buffer) => connection.send(framed(channels.stderr, data)));
    else process.stderr?.resume();
    connection.send(framed(channels.error, exitStatus(await process.exited)));
  } catch (error) {
    connection.send(framed(channels.error, failureStatus(error)));
  }
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
      stream.on('data', (chunk: Buffer) => connection.send(framed(data, chunk)));
      stream.on('error', (failure) => connection.send(framed(error, failure.message)));
      return stream;
    } catch (failure) {
      connection.send(framed(error, failure instanceof Error ? failure.message : String(failure)));
      return undefined;
    }
  });
  connection.on('message', (data: Buffer) => {
    void streams[(data[0] ?? 0) / 2]?.then((stream) => stream?.write(data.subarray(1)));
  });
  connection.once('close', () => {
    for (const opening of streams) void opening.then((stream) => stream?.destroy());
  });
}
