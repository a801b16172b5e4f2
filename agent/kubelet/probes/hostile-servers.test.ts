/**
 * Probes and hooks against servers that do whatever they like: each ends in its time, leaves no connection, and says what
 * happened.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { ContainerRuntime } from '#agent/runtime/runtime.ts';
import type { Probe } from '#api/types.generated.ts';
import { systemClock } from '#client/clock.ts';
import { createHookRunner } from '../pod/lifecycle.ts';
import { aContainer } from '../pods.testing.ts';
import { checkHealth } from './grpc-health.ts';
import { hostsAddresses, searchedNames } from './lookup.ts';
import { createProbeRunner } from './probe-run.ts';

type Behaviour = (socket: Socket, port: number) => void;

/** Runs `action` against a server; afterwards all its connections must have been closed by the client. */
async function against<T>(behaviour: Behaviour, action: (port: number) => Promise<T>): Promise<T> {
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => open.delete(socket));
    // A server that takes no notice of the client's end is no reason to keep the connection.
    socket.on('end', () => socket.destroy());
    behaviour(socket, (server.address() as AddressInfo).port);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const result = await action((server.address() as AddressInfo).port);
    const startMs = performance.now();
    while (open.size > 0) {
      assert.ok(performance.now() - startMs < 30_000, 'a connection was left open');
      for (const socket of open) socket.resume();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return result;
  } finally {
    for (const socket of open) socket.destroy();
    server.close();
  }
}

/** @param timeoutSeconds 1 where the end of its time is what is awaited; else more than a busy machine needs for the answer */
async function outcomeOf(probe: Omit<Probe, 'timeoutSeconds'>, port: number, timeoutSeconds = 30): Promise<string> {
  const startMs = performance.now();
  const target = { container: aContainer('c'), containerId: 'c', podIp: '127.0.0.1' };
  const outcome = await createProbeRunner({} as ContainerRuntime).run({ ...probe, timeoutSeconds }, target);
  assert.ok(performance.now() - startMs < (timeoutSeconds + 20) * 1000, 'the probe took far more than its time');
  return outcome.kind === 'failure' ? outcome.output.replaceAll(`127.0.0.1:${port}`, '{}') : outcome.kind;
}

/** Again and again, until the client has gone. */
const endlessly =
  (text: string, everyMs = 0): Behaviour =>
  (socket) => {
    const write = (): void => {
      if (!socket.writable) return;
      if (everyMs > 0) {
        socket.write(text);
        setTimeout(write, everyMs);
      } else if (socket.write(text.repeat(100))) setImmediate(write);
      else socket.once('drain', write);
    };
    write();
  };
/** Reads a request, then goes on. */
const answer =
  (...steps: (string | Buffer | Behaviour)[]): Behaviour =>
  (socket, port) =>
    void socket.once('data', () => {
      for (const step of steps) {
        if (typeof step === 'function') step(socket, port);
        else socket.write(step);
      }
    });
const end: Behaviour = (socket) => void socket.end();
const silence: Behaviour = (socket) => void socket.resume();
const ok = 'HTTP/1.1 200 OK\r\n';
const get = 'Get "http://{}/": ';
const awaiting = `${get}context deadline exceeded (Client.Timeout exceeded while awaiting headers)`;
const reading = `${get}context deadline exceeded (Client.Timeout or context cancellation while reading body)`;
const malformed = `${get}net/http: HTTP/1.x transport connection broken: malformed HTTP response`;
const switching = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: anything\r\n\r\n';

const httpCases: [string, Behaviour, string][] = [
  ['switches protocols', answer(switching), 'HTTP probe failed with statuscode: 101'],
  ['switches protocols and goes on', answer(switching, endlessly('x'.repeat(1000))), 'HTTP probe failed with statuscode: 101'],
  [
    'says 101 without a word of an upgrade',
    answer('HTTP/1.1 101 Switching Protocols\r\n\r\n'),
    'HTTP probe failed with statuscode: 101',
  ],
  [
    'sends informational answers without end',
    answer(endlessly('HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n')),
    `${get}net/http: too many 1xx informational responses`,
  ],
  [
    'sends a few of them before the answer',
    answer('HTTP/1.1 102 Processing\r\n\r\n'.repeat(5), `${ok}Content-Length: 0\r\n\r\n`),
    'success',
  ],
  ['sends headers without end', answer(ok, endlessly('A: b\r\n'.repeat(200))), malformed],
  ['sends a header line without end', answer(ok, 'A: ', endlessly('x'.repeat(1000))), malformed],
  ['sends a body without end', answer(`${ok}\r\n`, endlessly('x'.repeat(1000))), 'success'],
  ['announces a body that never comes', answer(`${ok}Content-Length: 9\r\n\r\n`), reading],
  ['drips its body', answer(`${ok}Content-Length: 9999\r\n\r\n`, endlessly('x', 100)), reading],
  ['drips its headers', answer(ok, endlessly('A: b\r\n', 100)), awaiting],
  ['never answers', silence, awaiting],
  ['breaks off within the body', answer(`${ok}Content-Length: 9\r\n\r\nabc`, end), `${get}unexpected EOF`],
  [
    'resets within the body',
    answer(`${ok}Content-Length: 9\r\n\r\nabc`, (socket) => setTimeout(() => socket.resetAndDestroy(), 50)),
    `${get}unexpected EOF`,
  ],
  ['resets at once', (socket) => void socket.resetAndDestroy(), `${get}dial tcp {}: read: connection reset by peer`],
  ['closes its half at once', (socket) => void socket.end().resume(), `${get}EOF`],
  ['speaks HTTP/0.9', answer('<html>hello</html>\n', end), malformed],
  ['speaks something else', (socket) => void socket.write('220 mail.example ESMTP\r\n'), malformed],
  [
    'sends a body of many gigabytes, packed',
    answer(`${ok}Content-Encoding: gzip\r\nConnection: close\r\n\r\n`, gzipSync(Buffer.alloc(20_000_000)), end),
    'success',
  ],
  [
    'redirects in circles',
    answer((socket, port) =>
      socket.end(`HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:${port}/\r\nContent-Length: 0\r\n\r\n`),
    ),
    `${get}stopped after 10 redirects`,
  ],
  [
    'redirects to another host',
    answer('HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n'),
    'warning',
  ],
  ['redirects to nowhere', answer('HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n'), 'warning'],
  [
    'redirects to no URL',
    answer('HTTP/1.1 302 Found\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n'),
    `${get}failed to parse Location header "http://[::1"`,
  ],
  [
    'redirects to another protocol',
    answer('HTTP/1.1 301 M\r\nLocation: gopher://127.0.0.1/\r\nContent-Length: 0\r\n\r\n'),
    `${get}unsupported protocol scheme "gopher"`,
  ],
  ['has not changed', answer('HTTP/1.1 304 Not Modified\r\nLocation: /x\r\n\r\n'), 'warning'],
];

