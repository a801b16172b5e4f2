import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { tunnel } from './tunnel.ts';

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

describe('a tunnel', () => {
  const open = new Set<Promise<void>>();
  /** Says a lot and leaves, whatever it is told meanwhile. */
  const backend = createServer((socket) => {
    socket.resume().on('error', () => socket.destroy());
    socket.end(Buffer.alloc(200_000, 'x'));
  });
  const proxy = createServer((socket) => {
    open.add(tunnel(socket, connect(portOf(backend), '127.0.0.1')));
  });

  before(async () => {
    for (const server of [backend, proxy]) await once(server.listen(0, '127.0.0.1'), 'listening');
  });
  after(async () => {
    await Promise.all(open);
    for (const server of [backend, proxy]) server.close();
  });

  it('gives the last words also to a client that goes on talking, and does not reset its connection', async () => {
    for (let round = 0; round < 30; round++) {
      const client = connect({ port: portOf(proxy), host: '127.0.0.1', allowHalfOpen: true });
      let received = 0;
      client.on('data', (chunk: Buffer) => {
        received += chunk.length;
        client.write(Buffer.alloc(1000, 'y'));
      });
      await once(client, 'end'); // rejects where the connection is reset
      client.end('bye');
      await once(client, 'close');
      assert.equal(received, 200_000);
    }
  });

  it('ends with its client, and with a client that is gone already', async () => {
    const talkative = createServer((socket) => void socket.on('error', () => socket.destroy()).resume());
    await once(talkative.listen(0, '127.0.0.1'), 'listening');
    const pair = createServer();
    await once(pair.listen(0, '127.0.0.1'), 'listening');
    const far = connect(portOf(pair), '127.0.0.1');
    const [near] = await once(pair, 'connection');
    const behind = connect(portOf(talkative), '127.0.0.1');
    const joined = tunnel(near, behind);
    far.destroy();
    await joined;
    const later = connect(portOf(talkative), '127.0.0.1');
    await tunnel(near, later);
    assert.ok(behind.destroyed && later.destroyed);
    talkative.close();
    pair.close();
  });
});
