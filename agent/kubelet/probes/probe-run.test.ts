/** Probes against servers that answer in their own ways. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import type { ContainerRuntime } from '#agent/runtime/runtime.ts';
import { aContainer } from '../pods.testing.ts';
import { createProbeRunner } from './probe-run.ts';

/** What a probe says of a server that treats each connection like this; `{}` stands for its address. */
async function probed(scheme: string, onConnection: (socket: Socket) => void): Promise<string> {
  const server = createServer(onConnection).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    const runner = createProbeRunner({} as ContainerRuntime);
    const probe = { httpGet: { port, path: '/ok', scheme }, timeoutSeconds: 5 };
    const outcome = await runner.run(probe, { container: aContainer('c'), containerId: 'c', podIp: '127.0.0.1' });
    return outcome.kind === 'success' ? outcome.kind : outcome.output.replace(`127.0.0.1:${port}`, '{}');
  } finally {
    server.close();
  }
}
const answer = (status: string) => (socket: Socket) =>
  void socket.once('data', () => socket.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\n\r\n`));

describe('an HTTP probe', () => {
  const cases: [string, string, (socket: Socket) => void, string][] = [
    ['succeeds', 'HTTP', answer('204 No Content'), 'success'],
    ['names a bad status', 'HTTP', answer('503 Service Unavailable'), 'HTTP probe failed with statuscode: 503'],
    [
      'tells of a connection that is closed without an answer',
      'HTTP',
      (socket) => void socket.resume().end(),
      'Get "http://{}/ok": EOF',
    ],
    [
      'tells of HTTP where HTTPS was asked for',
      'HTTPS',
      answer('400 Bad Request'),
      'Get "https://{}/ok": http: server gave HTTP response to HTTPS client',
    ],
  ];
  for (const [name, scheme, onConnection, expected] of cases)
    it(name, async () => assert.equal(await probed(scheme, onConnection), expected));
});
