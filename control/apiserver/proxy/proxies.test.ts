import assert from 'node:assert/strict';
import http from 'node:http';
import https from 'node:https';
import { after, before, describe, it } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { gunzipSync, gzipSync } from 'node:zlib';
import { WebSocket } from 'ws';
import { backend, type ProxyServer, startProxyServer } from './proxy.testing.ts';

const pods = '/api/v1/namespaces/default/pods';
const services = '/api/v1/namespaces/default/services';

/** Answers with what it was asked. */
function echo(request: http.IncomingMessage, response: http.ServerResponse): void {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const { method, url, headers } = request;
    const peer = (request.socket as TLSSocket).getPeerCertificate?.();
    const asked = { method, url, headers, body: Buffer.concat(chunks).toString(), certificate: peer?.subject?.CN };
    const path = url?.split('?')[0];
    if (path === '/redirect') response.writeHead(302, { location: '/target/?a=b' }).end();
    else if (path === '/elsewhere') response.writeHead(302, { location: 'https://example.com/x' }).end();
    else if (path === '/page')
      response
        .writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
        .end('<p><A HREF="/a?b=1&amp;c">é</A><img src=/i.png>');
    else if (path === '/zipped')
      response.writeHead(200, { 'content-type': 'text/html', 'content-encoding': 'gzip' }).end(gzipSync('<a href="/z">z</a>'));
    else if (path === '/cookies')
      response
        .writeHead(418, {
          'set-cookie': ['a=1; Expires=Thu, 01 Jan 1970', 'b=2'],
          'access-control-allow-origin': '*',
          'x-own': 'y',
          connection: 'x-hop',
          'x-hop': '1',
        })
        .end('tea');
    else if (path === '/half') response.writeHead(200, { 'content-length': '100' }).end('half', () => request.socket.destroy());
    else if (path === '/hints') {
      response.writeEarlyHints({ link: '</x>; rel=preload' });
      response.end('hinted');
    } else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(asked));
  });
}

