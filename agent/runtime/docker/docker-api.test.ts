/** Tests Docker's client against daemons that misbehave. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { systemClock } from '#client/clock.ts';
import { createDockerApi } from './docker-api.ts';

const ok = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n';
const onRequest = (answer: (socket: Socket) => void) => (socket: Socket) => void socket.once('data', () => answer(socket));
const cases: [string, (socket: Socket) => void, RegExp][] = [
  ['says nothing', () => undefined, /did not answer Version within 0.3 s/],
  ['never ends its answer', onRequest((socket) => socket.write(`${ok}\r\n{"Version":`)), /did not answer Version within 0.3 s/],
  [
    'drips it',
    onRequest((socket) => void setInterval(() => socket.writable && socket.write('A: b\r\n'), 50).unref()),
    /Parse Error|did not answer|Unknown/,
  ],
  [
    'switches protocols',
    onRequest((socket) => socket.write('HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n')),
    /.+/,
  ],
  ['closes', (socket) => void socket.end(), /does not answer/],
  ['resets within the answer', onRequest((socket) => void socket.end(`${ok}Content-Length: 99\r\n\r\n{`)), /.+/],
];

describe('a call to Docker ends in its time, and leaves no connection, when the daemon', { timeout: 120_000 }, () => {
  for (const [name, behave, message] of cases) {
    it(name, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'docker-api-'));
      const socketPath = join(folder, 'docker.sock');
      const open = new Set<Socket>();
      const server = createServer((socket) => {
        open.add(socket.on('error', () => undefined));
        socket.once('close', () => open.delete(socket)).resume();
        behave(socket);
      }).listen(socketPath);
      await once(server, 'listening');
      try {
        // Short but where another failure than the end of the time is expected.
        const callMs = name === 'closes' ? 30_000 : 300;
        const api = createDockerApi({ socketPath, log: pino({ level: 'silent' }), clock: systemClock, callMs });
        await assert.rejects(
          api.call('Version', (docker) => docker.version()),
          (error: Error) => {
            assert.match(error.message, message);
            return error.name === 'RuntimeError';
          },
        );
        const startMs = performance.now();
        while (open.size > 0) {
          assert.ok(performance.now() - startMs < 30_000, 'a connection was left open');
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      } finally {
        for (const socket of open) socket.destroy();
        server.close();
        await rm(folder, { recursive: true });
      }
    });
  }
});
