/** Hostile backends and nodes: a server behind a proxy may send any bytes, and the API server still answers other clients. */
import assert from 'node:assert/strict';
import https from 'node:https';
import { createServer, type Server, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type ProxyServer, startProxyServer } from '#control/apiserver/proxy/proxy.testing.ts';

const pods = '/api/v1/namespaces/default/pods';

/** What a backend does after it has received something. The port of each is part of the pod's address. */
const backends: Readonly<Record<string, (socket: Socket) => void>> = {
  'answers 101 unasked, and goes on': (socket) =>
    flood(socket, 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n', 'garbage'),
  'answers 101 without a protocol': (socket) => void socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n'),
  'answers garbage': (socket) => void socket.write('\0\x01\xffgarbage\r\n\r\n'),
  'never answers': () => undefined,
  'says one byte of its head at a time': (socket) => drip(socket, 'HTTP/1.1 200 OK\r\nX: '),
  'has a head without end': (socket) => flood(socket, 'HTTP/1.1 200 OK\r\n', `X-A: ${'a'.repeat(1000)}\r\n`),
  'has interim answers without end': (socket) => flood(socket, '', 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'),
  'resets the connection': (socket) => void socket.resetAndDestroy(),
  'closes at once': (socket) => void socket.end(),
  'redirects to itself': (socket) => void socket.end('HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n'),
  'lies about its length': (socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort'),
  'has two lengths': (socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nshort!'),
  'calls garbage gzip': (socket) =>
    void socket.end('HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\nno gzip'),
  'has a page without end': (socket) =>
    flood(socket, 'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n', `<a href="/x" ${'a=b '.repeat(500)}`),
};

function flood(socket: Socket, first: string, again: string): void {
  socket.write(first);
  const go = (): void => {
    while (!socket.destroyed && socket.write(again.repeat(50)));
  };
  socket.on('drain', go);
  go();
}

function drip(socket: Socket, text: string): void {
  let at = 0;
  const timer = setInterval(() => socket.write(text[at++] ?? 'x'), 20);
  socket.once('close', () => clearInterval(timer));
}

describe('behind a proxy', { timeout: 240_000 }, () => {
  /** Its timeouts leave a busy machine enough time. */
  let server: ProxyServer;
  /** Its timeouts are short, for backends that send nothing. */
  let hasty: ProxyServer;
  const servers: Server[] = [];
  const open = new Set<Socket>();
  before(async () => {
    server = await startProxyServer({ upgradeTimeoutMs: 60_000, connectTimeoutMs: 60_000 });
    hasty = await startProxyServer({ upgradeTimeoutMs: 1_500, connectTimeoutMs: 5_000 });
    for (const one of [server, hasty]) await one.pod('liar', '10.9.0.2');
    for (const [index, act] of Object.values(backends).entries()) {
      const one = createServer((socket) => {
        open.add(socket);
        socket.once('close', () => open.delete(socket));
        socket.on('error', () => socket.destroy());
        socket.once('data', () => act(socket));
      });
      await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve));
      servers.push(one);
      const { port } = one.address() as { port: number };
      for (const { network } of [server, hasty]) network.set(`10.9.0.2:${1000 + index}`, port);
    }
    // A kubelet that accepts connections and sends nothing, not even TLS.
    await hasty.node('silent', '10.9.0.1', 1003);
    hasty.network.set('10.9.0.1:1003', hasty.network.get('10.9.0.2:1003') ?? 0);
  });
  after(async () => {
    for (const socket of open) socket.destroy();
    for (const one of servers) one.close();
    await Promise.all([server.stop(), hasty.stop()]);
  });

  /** Resolves to the status, or to how the connection ended. The client closes the connection in the end. */
  const ask = (of: ProxyServer, path: string, headers: Record<string, string> = {}, leaveMs = 90_000): Promise<string> =>
    new Promise((resolve) => {
      const request = https.request({ ...of.options, path, headers });
      const timer = setTimeout(() => request.destroy(new Error('left')), leaveMs);
      request.on('upgrade', (_response, socket) => {
        resolve('101');
        socket.destroy();
      });
      request.on('response', (response) => {
        response.on('error', () => resolve('broke off'));
        response.on('end', () => resolve(String(response.statusCode)));
        response.resume();
      });
      request.on('error', (error) => resolve(error.message === 'left' ? 'left' : 'broke off'));
      request.once('close', () => clearTimeout(timer));
      request.end();
    });
  const answersOthers = async (of: ProxyServer): Promise<void> => {
    const { status } = await of.call('GET', '/api/v1/namespaces/default');
    assert.equal(status, 200);
  };

  /** The results of a plain request and of a request to upgrade. */
  const expected: Readonly<Record<string, [RegExp, RegExp]>> = {
    'answers 101 unasked, and goes on': [/^500$/, /^101$/],
    'answers 101 without a protocol': [/^500$/, /^500$/],
    'answers garbage': [/^503$/, /^500$/],
    'never answers': [/^left$/, /^500$/],
    'says one byte of its head at a time': [/^left$/, /^500$/],
    'has a head without end': [/^503$/, /^500$/],
    'has interim answers without end': [/^503$/, /^500$/],
    'resets the connection': [/^503$/, /^500$/],
    'closes at once': [/^503$/, /^500$/],
    'redirects to itself': [/^302$/, /^500$/],
    'lies about its length': [/^broke off$/, /^500$/],
    'has two lengths': [/^503$/, /^500$/],
    'calls garbage gzip': [/^broke off$/, /^500$/],
    'has a page without end': [/^left$|^broke off$/, /^500$/],
  };
  for (const [index, name] of Object.keys(backends).entries())
    it(`a pod that ${name} affects no other client`, async () => {
      const path = `${pods}/liar:${1000 + index}/proxy/x`;
      const [plain, upgrade] = expected[name] as [RegExp, RegExp];
      const isSlow = plain.test('left');
      const asked = isSlow ? hasty : server;
      const both = Promise.all([
        ask(asked, path, {}, isSlow ? 3_000 : undefined),
        ask(asked, path, { connection: 'Upgrade', upgrade: 'x' }),
      ]);
      await answersOthers(asked);
      const [first, second] = await both;
      assert.match(first, plain);
      assert.match(second, upgrade);
      await answersOthers(asked);
    });

  it('no bytes after a request reach a backend that has not switched protocols', async () => {
    const received: string[] = [];
    const one = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.on('data', (chunk: Buffer) => {
        received.push(chunk.toString());
        if (received.length === 1) socket.write('HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno');
      });
    });
    await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve));
    servers.push(one);
    server.network.set('10.9.0.2:2000', (one.address() as { port: number }).port);
    const answer = await new Promise<string>((resolve, reject) => {
      const request = https.request({
        ...server.options,
        path: `${pods}/liar:2000/proxy/x`,
        headers: { connection: 'Upgrade', upgrade: 'x' },
      });
      request.on('socket', (socket) =>
        socket.once('secureConnect', () => setImmediate(() => socket.write('GET /secret HTTP/1.1\r\nHost: x\r\n\r\n'))),
      );
      request.on('response', (response) => {
        response.resume();
        response.on('end', () => resolve(`${response.statusCode} ${response.headers.connection}`));
      });
      request.on('error', reject);
      request.end();
    });
    assert.equal(answer, '400 close');
    assert.doesNotMatch(received.join(''), /secret/);
  });

  it('a request to a kubelet that sends nothing ends in time, also for logs and exec', async () => {
    const statuses = ['/api/v1/nodes/silent/proxy/pods', '/api/v1/nodes/silent:1003/proxy/x'].map((path) => ask(hasty, path));
    await answersOthers(hasty);
    assert.deepEqual(await Promise.all(statuses), ['503', '503']);
  });

  it('addresses of the server itself are refused in every spelling', async () => {
    const forged = [
      '127.0.0.1',
      '127.1.2.3',
      '::1',
      '::ffff:127.0.0.1',
      '169.254.169.254',
      'fe80::1',
      '0.0.0.0',
      '224.0.0.1',
      'localhost',
    ];
    for (const [index, address] of forged.entries()) {
      await server.node(`forged-${index}`, address, server.port);
      for (const id of [`forged-${index}`, `forged-${index}:${server.port}`, `https:forged-${index}:443`]) {
        const { status, text } = await server.call('GET', `/api/v1/nodes/${id}/proxy/api/v1/secrets`);
        assert.deepEqual([status, JSON.parse(text).message], [400, 'address not allowed'], `${address} as ${id}`);
      }
    }
  });
});
