/**
 * Exec, attach and port-forward over SPDY: each purpose is a stream, named by its headers.
 *
 * Source: kubernetes apimachinery, util/remotecommand and util/portforward; kubelet pkg/kubelet/streaming.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { finished } from 'node:stream/promises';
import { createSpdySession, type SpdyStream } from './spdy.ts';
import { exitStatus, failureStatus, type ProcessStreams, refuse, type StreamRequest, terminalSizes } from './stream-request.ts';

const protocolHeader = 'x-stream-protocol-version';
const protocols = { process: 'v4.channel.k8s.io', portforward: 'portforward.k8s.io' } as const;

/** Settles when the connection has ended. */
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
  await Promise.race([complete, session.closed]);
  const status = streams.get('error');
  if (!wanted.every((name) => streams.has(name)) || status === undefined) return;
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
  // A client that has gone is no failure of ours.
  await Promise.all(outputs.map((stream) => finished(stream, { readable: false }).catch(() => undefined)));
  await session.close();
}

function connect(process: ProcessStreams, streams: ReadonlyMap<string, SpdyStream>): void {
  const [stdin, stdout, stderr, resize] = ['stdin', 'stdout', 'stderr', 'resize'].map((name) => streams.get(name));
  if (stdin !== undefined && process.stdin !== undefined) stdin.pipe(process.stdin);
  // Ended by us, after the exit code is known.
  if (stdout === undefined) process.stdout.resume();
  else process.stdout.pipe(stdout, { end: false });
  if (stderr === undefined) process.stderr?.resume();
  else process.stderr?.pipe(stderr, { end: false });
  let text = '';
  resize?.on('data', (chunk: Buffer) => {
    const { sizes, rest } = terminalSizes(text + chunk.toString('utf8'));
    text = rest;
    // A terminal that has just ended cannot be resized, and nobody needs to know.
    for (const { columns, rows } of sizes) process.resize?.(columns, rows).catch(() => undefined);
  });
}

/** Each connection is a pair of streams with one request ID: `error` and `data`. */
async function servePorts(request: StreamRequest & { kind: 'portforward' }, socket: Duplex, head: Buffer): Promise<void> {
  const pairs = new Map<string, Partial<Record<string, SpdyStream>>>();
  const session = createSpdySession(
    socket,
    {
      role: 'server',
      onStream(stream) {
        const { requestid = stream.headers.port ?? '', streamtype = '', port } = stream.headers;
        const pair = { ...pairs.get(requestid), [streamtype]: stream };
        pairs.set(requestid, pair);
        const { data, error } = pair;
        if (data === undefined || error === undefined) return;
        pairs.delete(requestid);
        void forward(() => request.dial(Number(port)), data, error);
      },
    },
    head,
  );
  await session.closed;
}

/** Never rejects: what goes wrong goes to the client's error stream. */
async function forward(dial: () => Promise<Duplex>, data: SpdyStream, error: SpdyStream): Promise<void> {
  let connection: Duplex | undefined;
  try {
    connection = await dial();
    const target = connection;
    data.once('close', () => target.destroy());
    data.pipe(target);
    target.pipe(data);
    await finished(target, { writable: false });
  } catch (failure) {
    error.write(failure instanceof Error ? failure.message : String(failure));
  }
  data.end();
  error.end();
  await finished(data, { readable: false }).catch(() => undefined); // The client has gone.
  connection?.destroy();
}
