/**
 * Exec, attach and port-forward over SPDY. Each channel is a stream, and its headers name its type.
 *
 * Source: kubernetes apimachinery, util/remotecommand and util/portforward; kubelet pkg/kubelet/streaming.
 */

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { finished } from 'node:stream/promises';
import { errorText } from '#api/error-text.ts';
import { createSpdySession } from './spdy.ts';
import type { SpdyStream } from './spdy-stream.ts';
import { exitStatus, failureStatus, type ProcessStreams, refuse, type StreamRequest, terminalSizes } from './stream-request.ts';

/** Time in which the client must create all streams of a request. The value is upstream's. */
const creationTimeoutMs = 30_000;
const protocolHeader = 'x-stream-protocol-version';
const protocols = { process: 'v4.channel.k8s.io', portforward: 'portforward.k8s.io' } as const;

/** Serves one upgraded connection. Settles when the connection has ended. */
export async function serveSpdy(request: StreamRequest, message: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
  const protocol = protocols[request.kind];
  const offered = String(message.headers[protocolHeader] ?? '')
    .split(',')
    .map((name) => name.trim());
  if (message.headers.upgrade?.toLowerCase() !== 'spdy/3.1')
    return refuse(socket, '400 Bad Request', 'unable to upgrade: want SPDY/3.1 or websocket');
  if (!offered.includes(protocol))
    return refuse(
      socket,
      '403 Forbidden',
      `unable to upgrade: no protocol of "${offered.join(', ')}" is supported, only ${protocol}`,
    );
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${protocol}\r\n\r\n`,
  );
  if (request.kind === 'process') await serveProcess(request, socket, head);
  else await servePorts(request, socket, head);
}

async function serveProcess(request: StreamRequest & { kind: 'process' }, socket: Duplex, head: Buffer): Promise<void> {
  const wanted = [
    'error',
    ...(['stdin', 'stdout'] as const).filter((name) => request[name]),
    ...(request.stderr && !request.tty ? ['stderr'] : []),
    ...(request.tty ? ['resize'] : []),
  ];
  const streams = new Map<string, SpdyStream>();
  const { promise: complete, resolve } = Promise.withResolvers<void>();
  const session = createSpdySession(
    socket,
    {
      role: 'server',
      onStream(stream) {
        streams.set(stream.headers.streamtype ?? '', stream);
        if (wanted.every((name) => streams.has(name))) resolve();
      },
    },
    head,
  );
  const timer = setTimeout(resolve, creationTimeoutMs);
  await Promise.race([complete, session.closed]);
  clearTimeout(timer);
  const status = streams.get('error');
  if (!wanted.every((name) => streams.has(name)) || status === undefined) return await session.close();
  try {
    const process = await request.open();
    void session.closed.then(() => process.close());
    connect(process, streams);
    const exitCode = await process.exited;
    const read = [process.stdout, process.stderr].filter((output) => output !== undefined);
    await Promise.all(read.map((output) => finished(output, { writable: false }).catch(() => undefined)));
    status.end(exitStatus(exitCode));
  } catch (error) {
    status.end(failureStatus(error));
  }
  const outputs = [status, streams.get('stdout'), streams.get('stderr')].filter((stream) => stream !== undefined);
  outputs.forEach((stream) => stream.end());
  // When the client has left, it is no failure of the process.
  await Promise.all(outputs.map((stream) => finished(stream, { readable: false }).catch(() => undefined)));
  await session.close();
}

function connect(process: ProcessStreams, streams: ReadonlyMap<string, SpdyStream>): void {
  const [stdin, stdout, stderr, resize] = ['stdin', 'stdout', 'stderr', 'resize'].map((name) => streams.get(name));
  // A process that ends, or closes its input, causes EPIPE here. Its exit status reports what happened.
  process.stdin?.on('error', () => undefined);
  if (stdin !== undefined && process.stdin !== undefined) stdin.pipe(process.stdin);
  else stdin?.resume();
  // This stream ends after the exit code is known.
  if (stdout === undefined) process.stdout.resume();
  else process.stdout.pipe(stdout, { end: false });
  if (stderr === undefined) process.stderr?.resume();
  else process.stderr?.pipe(stderr, { end: false });
  let text = '';
  resize?.on('data', (chunk: Buffer) => {
    const { sizes, rest } = terminalSizes(text + chunk.toString('utf8'));
    text = rest;
    // Resizing fails when the terminal has just ended. That is no failure to report.
    for (const { columns, rows } of sizes) process.resize?.(columns, rows).catch(() => undefined);
  });
}

/** Serves port forwarding. Each connection is a pair of streams (`error` and `data`) with the same request ID. */
async function servePorts(request: StreamRequest & { kind: 'portforward' }, socket: Duplex, head: Buffer): Promise<void> {
  const pairs = new Map<string, Pair>();
  const drop = (requestId: string): void => {
    const pair = pairs.get(requestId);
    pairs.delete(requestId);
    pair?.data?.destroy();
    pair?.error?.destroy();
  };
  const session = createSpdySession(
    socket,
    {
      role: 'server',
      onStream(stream) {
        const { requestid = stream.headers.port ?? '', streamtype = '', port } = stream.headers;
        const known = pairs.get(requestid);
        const pair: Pair = known ?? { expires: setTimeout(() => drop(requestid), creationTimeoutMs) };
        // A second stream of the same type, or one of another type, is a mistake of the client.
        if ((streamtype !== 'data' && streamtype !== 'error') || pair[streamtype] !== undefined) return void stream.destroy();
        pair[streamtype] = stream;
        pairs.set(requestid, pair);
        const { data, error } = pair;
        if (data === undefined || error === undefined) return;
        clearTimeout(pair.expires);
        pairs.delete(requestid);
        void forward(() => request.dial(portOf(port)), data, error);
      },
    },
    head,
  );
  await session.closed;
  for (const { expires } of pairs.values()) clearTimeout(expires);
}

interface Pair {
  data?: SpdyStream;
  error?: SpdyStream;
  expires: NodeJS.Timeout;
}

/** Parses a port. @throws Error when the text is no port */
function portOf(text = ''): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65_535) throw new Error(`unable to parse ${JSON.stringify(text)} as a port`);
  return port;
}

/** Connects one pair of streams to its port. Never rejects: a failure is sent on the client's error stream. */
async function forward(dial: () => Promise<Duplex>, data: SpdyStream, error: SpdyStream): Promise<void> {
  let connection: Duplex | undefined;
  try {
    connection = await dial();
    const target = connection;
    target.on('error', () => undefined); // The failure is reported below. Further errors may follow.
    if (data.destroyed) return void target.destroy(); // The client left while the connection was made.
    data.once('close', () => target.destroy());
    data.pipe(target);
    target.pipe(data);
    await finished(target, { writable: false });
  } catch (failure) {
    error.write(errorText(failure));
  }
  data.end();
  error.end();
  await finished(data, { readable: false }).catch(() => undefined); // The client has left.
  connection?.destroy();
}