describe('proxies', () => {
  let server: ProxyServer;
  const closing: (() => void)[] = [];
  const requests: string[] = [];

  before(async () => {
    server = await startProxyServer({
      resolve: async (name) => (name === 'mixed.test' ? ['10.9.0.1', '127.0.0.1'] : ['10.9.0.1']),
    });
    const plain = http.createServer(echo);
    plain.on('upgrade', (request, socket) => {
      requests.push(`${request.method} ${request.url} ${request.headers['x-forwarded-for']} ${request.headers.authorization}`);
      if (request.url === '/refuse') return void socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno');
      if (request.url === '/ok') return void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX-Own: 1\r\n\r\nhello ');
      socket.on('error', () => socket.destroy());
      socket.pipe(socket);
    });
    const { certificate, key } = server.certificate;
    const secure = https.createServer(
      { cert: certificate, key, requestCert: true, rejectUnauthorized: false },
      (request, response) => {
        if (request.url?.startsWith('/containerLogs') === true) response.end('line 1\nline 2\n');
        else echo(request, response);
      },
    );
    const kubeletPort = await backend(secure);
    const plainPort = await backend(plain);
    closing.push(kubeletPort.close, plainPort.close);
    for (const [address, port] of [
      ['10.9.0.1:10250', kubeletPort.port],
      ['10.9.0.1:8443', kubeletPort.port],
      ['10.9.0.2:80', plainPort.port],
      ['10.9.0.2:8080', plainPort.port],
      ['10.9.0.2:443', kubeletPort.port],
      ['10.9.0.3:10250', server.port],
    ] as const)
      server.network.set(address, port);
    await server.node('n1', '10.9.0.1');
    await server.node('itself', '10.9.0.3');
    await server.node('loop', '127.0.0.1');
    await server.node('link', '169.254.169.254');
    await server.node('mixed', 'mixed.test');
    await server.node('named', 'n1.test', 8443);
    await server.pod('web', '10.9.0.2', [{ containerPort: 8080 }]);
    await server.pod('bare', '10.9.0.2');
    await server.pod('forged', '127.0.0.1');
    const spec = {
      ports: [
        { name: 'http', port: 81, targetPort: 8080 },
        { name: 'tls', port: 444, targetPort: 443 },
      ],
    };
    await server.api.request('POST', services, { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' }, spec });
    await server.api.request('POST', services, { apiVersion: 'v1', kind: 'Service', metadata: { name: 'idle' }, spec });
    const ref = (name: string) => ({ kind: 'Pod', namespace: 'default', name });
    const endpoints = (name: string, addresses: object[]) =>
      server.api.request('POST', '/api/v1/namespaces/default/endpoints', {
        apiVersion: 'v1',
        kind: 'Endpoints',
        metadata: { name },
        subsets: [
          {
            addresses,
            ports: [
              { name: 'http', port: 8080 },
              { name: 'tls', port: 443 },
            ],
          },
        ],
      });
    await endpoints('web', [
      // Somebody's invention, and an address that is another pod's: passed over.
      { ip: '10.9.0.1' },
      { ip: '10.9.0.1', targetRef: ref('web') },
      { ip: '10.9.0.2', targetRef: ref('web') },
    ]);
    await endpoints('idle', [{ ip: '10.9.0.1' }]);
  });
  after(async () => {
    for (const close of closing) close();
    await server.stop();
  });

  const json = (text: string) =>
    JSON.parse(text) as {
      method: string;
      url: string;
      headers: Record<string, string>;
      body: string;
      certificate?: string;
      message?: string;
    };

  describe('lead to', () => {
    const cases: [string, string, string][] = [
      [`${pods}/web/proxy/x/y?a=b&c`, '/x/y?a=b&c', ''],
      [`${pods}/web:8080/proxy/x/`, '/x/', ''],
      [`${pods}/http:web:8080/proxy/`, '/', ''],
      [`${pods}/http%3Aweb%3A8080/proxy/a%20b/..%2fc`, '/c', ''],
      [`${pods}/bare/proxy/x`, '/x', ''],
      [`${pods}/https:web:443/proxy/x`, '/x', ''],
      [`${services}/web:http/proxy/x`, '/x', ''],
      [`${services}/web:81/proxy/x`, '/x', ''],
      [`${services}/https:web:tls/proxy/x`, '/x', ''],
      [`${services}/https:web:444/proxy/x`, '/x', ''],
      ['/api/v1/nodes/n1/proxy/pods', '/pods', 'kube-apiserver-kubelet-client'],
      ['/api/v1/nodes/n1:10250/proxy/pods', '/pods', 'kube-apiserver-kubelet-client'],
      ['/api/v1/nodes/https:n1:8443/proxy/pods', '/pods', ''],
      ['/api/v1/nodes/https:n1:8443/proxy/stats/', '/stats/', ''],
    ];
    for (const [path, url, certificate] of cases)
      it(`${path} ${certificate === '' ? 'without our certificate' : 'with our certificate'}`, async () => {
        const { status, text } = await server.call('GET', path);
        assert.equal(status, 200, text);
        assert.equal(json(text).url, url);
        assert.equal(json(text).certificate ?? '', certificate);
      });
  });

  for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
    it(`pass ${method} on with its body and headers`, async () => {
      const headers = {
        'x-own': 'a',
        'x-forwarded-for': '1.2.3.4',
        ...(method === 'DELETE' ? { 'transfer-encoding': 'chunked' } : { 'content-length': method === 'GET' ? '0' : '4' }),
        te: 'gzip',
        connection: 'close, x-hop',
        'x-hop': 'b',
        host: 'api.test',
        'x-remote-user': 'z',
      };
      const { text } = await server.call(method, `${pods}/web/proxy/p/`, { headers, body: method === 'GET' ? '' : 'body' });
      const seen = json(text);
      assert.deepEqual([seen.method, seen.body], [method, method === 'GET' ? '' : 'body']);
      const {
        host,
        te,
        'x-own': own,
        'x-hop': hop,
        'x-forwarded-for': from,
        'x-forwarded-uri': uri,
        'x-remote-user': extra,
      } = seen.headers;
      assert.deepEqual([host, own, te, hop, extra], ['api.test', 'a', undefined, undefined, undefined]);
      assert.deepEqual([from, uri], ['1.2.3.4, 127.0.0.1', `${pods}/web/proxy/p/`]);
    });

  it('pass HEAD on, and refuse what is no method of a proxy', async () => {
    assert.equal((await server.call('HEAD', `${pods}/web/proxy/x`)).status, 200);
    assert.equal((await server.call('TRACE', `${pods}/web/proxy/x`)).status, 405);
    const dry = await server.call('POST', `${pods}/web/proxy/x?dryRun=All`);
    assert.deepEqual([dry.status, json(dry.text).message], [400, 'dryRun is not supported']);
  });

  it('send a browser to the folder itself, with its query', async () => {
    for (const method of ['GET', 'HEAD']) {
      const { status, headers } = await server.call(method, `${services}/web:http/proxy?a=b`);
      assert.deepEqual([status, headers.location], [301, `${services}/web:http/proxy/?a=b`]);
    }
    assert.equal(json((await server.call('POST', `${services}/web:http/proxy`)).text).url, '/');
  });

  it('rewrite redirects and pages, also zipped ones', async () => {
    assert.equal((await server.call('GET', `${pods}/web/proxy/redirect`)).headers.location, `${pods}/web/proxy/target/?a=b`);
    assert.equal((await server.call('GET', `${pods}/web/proxy/elsewhere`)).headers.location, 'https://example.com/x');
    assert.equal(
      (await server.call('GET', `${pods}/web/proxy/page`)).text,
      `<p><A HREF="${pods}/web/proxy/a?b=1&amp;c">é</A><img src="${pods}/web/proxy/i.png">`,
    );
    const zipped = await new Promise<Buffer>((resolve, reject) => {
      https.get({ ...server.options, path: `${pods}/web/proxy/zipped` }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => resolve(Buffer.concat(chunks)));
        response.on('error', reject);
      });
    });
    assert.equal(gunzipSync(zipped).toString(), `<a href="${pods}/web/proxy/z">z</a>`);
  });

  it('give status, cookies and headers as they are, without those of a hop and CORS', async () => {
    const { status, headers, text } = await server.call('GET', `${pods}/web/proxy/cookies`);
    assert.deepEqual(
      [status, text, headers['x-own'], headers['x-hop'], headers['access-control-allow-origin']],
      [418, 'tea', 'y', undefined, undefined],
    );
    assert.deepEqual(headers['set-cookie'], ['a=1; Expires=Thu, 01 Jan 1970', 'b=2']);
    assert.equal((await server.call('GET', `${pods}/web/proxy/hints`)).text, 'hinted');
  });

  it('do not pass half an answer for a whole one', async () => {
    await assert.rejects(server.call('GET', `${pods}/web/proxy/half`));
  });

  it('pass bodies on as they come, however large', async () => {
    const body = Buffer.alloc(8 * 1024 * 1024, 'x');
    const { status, text } = await server.call('PUT', `${pods}/web/proxy/large`, { body });
    assert.deepEqual([status, json(text).body.length], [200, body.length]);
  });

  describe('say', () => {
    const cases: [string, number, RegExp][] = [
      [`${pods}/web:9/proxy/x`, 503, /^error trying to reach service: dial tcp 10\.9\.0\.2:9: connect: connection refused$/],
      [`${pods}/web:nine/proxy/x`, 503, /^error trying to reach service: dial tcp: lookup tcp\/nine: unknown port$/],
      [`${pods}/https:web:8080/proxy/x`, 503, /^error trying to reach service: http: server gave HTTP response to HTTPS client$/],
      [`${pods}/a:b:c:d/proxy/x`, 400, /^invalid pod request "a:b:c:d"$/],
      [`${pods}/ftp:web:21/proxy/x`, 400, /^invalid pod request "ftp:web:21"$/],
      [`${pods}/none/proxy/x`, 404, /^pods "none" not found$/],
      [`${pods}/forged/proxy/x`, 400, /^address not allowed$/],
      [`${services}/web:82/proxy/x`, 503, /^no service port 82 found for service "web"$/],
      [`${services}/web:other/proxy/x`, 503, /^no endpoints available for service "web:other"$/],
      [`${services}/web/proxy/x`, 503, /^no endpoints available for service "web"$/],
      [`${services}/idle:http/proxy/x`, 503, /^no endpoints available for service "idle:http"$/],
      [`${services}/none:http/proxy/x`, 404, /^endpoints "none" not found$/],
      ['/api/v1/nodes/loop/proxy/pods', 400, /^address not allowed$/],
      ['/api/v1/nodes/loop:6443/proxy/api', 400, /^address not allowed$/],
      ['/api/v1/nodes/link:80/proxy/latest', 400, /^address not allowed$/],
      ['/api/v1/nodes/mixed:80/proxy/x', 400, /^address not allowed$/],
      [
        '/api/v1/nodes/itself/proxy/api/v1/secrets',
        503,
        /^error trying to reach service: the address of the node's kubelet is the API server's own$/,
      ],
      ['/api/v1/nodes/none/proxy/pods', 404, /^nodes "none" not found$/],
    ];
    for (const [path, status, message] of cases)
      it(`${status} ${message.source} for ${path}`, async () => {
        const answer = await server.call('GET', path);
        assert.equal(answer.status, status, answer.text);
        assert.match(json(answer.text).message ?? '', message);
      });
  });

  describe('join connections', () => {
    it('when the backend has switched protocols, and not before', async () => {
      const answer = await server.upgrade(`${pods}/web/proxy/up?q=1`);
      assert.ok('socket' in answer);
      assert.equal(answer.headers['x-own'], '1');
      let said = answer.head.toString();
      answer.socket.on('data', (chunk: Buffer) => (said += chunk.toString()));
      answer.socket.write('one');
      await new Promise<void>((resolve) => answer.socket.on('data', () => said === 'hello one' && resolve()));
      answer.socket.destroy();
      assert.equal(requests.at(-1), 'GET /up?q=1 127.0.0.1 undefined');
    });
    it('never after a refusal, which is passed on', async () => {
      const refused = await server.upgrade(`${pods}/web/proxy/refuse`);
      assert.ok('text' in refused);
      assert.deepEqual([refused.status, refused.text, refused.headers.connection], [403, 'no', 'close']);
      const ordinary = await server.upgrade(`${pods}/web/proxy/ok`);
      assert.ok('text' in ordinary);
      assert.deepEqual([ordinary.status, json(ordinary.text).message], [500, 'invalid upgrade response: status code 200']);
      const unreachable = await server.upgrade(`${pods}/web:9/proxy/up`);
      assert.ok('text' in unreachable);
      assert.equal(json(unreachable.text).message, 'error dialing backend: dial tcp 10.9.0.2:9: connect: connection refused');
    });
    it('only where there is something to upgrade to: elsewhere the request is answered as it is', async () => {
      const answer = await server.upgrade('/api/v1/namespaces/default', { upgrade: 'h2c' });
      assert.ok('text' in answer);
      assert.equal(answer.status, 200);
    });
  });

  describe('the timeout parameter', () => {
    const cases: [string, number, string][] = [
      ['/api/v1/nodes?timeout=abc', 400, 'invalid timeout specified in the request URL - time: invalid duration "abc"'],
      ['/version?timeout=10', 400, 'invalid timeout specified in the request URL - time: missing unit in duration "10"'],
      [
        '/api/v1/nodes?resourceVersion=999999999&timeout=50ms',
        504,
        'Timeout: request did not complete within the allotted timeout',
      ],
      ['/api/v1/nodes?timeout=30s', 200, ''],
      ['/api/v1/nodes?timeout=0s', 200, ''],
      [`${pods}/web/proxy/x?timeout=abc`, 200, ''],
    ];
    for (const [path, status, message] of cases)
      it(`of ${path} gives ${status}`, async () => {
        const answer = await server.call('GET', path);
        assert.deepEqual([answer.status, json(answer.text).message ?? ''], [status, message]);
      });
  });

  it('are no part of health, which lists its checks', async () => {
    for (const path of ['/healthz', '/livez', '/readyz']) {
      const { text } = await server.call('GET', `${path}?verbose&exclude=ping&exclude=b&exclude=a`);
      assert.match(text, /^\[\+\]ping excluded: ok\n\[\+\]log ok\n/);
      assert.match(text, /\n\[\+\]poststarthook\/storage-readiness ok\n/);
      assert.match(text, /no matches for "a","b"\n/);
      assert.match(text, new RegExp(`\n${path.slice(1)} check passed\n$`));
    }
    for (const name of ['ping', 'etcd', 'poststarthook/generic-apiserver-start-informers'])
      assert.equal((await server.call('GET', `/readyz/${name}`)).text, 'ok');
    assert.equal((await server.call('GET', '/livez/informer-sync')).status, 404);
  });

  describe('a log over a WebSocket', () => {
    const read = (protocol: string | undefined): Promise<{ messages: (string | Buffer)[]; chosen: string; code: number }> =>
      new Promise((resolve, reject) => {
        const url = `wss://127.0.0.1:${server.port}${pods}/web/log?container=c`;
        const { ca, cert, key } = server.options;
        const options = { ca, cert, key } as object;
        const socket = protocol === undefined ? new WebSocket(url, options) : new WebSocket(url, [protocol], options);
        const messages: (string | Buffer)[] = [];
        socket.on('message', (data: Buffer, isBinary: boolean) => messages.push(isBinary ? data : data.toString()));
        socket.on('close', (code) => resolve({ messages, chosen: socket.protocol, code }));
        socket.on('error', reject);
      });
    it('comes as bytes, after an empty message', async () => {
      for (const protocol of ['binary.k8s.io', undefined]) {
        const { messages, chosen, code } = await read(protocol);
        assert.deepEqual(messages[0], Buffer.alloc(0));
        assert.equal(Buffer.concat(messages as Buffer[]).toString(), 'line 1\nline 2\n');
        assert.deepEqual([chosen, code], [protocol ?? '', 1000]);
      }
    });
    it('comes as base64 in text', async () => {
      const { messages, chosen } = await read('base64.binary.k8s.io');
      assert.equal(messages[0], '');
      assert.equal(messages.map((text) => Buffer.from(text as string, 'base64').toString()).join(''), 'line 1\nline 2\n');
      assert.equal(chosen, 'base64.binary.k8s.io');
    });
    it('is refused in other protocols, and for pods that are not there', async () => {
      await assert.rejects(read('v4.channel.k8s.io'), /Unexpected server response: 403/);
      const none = await server.upgrade(`${pods}/none/log`, { upgrade: 'websocket' });
      assert.ok('text' in none);
      assert.equal(none.status, 404);
    });
  });
});
