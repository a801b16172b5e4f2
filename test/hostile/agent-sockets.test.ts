/**
 * The agent's listeners, as real servers on loopback, against any input: they keep running, and answer other clients meanwhile.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { connect as connectTls, TLSSocket } from 'node:tls';
import fc from 'fast-check';
import { pino } from 'pino';
import { KubeletAuth } from '#agent/kubelet/server/auth/kubelet-auth.ts';
import type { Reviews } from '#agent/kubelet/server/auth/reviews.ts';
import { type ServerDeps, serveKubelet } from '#agent/kubelet/server/server.ts';
import {
  closeServer,
  createHealthServer,
  createHealthTracker,
  createServiceHealthServers,
  healthHandler,
  listen,
} from '#agent/proxy/health.ts';
import { createStreamingServer } from '#agent/runtime/streaming/streaming-server.ts';
import { systemClock } from '#client/clock.ts';
import { createAuthority, issueCertificate } from '#control/pki/certificates.ts';
import { freePort } from '#test/free-port.ts';

const log = pino({ level: 'silent' });
const clock = systemClock;
/** The address of attackers. It differs from that of the clients that must be answered. */
const attacker = '127.0.0.2';
const stops: (() => unknown)[] = [];
after(() => Promise.all(stops.map((stop) => stop())));

