import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { after, describe, it } from 'node:test';
import { pino } from 'pino';
import { WebSocket } from 'ws';
import { systemClock } from '#client/clock.ts';
import type { ProcessStreams, StreamRequest } from './stream-request.ts';
import { createStreamingServer } from './streaming-server.ts';

const server = createStreamingServer({ log: pino({ level: 'silent' }), clock: systemClock });
after(() => server.close());

/** Sends and records the messages of one protocol. */
interface Client {
  socket: WebSocket;
  /** The received messages: `text` or `binary`, channel, data. */
  received: [type: string, channel: number, data: string][];
  send(channel: number, data: string): void;
  closed: Promise<number>;
}

async function connect(request: StreamRequest, protocols: string[]): Promise<Client> {
  const url = await server.urlFor('exec', request);
  const socket = new WebSocket(url.replace('http', 'ws'), protocols);
  const isBase64 = protocols.some((name) => name.includes('base64'));
  const received: Client['received'] = [];
  socket.on('message', (message: Buffer, isBinary: boolean) => {
    const [first = -1] = message;
    const rest = message.subarray(1);
    const data = isBase64 ? Buffer.from(rest.toString(), 'base64') : rest;
    received.push([isBinary ? 'binary' : 'text', isBase64 ? first - 48 : first, data.toString()]);
  });
  const closed = once(socket, 'close').then(([code]) => code as number);
  await once(socket, 'open');
  const send = (channel: number, data: string): void =>
    socket.send(
      isBase64 ? `${channel}${Buffer.from(data).toString('base64')}` : Buffer.concat([Buffer.of(channel), Buffer.from(data)]),
    );
  return { socket, received, send, closed };
}

/** A process that echoes its input, reports its size, and exits with the code that it reads. */
function shell(sizes: string[] = []): { process: ProcessStreams; closed: Promise<void> } {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const { promise: exited, resolve: exit } = Promise.withResolvers<number>();
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  const end = (code: number): void => {
    stdout.end();
    stderr.end('bye');
    exit(code);
  };
  stdin.on('data', (data: Buffer) => {
    const code = /^exit (\d+)$/.exec(data.toString())?.[1];
    if (code === undefined) stdout.write(data);
    else end(Number(code));
  });
  stdin.on('end', () => end(0));
  const resize = async (columns: number, rows: number): Promise<void> => void sizes.push(`${columns}x${rows}`);
  return { process: { stdin, stdout, stderr, exited, close, resize }, closed };
}

const wanting = (process: ProcessStreams, more: Partial<StreamRequest & { kind: 'process' }> = {}): StreamRequest => ({
  kind: 'process',
  stdin: true,
  stdout: true,
  stderr: true,
  tty: false,
  open: async () => process,
  ...more,
});

const failed = 'command terminated with non-zero exit code: exit status 3';
const table: [protocols: string[], agreed: string, type: string, hasStatus: boolean][] = [
  [[], '', 'binary', false],
  [['channel.k8s.io'], 'channel.k8s.io', 'binary', false],
  [['base64.channel.k8s.io'], 'base64.channel.k8s.io', 'text', false],
  [['v4.channel.k8s.io'], 'v4.channel.k8s.io', 'binary', true],
  [['v4.base64.channel.k8s.io'], 'v4.base64.channel.k8s.io', 'text', true],
  [['v5.channel.k8s.io'], 'v5.channel.k8s.io', 'binary', true],
  // The client's order of preference counts.
  [['v9.channel.k8s.io', 'channel.k8s.io', 'v4.channel.k8s.io'], 'channel.k8s.io', 'binary', false],
];

