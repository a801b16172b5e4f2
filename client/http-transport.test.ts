import 'reflect-metadata'; // which @peculiar/x509's dependency injection needs
import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import * as http from 'node:http';
import * as http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { createServer as createTcpServer, type Socket, connect as tcpConnect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import * as x509 from '@peculiar/x509';
import type { HttpTransport } from './http-transport.ts';
import { createHttpTransport } from './http-transport.ts';
import { readText } from './rest-client.ts';

type Handler = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void;

let tls: { cert: string; key: string };

async function selfSigned(): Promise<{ cert: string; key: string }> {
  const keys = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: 'CN=test',
      keys,
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
      extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }])],
    },
    webcrypto as never,
  );
  const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  return { cert: certificate.toString('pem'), key: `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n` };
}

async function serve(
  handler: Handler,
): Promise<{ port: number; server: http2.Http2SecureServer; sessions: http2.ServerHttp2Session[]; close(): Promise<void> }> {
  const server = http2.createSecureServer(tls);
  const sessions: http2.ServerHttp2Session[] = [];
  server.on('session', (session) => sessions.push(session));
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    handler(stream as http2.ServerHttp2Stream, headers);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = async (): Promise<void> => {
    for (const session of sessions) session.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return { port: (server.address() as AddressInfo).port, server, sessions, close };
}

const to = (port: number, more: object = {}): HttpTransport =>
  createHttpTransport({ server: `https://127.0.0.1:${port}`, ca: tls.cert, ...more });
const get = (path: string) => ({ method: 'GET', path, headers: {} });

before(async () => {
  tls = await selfSigned();
});

describe('http2 transport', () => {
  it('carries concurrent requests over one session, with bodies, headers and the token', async () => {
    const { port, sessions, close } = await serve((stream, headers) => {
      stream.respond({ ':status': 201, 'x-path': headers[':path'], 'x-auth': headers.authorization });
      stream.pipe(stream);
    });
    const transport = to(port, { token: 'secret' });
    const responses = await Promise.all(
      ['a', 'b', 'c'].map((body) => transport({ method: 'POST', path: `/${body}`, headers: {}, body: Buffer.from(body) })),
    );
    assert.deepEqual(await Promise.all(responses.map(({ body }) => readText(body))), ['a', 'b', 'c']);
    assert.deepEqual(
      [responses[1]?.status, responses[1]?.headers['x-path'], responses[1]?.headers['x-auth'], sessions.length],
      [201, '/b', 'Bearer secret', 1],
    );
    transport.close();
    await close();
  });

  it('reads the token from its file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'transport-'));
    await writeFile(join(folder, 'token'), 'from-file\n');
    const { port, close } = await serve((stream, headers) =>
      stream.respond({ ':status': 200, 'x-auth': headers.authorization }, { endStream: true }),
    );
    const transport = to(port, { tokenFile: join(folder, 'token') });
    const response = await transport(get('/'));
    assert.deepEqual([response.headers['x-auth'], await readText(response.body)], ['Bearer from-file', '']);
    transport.close();
    await close();
    await rm(folder, { recursive: true });
  });

  it('connects again after the session was lost, and the open watch fails', async () => {
    const { port, sessions, close } = await serve((stream, headers) => {
      stream.respond({ ':status': 200 });
      if (headers[':path'] === '/watch?watch=true') stream.write('first\n');
      else stream.end('ok');
    });
    const transport = to(port);
    const watch = await transport(get('/watch?watch=true'));
    const reading = (async () => {
      for await (const chunk of watch.body) {
        assert.equal(Buffer.from(chunk).toString(), 'first\n');
        sessions[0]?.destroy();
      }
    })();
    await assert.rejects(reading, { name: 'TransportError' });
    assert.equal(await readText((await transport(get('/again'))).body), 'ok');
    assert.equal(sessions.length, 2);
    transport.close();
    await close();
  });

  it('takes a new session after the server said go away', async () => {
    const { port, sessions, close } = await serve((stream) => {
      stream.respond({ ':status': 200 });
      stream.end('ok');
    });
    const transport = to(port);
    await readText((await transport(get('/1'))).body);
    const closed = new Promise((resolve) => sessions[0]?.once('close', resolve));
    sessions[0]?.close();
    await closed;
    assert.equal(await readText((await transport(get('/2'))).body), 'ok');
    transport.close();
    await close();
  });

  it('notices a link that swallows everything under a silent watch', async () => {
    const { port, close } = await serve((stream) => stream.respond({ ':status': 200 }));
    // A relay that stops passing bytes on, without closing: a pulled cable.
    let cut = false;
    const sockets: { destroy(): void }[] = [];
    const relay = createTcpServer((near) => {
      const far = tcpConnect(port, '127.0.0.1');
      sockets.push(near, far);
      near.on('data', (data) => cut || far.write(data));
      far.on('data', (data) => cut || near.write(data));
    });
    await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
    const transport = to((relay.address() as AddressInfo).port, { pingIntervalMs: 30, pingTimeoutMs: 50 });
    const { body } = await transport(get('/watch?watch=true'));
    cut = true;
    await assert.rejects(readText(body), { name: 'TransportError' });
    transport.close();
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => relay.close(() => resolve()));
    await close();
  });

  it('keeps a healthy silent watch', async () => {
    let stream: http2.ServerHttp2Stream | undefined;
    let pings = 0;
    const { port, server, close } = await serve((one) => {
      stream = one;
      one.respond({ ':status': 200 });
    });
    const pinged = new Promise<void>((resolve) =>
      server.on('session', (session) => session.on('ping', () => ++pings === 3 && resolve())),
    );
    const transport = to(port, { pingIntervalMs: 5, pingTimeoutMs: 5000 });
    const { body } = await transport(get('/watch?watch=true'));
    await pinged;
    stream?.end('still here');
    assert.equal(await readText(body), 'still here');
    transport.close();
    await close();
  });

  it('gives up an ordinary request after its deadline, before and within the answer', async () => {
    const { port, close } = await serve((stream, headers) => {
      if (headers[':path'] === '/half') {
        stream.respond({ ':status': 200 });
        stream.write('half');
      }
    });
    const transport = to(port, { requestTimeoutMs: 50 });
    await assert.rejects(transport(get('/never')), /GET \/never: no whole answer within 0.05 s/);
    const { body } = await transport(get('/half'));
    await assert.rejects(readText(body), /no whole answer/);
    transport.close();
    await close();
  });

  it('frees the stream on the server when the reader aborts', async () => {
    let freed = (): void => undefined;
    const closed = new Promise<void>((resolve) => (freed = resolve));
    const { port, close } = await serve((stream) => {
      stream.respond({ ':status': 200 });
      stream.once('close', () => freed());
    });
    const abort = new AbortController();
    const transport = to(port);
    const { body } = await transport({ ...get('/watch?watch=true'), signal: abort.signal });
    const reading = readText(body);
    abort.abort();
    await assert.rejects(reading);
    await closed;
    transport.close();
    await close();
  });

  it('does not wait for the headers of a watch, nor for its end, longer than it asked for', async () => {
    const silent = await serve(() => undefined);
    const endless = await serve((stream) => stream.respond({ ':status': 200 }));
    const options = { ca: tls.cert, requestTimeoutMs: 200 };
    const first = createHttpTransport({ server: `https://127.0.0.1:${silent.port}`, ...options });
    await assert.rejects(first(get('/pods?watch=1')), /no whole answer within 0.2 s/);
    const second = createHttpTransport({ server: `https://127.0.0.1:${endless.port}`, ...options });
    const { body } = await second(get('/pods?watch=1&timeoutSeconds=1'));
    await assert.rejects(readText(body), /no whole answer within 1.2 s/);
    for (const transport of [first, second]) transport.close();
    await Promise.all([silent.close(), endless.close()]);
  });

  it('fails in time when nothing like a server is there', async () => {
    const open = new Set<Socket>();
    const behaviours: ((socket: Socket) => void)[] = [
      (socket) => void socket.resume(),
      (socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
      (socket) => void socket.write(Buffer.alloc(100_000, 0x16)),
      (socket) => void socket.resetAndDestroy(),
      (socket) => void socket.end(),
    ];
    for (const behaviour of behaviours) {
      const server = createTcpServer((socket) => {
        open.add(socket.on('error', () => undefined));
        behaviour(socket);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      const transport = createHttpTransport({ server: `https://127.0.0.1:${port}`, ca: tls.cert, connectTimeoutMs: 300 });
      await assert.rejects(transport(get('/')), { name: 'TransportError' });
      transport.close();
      for (const socket of open) socket.destroy();
      server.close();
    }
  });

  it('tells where it could not connect, and comes back when the server does', async () => {
    const first = await serve((stream) => stream.respond({ ':status': 200 }, { endStream: true }));
    await first.close();
    const transport = to(first.port);
    await assert.rejects(transport(get('/')), new RegExp(`https://127.0.0.1:${first.port}: .*ECONNREFUSED`));
    const server = http2.createSecureServer(tls, (_, response) => response.end('back'));
    await new Promise<void>((resolve) => server.listen(first.port, '127.0.0.1', resolve));
    assert.equal(await readText((await transport(get('/'))).body), 'back');
    transport.close();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });

  it('refuses a server whose certificate the CA did not sign', async () => {
    const { port, close } = await serve((stream) => stream.respond({ ':status': 200 }, { endStream: true }));
    const transport = createHttpTransport({ server: `https://127.0.0.1:${port}`, ca: (await selfSigned()).cert });
    await assert.rejects(transport(get('/')), { name: 'TransportError' });
    transport.close();
    await close();
  });
});

describe('http/1.1 transport', () => {
  const server = http.createServer((request, response) => {
    response.writeHead(200, { 'x-path': request.url });
    request.pipe(response);
  });
  before(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
  after(() => new Promise<void>((resolve) => server.close(() => resolve())));

  it('serves http URLs, also below a path', async () => {
    const transport = createHttpTransport({ server: `http://127.0.0.1:${(server.address() as AddressInfo).port}/k8s/` });
    const response = await transport({ method: 'POST', path: '/api', headers: {}, body: Buffer.from('hello') });
    assert.deepEqual([response.headers['x-path'], await readText(response.body)], ['/k8s/api', 'hello']);
    transport.close();
  });

  it('takes a switch of protocols for a failure, also of a watch', async () => {
    const switching = createTcpServer((socket) =>
      socket.once('data', () => socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n')),
    );
    await new Promise<void>((resolve) => switching.listen(0, '127.0.0.1', resolve));
    const transport = createHttpTransport({ server: `http://127.0.0.1:${(switching.address() as AddressInfo).port}` });
    for (const path of ['/api', '/api?watch=1']) await assert.rejects(transport(get(path)), /switched protocols/);
    transport.close();
    switching.close();
  });
});
