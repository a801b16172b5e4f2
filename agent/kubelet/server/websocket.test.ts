import assert from 'node:assert/strict';
import { on, once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { after, describe, it } from 'node:test';
import { pino } from 'pino';
import { WebSocket } from 'ws';
import type { ProcessStreams } from '#agent/runtime/streaming/stream-request.ts';
import { createStreamingServer } from '#agent/runtime/streaming/streaming-server.ts';
import { systemClock } from '#client/clock.ts';
import { parseStreamPath } from './upgrade.ts';
import { serveWebSocket } from './websocket.ts';

const log = pino({ level: 'silent' });
const runtime = createStreamingServer({ log, clock: systemClock });
const servers: Server[] = [];
after(async () => {
  for (const server of servers) server.closeAllConnections();
  for (const server of servers) server.close();
  await runtime.close();
});

/** A kubelet's exec of that process, and the client's side of it. */
async function exec(process: ProcessStreams): Promise<WebSocket> {
  const request = { kind: 'process', stdin: false, stdout: true, stderr: true, tty: false } as const;
  const url = new URL(await runtime.urlFor('exec', { ...request, open: async () => process }));
  const target = parseStreamPath('/exec/ns/pod/c?command=x&output=1&error=1');
  assert.ok(target !== undefined);
  const server = createServer();
  servers.push(server);
  server.on('upgrade', (message, socket, head) => void serveWebSocket(message, socket, head, target, url));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/`, 'v5.channel.k8s.io');
}

function aProcess(): {
  process: ProcessStreams;
  closed: Promise<void>;
  exit: (code: number) => void;
  stdout: PassThrough;
  stderr: PassThrough;
} {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const { promise: exited, resolve: exit } = Promise.withResolvers<number>();
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  return { process: { stdout, stderr, exited, close }, closed, exit, stdout, stderr };
}

describe('exec over a WebSocket', () => {
  it('gives every output and the exit code on their channels', { timeout: 120_000 }, async () => {
    const { process, exit, stdout, stderr } = aProcess();
    const client = await exec(process);
    const said: string[] = [];
    client.on('message', (data: Buffer) => said.push(`${data[0]} ${data.subarray(1).toString()}`));
    // Before there is anything to say: the connection stands.
    await once(client, 'message');
    assert.deepEqual(said, ['1 ']);
    stdout.end('out');
    stderr.end('err');
    exit(3);
    const [code] = (await once(client, 'close')) as [number];
    assert.equal(code, 1000);
    const frames = said.filter((frame) => !/^\d $/.test(frame)).sort();
    assert.deepEqual(frames.slice(0, 2), ['1 out', '2 err']);
    assert.match(frames[2] ?? '', /^3 .*"ExitCode".*"3"/);
  });

  it('lets go of the process when the client is gone, and lives on', { timeout: 120_000 }, async () => {
    const { process, closed, stdout } = aProcess();
    const client = await exec(process);
    stdout.write('some output');
    // The first message is an empty one.
    for await (const [message] of on(client, 'message')) if ((message as Buffer).length > 1) break;
    client.terminate();
    // A failure that nobody waits for would end this process, as it would end a kubelet.
    await closed;
    await new Promise<void>((resolve) => setImmediate(resolve));
  });
});