interface Target {
  name: string;
  port: number;
  /** Connects as a client with all rights, or as an anonymous one. */
  connect(localAddress?: string, anonymous?: boolean): Socket;
  /** A valid request, and the beginning of its response. */
  good: [request: string, answer: RegExp];
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n`;
const plain = (name: string, port: number, good: Target['good']): Target => ({
  name,
  port,
  good,
  connect: (localAddress) => connectTcp({ port, host: '127.0.0.1', ...(localAddress === undefined ? {} : { localAddress }) }),
});

async function startKubelet(): Promise<Target> {
  const nowMs = Date.now();
  const authority = await createAuthority(nowMs);
  const serving = await issueCertificate(authority, { commonName: 'node', usage: 'server', ipAddresses: ['127.0.0.1'] }, nowMs);
  const client = await issueCertificate(
    authority,
    { commonName: 'admin', organizations: ['system:masters'], usage: 'client' },
    nowMs,
  );
  const port = await freePort();
  // Who has a certificate may do everything, no token is known.
  const reviews: Reviews = { token: async () => ({ authenticated: false }), access: async () => ({ allowed: true }) };
  // The parts of a kubelet that its server needs in these tests. It has no pods.
  const deps = {
    log,
    clock,
    nodeName: 'node',
    runtimeName: 'containerd',
    workers: () => [],
    startedMs: nowMs,
    auth: new KubeletAuth(reviews, log, { nodeName: 'node', anonymous: false, tokenWebhook: true, mode: 'Webhook' }),
  } as unknown as ServerDeps;
  const stop = new AbortController();
  const ended = serveKubelet(
    deps,
    {
      address: '127.0.0.1',
      port,
      certificate: { current: () => serving, onChange: () => undefined },
      clientCa: authority.certificate,
    },
    stop.signal,
  );
  stops.push(() => {
    stop.abort();
    return ended;
  });
  const credentials = { cert: client.certificate, key: client.key };
  return {
    name: 'the kubelet (10250)',
    port,
    good: [get('/healthz'), /^HTTP\/1.1 200 OK[^]*ok$/],
    connect: (localAddress, anonymous = false) =>
      connectTls({
        socket: connectTcp({ port, host: '127.0.0.1', ...(localAddress === undefined ? {} : { localAddress }) }).on(
          'error',
          () => undefined,
        ),
        ca: authority.certificate,
        checkServerIdentity: () => undefined,
        ...(anonymous ? {} : credentials),
      }),
  };
}

async function startTargets(): Promise<Target[]> {
  const tracker = createHealthTracker(clock, 60_000);
  tracker.updated('IPv4');
  const healthz = createHealthServer(
    'proxy healthz',
    healthHandler(tracker, () => true),
    { log, clock },
  );
  await listen(healthz, '127.0.0.1', 0);
  stops.push(() => closeServer(healthz));
  const checkPort = await freePort();
  const checks = createServiceHealthServers(tracker, { log, clock }, (_service, _port, error) => assert.fail(error), '127.0.0.1');
  await checks.sync(new Map([['default/web', { port: checkPort, localEndpoints: 1 }]]));
  stops.push(() => checks.close());
  const streaming = createStreamingServer({ log, clock });
  const url = await streaming.urlFor('exec', {
    kind: 'portforward',
    ports: [],
    dial: () => assert.fail('nobody may get so far'),
  });
  stops.push(() => streaming.close());
  return [
    plain('the proxy’s health (10256)', (healthz.address() as AddressInfo).port, [
      get('/healthz'),
      /^HTTP\/1.1 200 OK[^]*"healthy":true/,
    ]),
    plain('a health check node port', checkPort, [get('/'), /^HTTP\/1.1 200 OK[^]*"localEndpoints": 1/]),
    plain('the streaming server', Number(new URL(url).port), [get('/'), /^HTTP\/1.1 400 [^]*wants an upgrade/]),
    await startKubelet(),
  ];
}

/** Sends bytes and reads until the connection ends, which must happen in time. */
async function exchange(socket: Socket, bytes: string | Buffer, withinMs = 60_000): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => undefined);
  socket.write(bytes);
  try {
    await once(socket, 'close', { signal: AbortSignal.timeout(withinMs) });
  } finally {
    socket.destroy();
  }
  return Buffer.concat(chunks).toString('utf8');
}

const answers = async ({ name, connect, good: [request, answer] }: Target): Promise<void> =>
  assert.match(await exchange(connect(), request), answer, `${name} does not answer any more`);

const targets = [
  '//',
  '///',
  '//a',
  '*',
  '/%',
  '/%zz',
  '/exec/%ff/a/b',
  '/healthz?%',
  '/?%zz=%',
  'http://',
  'http://[::1',
  'http:///',
  'http://a b/',
  'https://node/healthz',
  'node:443',
  '/../../etc/passwd',
  '/healthz/../..',
  '/exec/a/b/c?command=%',
  `/${'a/'.repeat(4_000)}`,
  '/\u007f',
  '/\\',
  '?',
  '#',
  '/containerLogs/a/b/c?sinceTime=%',
  '/exec',
  '/exec//',
  '/portForward/%00/%0d%0a',
  '/__proto__',
  '/constructor/x',
  '/metrics',
  'foo',
];
const methods = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'PATCH',
  'CONNECT',
  'PROPFIND',
  'SOURCE',
  'QUERY',
  'BREW',
];
const headers = [
  'Upgrade: foo\r\nConnection: Upgrade',
  'Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
  'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: bad\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: v4.channel.k8s.io',
  'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 99',
  'Upgrade: SPDY/3.1\r\nConnection: Upgrade\r\nX-Stream-Protocol-Version: nonsense',
  'Upgrade: \r\nConnection: Upgrade',
  'Content-Length: 10',
  'Content-Length: -1',
  'Content-Length: 99999999999999999999',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: chunked\r\nContent-Length: 3',
  'Expect: 100-continue',
  'Expect: something-else',
  'Host: second',
  `X-Long: ${'x'.repeat(20_000)}`,
  'Range: bytes=-',
  'Accept-Encoding: \u00ff',
  'X: \u0000',
  'Connection: keep-alive, close, upgrade',
];

describe('a listener of the agent', { timeout: 300_000 }, () => {
  let all: Target[];
  before(async () => {
    all = await startTargets();
  });
  const names = ['the proxy’s health (10256)', 'a health check node port', 'the streaming server', 'the kubelet (10250)'];

  for (const [index, name] of names.entries()) {
    const target = (): Target => all[index] ?? assert.fail();

    it(`${name} answers after any request target, method and header`, async () => {
      const requests = [
        ...targets.map((path) => `GET ${path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n`),
        ...targets.map((path) => `GET ${path} HTTP/1.1\r\nHost: node\r\n${headers[2]}\r\n\r\n`),
        ...methods.map((method) => `${method} /healthz HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n`),
        ...methods.map((method) => `${method} // HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n`),
        ...headers.map((lines) => `GET /healthz HTTP/1.1\r\nHost: node\r\n${lines}\r\n\r\n`),
        ...headers.map((lines) => `POST /exec/a/b/c HTTP/1.1\r\nHost: node\r\n${lines}\r\n\r\n`),
        'GET /healthz HTTP/1.0\r\n\r\n',
        'GET /healthz HTTP/1.1\r\n\r\n',
        'GET /healthz HTTP/9.9\r\n\r\n',
        'GET /healthz\r\n\r\n',
        'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
        '\u0016\u0003\u0001\u0002\u0000',
        '\r\n\r\n\r\n',
      ];
      for (const request of requests)
        for (const anonymous of index === 3 ? [false, true] : [false]) {
          const socket = target()
            .connect(attacker, anonymous)
            .on('error', () => undefined);
          socket.write(request, 'latin1');
          // Some inputs make the server wait for the rest of a request. Those connections are closed by the test.
          const over = once(socket.resume(), 'close');
          const timer = setTimeout(() => socket.destroy(), 40);
          await over;
          clearTimeout(timer);
        }
      await answers(target());
    });

    it(`${name} answers after any bytes, cut anywhere`, async () => {
      const bytes = fc.oneof(
        fc.uint8Array({ maxLength: 300 }).map((some) => Buffer.from(some)),
        fc
          .tuple(fc.constantFrom(...methods), fc.string(), fc.constantFrom(...headers), fc.string())
          .map(([method, path, header, more]) =>
            Buffer.from(`${method} /${path} HTTP/1.1\r\nHost: n\r\n${header}\r\nA: ${more}\r\n\r\n`, 'latin1'),
          ),
      );
      await fc.assert(
        fc.asyncProperty(bytes, fc.nat(400), fc.boolean(), async (message, cut, reset) => {
          const socket = target()
            .connect(attacker)
            .on('error', () => undefined);
          await once(socket, 'connect', { signal: AbortSignal.timeout(60_000) });
          socket.write(message.subarray(0, cut));
          await new Promise((resolve) => setImmediate(resolve));
          if (reset && !(socket instanceof TLSSocket)) socket.resetAndDestroy();
          else socket.destroy();
        }),
        { numRuns: 60 },
      );
      await answers(target());
    });

    // Only this machine can reach the streaming server, and it has one connection per stream.
    if (index === 2) continue;
    it(`${name} accepts other clients when one address opens a thousand connections`, async () => {
      const sockets = Array.from({ length: 1_000 }, () =>
        connectTcp({ port: target().port, host: '127.0.0.1', localAddress: attacker }).on('error', () => undefined),
      );
      let closed = 0;
      for (const socket of sockets) socket.resume().once('close', () => closed++);
      const startMs = performance.now();
      while (closed < 700) {
        assert.ok(performance.now() - startMs < 60_000, `${closed} of 1000 were refused`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await answers(target());
      for (const socket of sockets) socket.destroy();
    });
  }

  it('the kubelet refuses clients without a certificate, and closes their connections', async () => {
    const kubelet = all[3] ?? assert.fail();
    assert.match(await exchange(kubelet.connect(undefined, true), 'GET /pods HTTP/1.1\r\nHost: n\r\n\r\n'), /^HTTP\/1.1 401 /);
    const upgrade = 'POST /exec/a/b/c HTTP/1.1\r\nHost: n\r\nUpgrade: SPDY/3.1\r\nConnection: Upgrade\r\n\r\n';
    assert.match(await exchange(kubelet.connect(undefined, true), upgrade), /^HTTP\/1.1 401 /);
  });

  it('the kubelet accepts an upgrade only for a path with a stream', async () => {
    const kubelet = all[3] ?? assert.fail();
    const offered = 'GET /healthz HTTP/1.1\r\nHost: n\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n';
    assert.match(await exchange(kubelet.connect(), offered), /^HTTP\/1.1 200 [^]*ok$/);
    assert.match(await exchange(kubelet.connect(), get('/containerLogs/a/%zz/c')), /^HTTP\/1.1 400 /);
  });
});