describe('an HTTP probe ends in its time when the server', { timeout: 240_000, concurrency: 8 }, () => {
  for (const [name, behaviour, expected] of httpCases)
    it(name, () =>
      against(behaviour, async (port) => {
        const said = await outcomeOf({ httpGet: { port } }, port, expected === awaiting || expected === reading ? 1 : undefined);
        assert.ok(said.startsWith(expected) && (expected === malformed || said === expected), said);
      }),
    );

  it('stalls in the TLS handshake', () =>
    against(silence, async (port) =>
      assert.equal(await outcomeOf({ httpGet: { port, scheme: 'HTTPS' } }, port, 1), awaiting.replace('http:', 'https:')),
    ));
});

describe('a hook ends in its time when the server', { timeout: 240_000 }, () => {
  const run = (port: number, signal: AbortSignal): Promise<void> =>
    createHookRunner({} as ContainerRuntime, systemClock).run(
      { httpGet: { port } },
      { container: aContainer('c'), containerId: 'c', podIp: '127.0.0.1' },
      signal,
    );
  it('switches protocols: any answer will do', () =>
    against(answer(switching), (port) => run(port, AbortSignal.timeout(60_000))));
  it('drips its answer', () =>
    against(answer(ok, endlessly('A: b\r\n', 100)), (port) =>
      assert.rejects(run(port, AbortSignal.timeout(300)), /deadline exceeded/),
    ));
});

describe('other probes end in their time', { timeout: 240_000, concurrency: 4 }, () => {
  it('of TCP: a connection is all they want', () =>
    against(silence, async (port) => assert.equal(await outcomeOf({ tcpSocket: { port } }, port), 'success')));
  it('of TCP, of a name that cannot be resolved', async () => {
    const said = await outcomeOf({ tcpSocket: { port: 1, host: 'nobody.invalid' } }, 1, 1);
    assert.match(said, /^dial tcp nobody\.invalid:1: /);
  });

  const h2 = Buffer.from('000000040000000000', 'hex');
  const grpcCases: [string, Behaviour, RegExp][] = [
    ['never speaks', silence, /^timeout: failed to connect service/],
    ['speaks HTTP/1.1', answer('HTTP/1.1 400 Bad Request\r\n\r\n', end), /^timeout: failed to connect service/],
    ['sends noise', endlessly('\u0000\u00ff'.repeat(500)), /^timeout: failed to connect service/],
    ['resets', (socket) => void socket.resetAndDestroy(), /^timeout: failed to connect service/],
    ['greets and falls silent', (socket) => void socket.resume().write(h2), /^(timeout: health rpc|timeout: failed)/],
    ['greets without end', (socket, port) => endlessly(h2.toString('latin1'))(socket, port), /^(timeout|error): /],
  ];
  for (const [name, behaviour, expected] of grpcCases)
    it(`of gRPC, when the server ${name}`, () =>
      against(behaviour, async (port) => {
        const outcome = await checkHealth('127.0.0.1', port, '', 1_000);
        assert.match(outcome.kind === 'failure' ? outcome.output : outcome.kind, expected);
      }));
});

describe('the name of a probe’s host', () => {
  it('is looked for in hosts(5)', () => {
    const text = '127.0.0.1 localhost # here\n::1 localhost ip6-localhost\n10.0.0.9 Web web.local\nnonsense web\n#1.2.3.4 web\n';
    assert.deepEqual(hostsAddresses(text, 'LOCALHOST'), ['127.0.0.1', '::1']);
    assert.deepEqual(hostsAddresses(text, 'web'), ['10.0.0.9']);
  });
  it('is searched for as resolv.conf(5) says', () => {
    const text = 'nameserver 192.0.2.1\nsearch one.test two.test\n';
    assert.deepEqual(searchedNames(text, 'web'), ['web.one.test', 'web.two.test', 'web']);
    assert.deepEqual(searchedNames(text, 'web.x'), ['web.x', 'web.x.one.test', 'web.x.two.test']);
    assert.deepEqual(searchedNames(text, 'web.'), ['web.']);
  });
});
