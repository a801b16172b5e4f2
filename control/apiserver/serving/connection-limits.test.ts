/** Clients that take their time: each limit is a fraction of a second here, and the connection ends by itself. */
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import type { TransportResponse } from '#client/transport.ts';
import { createAuthority, issueCertificate, type KeyPair } from '#control/pki/certificates.ts';
import { startTestServer, type TestServer } from '../api-server.testing.ts';
import { listen } from './listener.ts';
import { silentLog } from './server-log.ts';

const path = '/api/v1/namespaces/default/configmaps';

describe('a client that takes too long', { timeout: 240_000 }, () => {
  let api: TestServer;
  let ca: KeyPair;
  let user: KeyPair;
  /** Of a listener that waits a moment only, and of one that lets a client on a busy machine get so far as to ask. */
  const ports = { hasty: 0, patient: 0 };
  const running: Promise<void>[] = [];
  const stop = new AbortController();
  before(async () => {
    const now = Date.now();
    ca = await createAuthority(now);
    const pair = await issueCertificate(ca, { commonName: 'kube-apiserver', usage: 'server', ipAddresses: ['127.0.0.1'] }, now);
    user = await issueCertificate(ca, { commonName: 'jane', usage: 'client' }, now);
    api = await startTestServer({ deps: { openapi: ({ path: wanted }) => (wanted === '/openapi/never' ? never : endless()) } });
    const options = { host: '127.0.0.1', port: 0, certificate: pair.certificate, key: pair.key, clientCa: ca.certificate };
    const times = {
      hasty: { readHeaderMs: 300, idleMs: 300, requestMs: 600 },
      patient: { readHeaderMs: 30_000, idleMs: 300, requestMs: 3_000 },
    };
    for (const name of ['hasty', 'patient'] as const) {
      const listener = await listen(api.server, { ...options, graceMs: 500, times: times[name] }, silentLog);
      ports[name] = listener.port;
      running.push(listener.run(stop.signal));
    }
  });
  after(async () => {
    stop.abort();
    await Promise.all(running);
    await api.stop();
  });

  const dial = (protocol = 'http/1.1', port = ports.hasty): Socket =>
    connectTls({ host: '127.0.0.1', port, ca: ca.certificate, cert: user.certificate, key: user.key, ALPNProtocols: [protocol] });

  const slow: Record<string, () => Socket> = {
    'to begin with TLS': () => connectTcp(ports.hasty, '127.0.0.1'),
    'to finish the TLS handshake': () =>
      connectTcp(ports.hasty, '127.0.0.1')
        .setNoDelay()
        .on('connect', function (this: Socket) {
          this.write(Buffer.from('16030100c8010000c40303', 'hex'));
        }),
    'to say anything': () => dial(),
    'over its headers': () => drip(dial(), 'GET /version HTTP/1.1\r\n', 'a: b\r\n'),
    'over its body': () => drip(dial(), `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n`, 'a'),
    'to ask again': () => drip(dial(), 'GET /version HTTP/1.1\r\nHost: x\r\n\r\n'),
    'to speak HTTP/2': () => dial('h2'),
  };
  for (const [what, connect] of Object.entries(slow)) {
    it(`${what} is cut off`, async () => {
      const socket = connect();
      socket.on('error', () => socket.destroy());
      socket.resume();
      await new Promise((resolve) => socket.once('close', resolve));
    });
  }

  it('to read what it asked for is cut off', async () => {
    const socket = drip(dial('http/1.1', ports.patient).pause(), 'GET /openapi/endless HTTP/1.1\r\nHost: x\r\n\r\n');
    socket.on('error', () => socket.destroy());
    // A paused connection does not hear of its end: what the server knows of it counts.
    await answerGivenUp.promise;
    socket.destroy();
  });

  it('over HTTP/2, between two requests, is told to go', async () => {
    const session = connectHttp2();
    const gone = new Promise((resolve) => session.once('goaway', resolve));
    await streamOf(session, '/version');
    await gone;
  });

  it('and keeps its HTTP/2 connection while a watch is open', async () => {
    const session = connectHttp2();
    const watch = session.request({ ':path': `${path}?watch=1` });
    await new Promise((resolve) => watch.once('response', resolve));
    // Another connection that has nothing under way is told to go: by then this one has been idle for longer.
    const idle = connectHttp2();
    const gone = new Promise((resolve) => idle.once('goaway', resolve));
    await streamOf(idle, '/version');
    await gone;
    await streamOf(session, '/version');
    assert.equal(watch.destroyed, false);
    session.destroy();
  });

  it('with 199 watches on one HTTP/2 connection keeps them all, and is sent to another connection for what comes next', async () => {
    const session = connectHttp2();
    const gone = new Promise((resolve) => session.once('goaway', resolve));
    const watches = Array.from({ length: 199 }, () => session.request({ ':path': `${path}?watch=1` }));
    await Promise.all(watches.map((watch) => new Promise((resolve) => watch.once('response', resolve))));
    assert.equal((await streamOf(session, '/version')).status, 200);
    await gone;
    const events = watches.map((watch) => new Promise<Buffer>((resolve) => watch.once('data', resolve)));
    await api.client
      .resource('configmaps')
      .create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'seen', namespace: 'default' } });
    for (const event of await Promise.all(events)) assert.match(event.toString('utf8'), /^\{"type":"ADDED"/);
    const next = connectHttp2();
    assert.equal((await streamOf(next, '/version')).status, 200);
    next.destroy();
    session.destroy();
  });

  it('because nothing comes is told 504', async () => {
    const session = connectHttp2();
    const { status, text } = await streamOf(session, '/openapi/never');
    assert.equal(status, 504);
    assert.equal(
      (JSON.parse(text) as { message: string }).message,
      'Timeout: request did not complete within the allotted timeout',
    );
    session.destroy();
  });

  function connectHttp2(): http2.ClientHttp2Session {
    const session = http2.connect(`https://127.0.0.1:${ports.patient}`, {
      ca: ca.certificate,
      cert: user.certificate,
      key: user.key,
    });
    session.on('error', () => session.destroy());
    return session;
  }
});

/** Says `start`, and then `more` again and again, until the other side has had enough. */
function drip(socket: Socket, start: string, more = ''): Socket {
  socket.write(start);
  if (more === '') return socket;
  const timer = setInterval(() => socket.write(more), 20);
  socket.once('close', () => clearInterval(timer));
  return socket;
}

const never = new Promise<TransportResponse>(() => undefined);
/** Resolves when the server no longer makes pieces of the endless answer. */
const answerGivenUp = Promise.withResolvers<void>();

async function endless(): Promise<TransportResponse> {
  async function* body(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield Buffer.alloc(64 * 1024);
    } finally {
      answerGivenUp.resolve();
    }
  }
  return { status: 200, headers: { 'content-type': 'text/plain' }, body: body() };
}

async function streamOf(session: http2.ClientHttp2Session, wanted: string): Promise<{ status: number; text: string }> {
  const stream = session.request({ ':path': wanted });
  let text = '';
  stream.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
  const status = new Promise<number>((resolve) => stream.once('response', (headers) => resolve(Number(headers[':status']))));
  await new Promise((resolve) => stream.once('end', resolve));
  return { status: await status, text };
}