describe('exec over WebSocket subprotocols', { timeout: 120_000 }, () => {
  for (const [protocols, agreed, type, hasStatus] of table) {
    const name = protocols.join(', ') || 'none';
    it(`${name}: input, outputs and a failure, each on its channel`, async () => {
      const client = await connect(wanting(shell().process), protocols);
      assert.equal(client.socket.protocol, agreed);
      client.send(0, 'hällo');
      client.send(0, 'exit 3');
      assert.equal(await client.closed, 1000);
      const of = (channel: number): string[] => client.received.filter(([, on]) => on === channel).map(([, , data]) => data);
      assert.ok(client.received.every(([one]) => one === type));
      assert.deepEqual(client.received[0], [type, 1, '']);
      assert.deepEqual([of(1).join(''), of(2).join('')], ['hällo', 'bye']);
      assert.equal(of(3).length, 1);
      assert.equal(client.received.at(-1)?.[1], 3);
      if (!hasStatus) return assert.deepEqual(of(3), [failed]);
      const { status, reason, message, details } = JSON.parse(of(3)[0] ?? '');
      assert.deepEqual([status, reason, message], ['Failure', 'NonZeroExitCode', failed]);
      assert.deepEqual(details, { causes: [{ reason: 'ExitCode', message: '3' }] });
    });

    it(`${name}: a success is a Status or nothing`, async () => {
      const client = await connect(wanting(shell().process, { stdout: false, stderr: false }), protocols);
      client.send(0, 'exit 0');
      await client.closed;
      // The empty message is sent on the lowest channel that the client reads.
      assert.deepEqual(client.received[0], [type, 3, '']);
      const rest = client.received.slice(1).map(([, channel, data]) => [channel, JSON.parse(data).status]);
      assert.deepEqual(rest, hasStatus ? [[3, 'Success']] : []);
    });

    it(`${name}: a process that cannot be started`, async () => {
      const open = async (): Promise<ProcessStreams> => await Promise.reject(new Error('no such file'));
      const client = await connect(wanting(shell().process, { open }), protocols);
      await client.closed;
      const text = client.received.at(-1)?.[2] ?? '';
      assert.equal(hasStatus ? JSON.parse(text).message : text, 'no such file');
    });

    it(`${name}: sizes on channel 4, in pieces`, async () => {
      const sizes: string[] = [];
      const client = await connect(wanting(shell(sizes).process, { tty: true, stderr: false }), protocols);
      client.send(4, '{"Width":80,"Hei');
      client.send(4, 'ght":24}{"Width":100,"Height":30}');
      client.send(0, 'exit 0');
      await client.closed;
      assert.deepEqual(sizes, ['80x24', '100x30']);
    });

    it(`${name}: channel 255 ${agreed.startsWith('v5') ? 'closes another' : 'is ignored'}`, async () => {
      const client = await connect(wanting(shell().process), protocols);
      client.socket.send(Buffer.of(255, 0));
      client.send(0, 'exit 3');
      await client.closed;
      const text = client.received.at(-1)?.[2] ?? '';
      if (agreed.startsWith('v5')) assert.equal(JSON.parse(text).status, 'Success');
      else assert.match(text, /exit status 3/);
    });
  }

  it('ignores malformed base64 and messages without a channel', async () => {
    const client = await connect(wanting(shell().process), ['base64.channel.k8s.io']);
    for (const message of ['0!!!!', '0Zm9', '0Zg==Zg==', '0-_-_', '', '9Zm9v', '\u00ffZm9v']) client.socket.send(message);
    client.socket.send('0Zm\r\n9v\n');
    client.send(0, 'exit 0');
    await client.closed;
    assert.deepEqual(client.received, [
      ['text', 1, ''],
      ['text', 1, 'foo'],
      ['text', 2, 'bye'],
    ]);
  });

  it('accepts bytes that are not UTF-8 in a text message', async () => {
    const client = await connect(wanting(shell().process), ['v4.channel.k8s.io']);
    client.socket.send(Buffer.of(0, 0xff, 0xfe), { binary: false });
    client.send(0, 'exit 0');
    assert.equal(await client.closed, 1000);
    assert.equal(client.received.filter(([, channel]) => channel === 1).length, 2);
  });

  for (const message of [[255], [255, 0, 0], [255, 5]])
    it(`v5: a close signal of ${message.join(' ')} ends the connection`, async () => {
      const { process, closed } = shell();
      const client = await connect(wanting(process), ['v5.channel.k8s.io']);
      client.socket.send(Buffer.from(message));
      assert.equal(await client.closed, 1000);
      await closed;
    });

  for (const protocol of ['v9.channel.k8s.io', 'v4.CHANNEL.k8s.io', 'binary.k8s.io'])
    it(`refuses ${protocol}`, async () => assert.equal(await refusedWith(wanting(shell().process), [protocol]), 403));
});

async function refusedWith(request: StreamRequest, protocols: string[]): Promise<number | undefined> {
  const socket = new WebSocket((await server.urlFor('exec', request)).replace('http', 'ws'), protocols);
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode?: number; resume(): void }];
  response.resume();
  return response.statusCode;
}

describe('port-forward over WebSocket subprotocols', { timeout: 120_000 }, () => {
  /** Echoes until its client says bye. Nothing listens on port 81. */
  const dial = async (port: number): Promise<PassThrough> => {
    if (port === 81) throw new Error('refused');
    const echo = new PassThrough();
    echo.on('data', (data: Buffer) => data.toString() === 'bye' && echo.end());
    return echo;
  };
  const ports: StreamRequest = { kind: 'portforward', ports: [0x1f90, 81], dial };
  for (const [protocol, type] of [
    ['', 'binary'],
    ['v4.channel.k8s.io', 'binary'],
    ['v4.base64.channel.k8s.io', 'text'],
  ] as const)
    it(`${protocol || 'none'}: the ports first, then the data, and an end when all connections have ended`, async () => {
      const client = await connect(ports, protocol === '' ? [] : [protocol]);
      client.send(0, 'hi');
      client.send(2, 'nobody hears it');
      client.send(1, 'nor this');
      client.send(0, 'bye');
      assert.equal(await client.closed, 1000);
      assert.ok(client.received.every(([one]) => one === type));
      const of = (channel: number): string[] => client.received.filter(([, on]) => on === channel).map(([, , data]) => data);
      assert.equal(of(1)[0], of(0)[0]);
      assert.equal(of(0).slice(1).join(''), 'hibye');
      assert.deepEqual([of(2), of(3)], [['Q\0'], ['Q\0', 'refused']]);
    });

  for (const protocol of ['channel.k8s.io', 'base64.channel.k8s.io', 'v5.channel.k8s.io'])
    it(`refuses ${protocol}`, async () => assert.equal(await refusedWith(ports, [protocol]), 403));
});
