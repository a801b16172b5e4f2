/**
 * Port 6443 against clients that misuse HTTP: each gets a response or a closed connection, and all other clients are served
 * meanwhile.
 */
import assert from 'node:assert/strict';
import { connect as connectTcp } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { assert as assertProperty, asyncProperty, constantFrom, string, tuple } from 'fast-check';
import { flags, frame, frameTypes, get, headerBlock, preface } from './http2-frames.ts';
import { ServerProcess } from './server-process.ts';

/** Time in which a correct client must be answered, whatever other clients do. */
const patienceMs = 60_000;

describe('port 6443 under attack', { timeout: 1_800_000 }, () => {
  let server: ServerProcess;
  before(async () => {
    server = await ServerProcess.start();
  });
  after(() => server.stop());

  async function servesOthers(): Promise<void> {
    server.assertAlive();
    const start = performance.now();
    const { status } = await server.request('GET', '/api/v1/namespaces/default');
    assert.equal(status, 200);
    assert.ok(performance.now() - start < patienceMs);
  }

  describe('a malformed request over HTTP/1.1 is answered as Go answers it', () => {
    const host = 'Host: x\r\nConnection: close\r\n';
    const get = (target: string): string => `GET ${target} HTTP/1.1\r\n${host}\r\n`;
    /** [name, bytes, status for the administrator, status for an anonymous client]. Undefined: the connection just ends. */
    const cases: [string, string, number?, number?][] = [
      ['//', get('//'), 404, 403],
      ['an empty part', get('/api/v1//pods'), 404, 403],
      ['dots', get('/api/../version'), 404, 403],
      ['half an address', get('http://[::1'), 400, 400],
      ['no slash', get('version'), 400, 400],
      ['an absolute form', get('https://anything:1/version?x'), 200, 200],
      ['an absolute form without path', get('https://anything'), 404, 403],
      ['a star', get('*'), 404, 403],
      ['OPTIONS *', `OPTIONS * HTTP/1.1\r\n${host}\r\n`, 200, 200],
      ['CONNECT host', `CONNECT a:1 HTTP/1.1\r\n${host}\r\n`, 404, 403],
      ['CONNECT path', `CONNECT /api/v1/pods HTTP/1.1\r\n${host}\r\n`, 405, 403],
      ['%zz', get('/api/v1/namespaces/%zz'), 400, 400],
      ['%00', get('/api/v1/namespaces/%00'), 404, 403],
      ['a cut percent', get('/%'), 400, 400],
      ['a bad query', get('/api/v1/pods?limit=%zz;x&&&=&'), 200, 403],
      ['a path of 900 KB', get(`/${'a/'.repeat(450_000)}`), 404, 403],
      ['a header of 2 MB', `GET /version HTTP/1.1\r\n${host}X: ${'a'.repeat(2 << 20)}\r\n\r\n`, 431, 431],
      ['an Accept of 900 KB', `GET /api/v1/pods HTTP/1.1\r\n${host}Accept: ${',;'.repeat(450_000)}\r\n\r\n`, 406, 403],
      ['TRACE', `TRACE /version HTTP/1.1\r\n${host}\r\n`, 405, 403],
      ['an unknown method', `FOO /version HTTP/1.1\r\n${host}\r\n`, 400, 400],
      ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 400],
      ['HTTP/2.0 in words', `GET /version HTTP/2.0\r\n${host}\r\n`, 505, 505],
      ['HTTP/0.9', 'GET /version\r\n\r\n', 400, 400],
      ['HTTP/1.0', 'GET /version HTTP/1.0\r\n\r\n', 200, 200],
      ['two hosts', 'GET /version HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400, 400],
      ['a host that is none', 'GET /version HTTP/1.1\r\nHost: a b[\r\nConnection: close\r\n\r\n', 400, 400],
      ['no host', 'GET /version HTTP/1.1\r\n\r\n', 400, 400],
      ['an unknown expectation', `GET /version HTTP/1.1\r\n${host}Expect: x\r\n\r\n`, 417, 417],
      ['Upgrade: h2c', 'GET /version HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n', 200, 200],
      ['Upgrade to anything', 'GET // HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: y\r\n\r\n', 404, 403],
      ...['9223372036854775808', '18446744073709551615', '18446744073709551616', '9'.repeat(100), '-1', '0x10', '1e3'].map(
        (length): [string, string, number, number] => [
          `a length of ${length}`,
          `POST /version HTTP/1.1\r\n${host}Content-Length: ${length}\r\n\r\n`,
          400,
          400,
        ],
      ),
      ['two lengths', `POST / HTTP/1.1\r\n${host}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`, 400, 400],
      [
        'length and chunks',
        `POST / HTTP/1.1\r\n${host}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
        400,
        400,
      ],
      ['a bad chunk', `POST /version HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, 400, 400],
      ['a header with a space', `GET /version HTTP/1.1\r\nA b: c\r\n${host}\r\n`, 400, 400],
      ['a header without name', `GET /version HTTP/1.1\r\n: c\r\n${host}\r\n`, 400, 400],
      ['no HTTP', '\u0000\u0001\u0002\r\n\r\n', 400, 400],
    ];
    for (const [what, bytes, ...expected] of cases) {
      it(what, async () => {
        for (const [index, who] of (['admin', 'nobody'] as const).entries()) {
          const answer = await exchange(await server.dial(who), Buffer.from(bytes, 'latin1'));
          // A client that still sends after the connection was closed gets a reset, and may lose the response.
          if (bytes.length > 1 << 20 && answer === '') continue;
          assert.equal(Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1]), expected[index], `${who}: ${answer.slice(0, 300)}`);
        }
        await servesOthers();
      });
    }
  });

  describe('over HTTP/2', () => {
    const headers = (stream: number, list: [string, string][], flag = flags.endHeaders | flags.endStream): Buffer =>
      frame(frameTypes.headers, flag, stream, headerBlock(list));
    const replaced = (name: string, value?: string): [string, string][] =>
      get('/version').flatMap((one) => (one[0] !== name ? [one] : value === undefined ? [] : [[name, value]]));
    const attacks: Record<string, Buffer> = {
      'CONNECT without path': headers(1, [
        [':method', 'CONNECT'],
        [':authority', 'a:1'],
      ]),
      'CONNECT with path': headers(1, replaced(':method', 'CONNECT')),
      'an empty path': headers(1, replaced(':path', '')),
      'no path': headers(1, replaced(':path')),
      'a path without slash': headers(1, replaced(':path', 'version')),
      'a star': headers(1, replaced(':path', '*')),
      'a bad percent': headers(1, replaced(':path', '/%zz')),
      'two slashes': headers(1, replaced(':path', '//')),
      'a line break in the path': headers(1, replaced(':path', '/a\r\nb: c')),
      'a zero in the path': headers(1, replaced(':path', '/a\u0000')),
      'an authority that is none': headers(1, replaced(':authority', '[::1')),
      'a pseudo-header twice': headers(1, [...get('/version'), [':path', '/api']]),
      'a pseudo-header after the others': headers(1, [['a', 'b'], ...get('/version')]),
      'an unknown pseudo-header': headers(1, [...get('/version'), [':protocol', 'websocket']]),
      'a connection header': headers(1, [...get('/version'), ['connection', 'upgrade'], ['upgrade', 'h2c']]),
      'an upper-case name': headers(1, [...get('/version'), ['Accept', 'x']]),
      'a header that injects': headers(1, [...get('/version'), ['accept', 'a\r\nb: c']]),
      'a stream of even number': headers(2, get('/version')),
      'a stream twice': Buffer.concat([headers(1, get('/version')), headers(1, get('/version'))]),
      'trailers of pseudo-headers': Buffer.concat([
        headers(1, replaced(':method', 'POST'), flags.endHeaders),
        headers(1, get('/version')),
      ]),
      'data on no stream': frame(frameTypes.data, 0, 0, Buffer.alloc(10)),
      'a window of zero': frame(frameTypes.windowUpdate, 0, 0, Buffer.alloc(4)),
      'a frame too large': frame(frameTypes.data, 0, 1, Buffer.alloc(1 << 20)),
      'settings of half a length': frame(frameTypes.settings, 0, 0, Buffer.alloc(5)),
      'continuations without end': Buffer.concat([
        headers(1, get('/version'), flags.endStream),
        ...Array.from({ length: 5_000 }, () => frame(frameTypes.continuation, 0, 1, headerBlock([['a', 'b'.repeat(1_000)]]))),
      ]),
      'settings without end': Buffer.concat(Array.from({ length: 50_000 }, () => frame(frameTypes.settings, 0, 0))),
      'pings without end': Buffer.concat(Array.from({ length: 50_000 }, () => frame(frameTypes.ping, 0, 0, Buffer.alloc(8)))),
      'empty data without end': Buffer.concat([
        headers(1, replaced(':method', 'POST'), flags.endHeaders),
        ...Array.from({ length: 50_000 }, () => frame(frameTypes.data, 0, 1)),
      ]),
      'streams opened and reset at once': Buffer.concat(
        Array.from({ length: 5_000 }, (_, index) =>
          Buffer.concat([
            headers(2 * index + 1, get('/api/v1/pods')),
            frame(frameTypes.rstStream, 0, 2 * index + 1, Buffer.from([0, 0, 0, 8])),
          ]),
        ),
      ),
      'a thousand streams': Buffer.concat(
        Array.from({ length: 1_000 }, (_, index) => headers(2 * index + 1, get('/api/v1/pods?watch=1'))),
      ),
    };
    for (const [what, bytes] of Object.entries(attacks)) {
      it(what, async () => {
        for (const who of ['admin', 'nobody'] as const) {
          const socket = await server.dial(who, 'h2');
          socket.resume();
          socket.write(Buffer.concat([preface, bytes]));
          await servesOthers();
          socket.destroy();
        }
        await servesOthers();
      });
    }

    it('ends a session that resets too many streams', async () => {
      const socket = await server.dial('admin', 'h2');
      const ended = new Promise((resolve) => socket.once('close', resolve));
      socket.resume();
      socket.write(Buffer.concat([preface, attacks['streams opened and reset at once'] ?? preface]));
      await ended;
      await servesOthers();
    });

    it('closes the connection of an anonymous client after one request', async () => {
      const socket = await server.dial('nobody', 'h2');
      const ended = new Promise((resolve) => socket.once('close', resolve));
      socket.resume();
      socket.write(Buffer.concat([preface, headers(1, get('/version'))]));
      await ended;
    });
  });

  describe('a client that leaves', () => {
    const path = '/api/v1/namespaces/default/configmaps';
    const post = `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n`;
    const stages: Record<string, string> = {
      'after the handshake': '',
      'within the first line': 'GET /api',
      'within the headers': 'GET /api HTTP/1.1\r\nHost:',
      'before the body': post,
      'within the body': `${post}{"kind":`,
      'before it goes on': post.replace('\r\n\r\n', '\r\nExpect: 100-continue\r\n\r\n'),
      'within a chunk': 'POST /api HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc',
      'before the answer': `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`,
      'within a large answer': 'GET /openapi/v2 HTTP/1.1\r\nHost: x\r\n\r\n',
      'within a watch': `GET ${path}?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n`,
      'with many requests under way': `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(200),
      'before an upgrade':
        'GET /api/v1/namespaces/default/pods/p/exec HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    };
    for (const [stage, bytes] of Object.entries(stages)) {
      it(stage, async () => {
        for (const waitMs of [0, 5, 50]) {
          for (const how of ['end', 'destroy', 'reset'] as const) {
            const socket = await server.dial('admin');
            if (bytes !== '') socket.write(bytes);
            await delay(waitMs);
            if (how === 'end') socket.end();
            else if (how === 'destroy') socket.destroy();
            else server.reset(socket);
          }
        }
        await servesOthers();
      });
    }

    it('within the TLS handshake', async () => {
      const hello = Buffer.from('16030100c8010000c40303', 'hex');
      for (const bytes of [
        Buffer.alloc(0),
        hello.subarray(0, 3),
        hello,
        Buffer.alloc(5_000, 0x16),
        Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      ]) {
        for (const how of ['end', 'resetAndDestroy'] as const) {
          const socket = connectTcp(server.port, '127.0.0.1');
          socket.on('error', () => socket.destroy());
          await new Promise((resolve) => socket.once('connect', resolve));
          socket.write(bytes);
          await delay(5);
          socket[how]();
        }
      }
      await servesOthers();
    });
  });

  it('survives any target and any header', async () => {
    const odd = constantFrom(
      '/',
      '%',
      '2',
      'f',
      '?',
      '&',
      ';',
      '=',
      ':',
      '@',
      '[',
      ']',
      '*',
      '.',
      'a',
      'é',
      '\u0000',
      '\t',
      '"',
      '\\',
      ',',
      'q',
      '-',
      '9',
    );
    const start = constantFrom(
      '',
      '/',
      '/api/v1/',
      '/apis/apps/v1/namespaces/',
      '/api/v1/pods?',
      '/openapi/v3/',
      '/healthz/',
      'https://',
      '/api/v1/nodes/x/proxy/',
    );
    const name = constantFrom(
      'Accept',
      'Authorization',
      'Impersonate-User',
      'Impersonate-Extra-%zz',
      'Content-Type',
      'Content-Length',
      'Transfer-Encoding',
      'Connection',
      'Upgrade',
      'Expect',
      'Accept-Encoding',
      'If-None-Match',
      'Host',
      'User-Agent',
      'Trailer',
      'TE',
      '__proto__',
      'Range',
    );
    const method = constantFrom(
      'GET',
      'POST',
      'PUT',
      'PATCH',
      'DELETE',
      'HEAD',
      'OPTIONS',
      'CONNECT',
      'TRACE',
      'PROPFIND',
      'M-SEARCH',
    );
    const requests = asyncProperty(
      method,
      tuple(start, string({ unit: odd })),
      name,
      string({ unit: odd }),
      async (verb, target, header, value) => {
        const bytes = Buffer.from(
          `${verb} ${target.join('')} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${header}: ${value}\r\n\r\n`,
          'latin1',
        );
        const socket = await server.dial('admin');
        await exchange(socket, bytes, 100);
        server.assertAlive();
      },
    );
    await assertProperty(requests, { numRuns: 100 });
    await servesOthers();
  });

  it('has logged no error of its own', () => assert.deepEqual(server.problems(), []));
});

/** Returns the bytes until the other side closes, or until it has answered and then sends nothing for a moment. */
async function exchange(socket: TLSSocket, bytes: Uint8Array, silenceMs = patienceMs): Promise<string> {
  let answer = '';
  const over = Promise.withResolvers<void>();
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString('latin1');
    if (/^HTTP\/1\.1 [2-5]\d\d .*\r\n\r\n/s.test(answer)) over.resolve();
  });
  socket.once('close', () => over.resolve());
  const timer = setTimeout(() => over.resolve(), silenceMs);
  socket.write(bytes);
  await over.promise;
  clearTimeout(timer);
  socket.destroy();
  return answer;
}
