import assert from 'node:assert/strict';
import http2 from 'node:http2';
import https, { createServer, type Server as HttpsServer } from 'node:https';
import { type AddressInfo, connect as connectTcp } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { TransportResponse } from '#client/transport.ts';
import { createAuthority, issueCertificate, type KeyPair } from '#control/pki/certificates.ts';
import { startTestServer, type TestServer } from '../api-server.testing.ts';
import type { Connect } from '../proxy/backend.ts';
import { Proxies } from '../proxy/proxies.ts';
import { textResponse } from '../rest/responses.ts';
import { listen } from './listener.ts';
import { silentLog } from './server-log.ts';

interface Answer {
  status: number;
  text: string;
}

describe('the HTTPS listener', () => {
  let api: TestServer;
  let ca: KeyPair;
  let user: KeyPair;
  let stranger: KeyPair;
  let port = 0;
  let kubelet: HttpsServer;
  const seen: { path: string; upgrade: string | undefined }[] = [];
  const stop = new AbortController();
  let running: Promise<void>;

  before(async () => {
    const now = Date.now();
    ca = await createAuthority(now);
    const certificate = await issueCertificate(
      ca,
      { commonName: 'kube-apiserver', usage: 'server', ipAddresses: ['127.0.0.1', '10.9.8.7'] },
      now,
    );
    user = await issueCertificate(ca, { commonName: 'jane', organizations: ['dev', 'ops'], usage: 'client' }, now);
    stranger = await issueCertificate(
      await createAuthority(now),
      { commonName: 'jane', organizations: ['system:masters'], usage: 'client' },
      now,
    );
    const client = await issueCertificate(ca, { commonName: 'kube-apiserver-kubelet-client', usage: 'client' }, now);
    kubelet = await startKubelet(certificate, ca, seen);
    const credentials = { certificate: client.certificate, key: client.key, ca: ca.certificate };
    // The node's address is none that a proxy may go to otherwise; here it leads to this machine.
    const connect: Connect = ({ host, port: to }) => connectTcp(to, host === '10.9.8.7' ? '127.0.0.1' : host);
    const proxy = new Proxies({ kubelet: credentials, connect }, silentLog);
    api = await startTestServer({ deps: { proxy, openapi: async () => brokenAnswer() } });
    const options = {
      host: '127.0.0.1',
      port: 0,
      certificate: certificate.certificate,
      key: certificate.key,
      clientCa: ca.certificate,
    };
    const listener = await listen(api.server, { ...options, graceMs: 1000 }, silentLog);
    port = listener.port;
    running = listener.run(stop.signal);
    await seedPod(api, (kubelet.address() as AddressInfo).port);
  });

  after(async () => {
    stop.abort();
    await running;
    await api.stop();
    kubelet.closeAllConnections();
    await new Promise((resolve) => kubelet.close(resolve));
  });

  function call(path: string, options: https.RequestOptions = {}, body?: Uint8Array): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = https.request(
        { host: '127.0.0.1', port, path, ca: ca.certificate, agent: false, ...options },
        (response) => {
          let text = '';
          response.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
          response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
        },
      );
      request.on('error', reject);
      request.end(body);
    });
  }
  const as = ({ certificate: cert, key }: KeyPair): https.RequestOptions => ({ cert, key });

  async function whoAmI(options: https.RequestOptions, more: Record<string, string> = {}) {
    const body = JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' });
    const headers = { 'content-type': 'application/json', ...more };
    return await call(
      '/apis/authentication.k8s.io/v1/selfsubjectreviews',
      { method: 'POST', ...options, headers },
      Buffer.from(body),
    );
  }

  it('ends the connection when an answer breaks off, so that nobody waits for the rest', { timeout: 120_000 }, async () => {
    const received = new Promise<string>((resolve, reject) => {
      const options = { host: '127.0.0.1', port, path: '/openapi/v3', ca: ca.certificate, agent: false as const, ...as(user) };
      const request = https.get(options, (response) => {
        response.on('error', reject);
        response.on('end', () => resolve('a whole answer'));
        response.resume();
      });
      request.on('error', reject);
    });
    await assert.rejects(received, { code: 'ECONNRESET' });
  });

  it('takes user and groups from a client certificate of its CA', async () => {
    const { username, groups } = JSON.parse((await whoAmI(as(user))).text).status.userInfo;
    assert.deepEqual([username, groups], ['jane', ['dev', 'ops', 'system:authenticated']]);
  });

  it('believes no certificate of another CA', async () => {
    assert.equal((await whoAmI(as(stranger))).status, 401);
  });

  it('lets nobody in without credentials, but tells health and version', async () => {
    const { status, text } = await call('/api/v1/pods');
    assert.deepEqual([status, JSON.parse(text).message], [401, 'Unauthorized']);
    assert.equal((await call('/livez')).text, 'ok');
    assert.equal((await call('/version')).status, 200);
    assert.equal((await call('/metrics')).status, 401);
  });

  it('takes service-account tokens', async () => {
    await api.request('POST', '/api/v1/namespaces/default/serviceaccounts', {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'bot' },
    });
    const asked = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} };
    const { json } = await api.request('POST', '/api/v1/namespaces/default/serviceaccounts/bot/token', asked);
    const bot = await whoAmI({}, { authorization: `Bearer ${json.status.token}` });
    assert.equal(JSON.parse(bot.text).status.userInfo.username, 'system:serviceaccount:default:bot');
    assert.equal((await whoAmI({}, { authorization: 'Bearer nonsense' })).status, 401);
    assert.equal((await call('/livez', { headers: { authorization: 'Bearer nonsense' } })).status, 401);
  });

  it('answers 413 to a client that sends too much', async () => {
    const path = '/api/v1/namespaces/default/configmaps';
    const { status, text } = await call(path, { method: 'POST', ...as(user) }, Buffer.alloc(4 * 1024 * 1024));
    assert.deepEqual([status, JSON.parse(text).message], [413, 'Request entity too large: limit is 3145728']);
  });

  it('serves many streams over one HTTP/2 connection, a watch among them', async () => {
    const session = http2.connect(`https://127.0.0.1:${port}`, { ca: ca.certificate, cert: user.certificate, key: user.key });
    const watch = session.request({ ':path': '/api/v1/namespaces/default/configmaps?watch=1&resourceVersion=0' });
    const frame = new Promise<string>((resolve) => watch.once('data', (chunk: Buffer) => resolve(chunk.toString('utf8'))));
    // The answer's headers come before any event.
    await new Promise((resolve) => watch.once('response', resolve));
    const body = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'h2' } });
    const post = session.request({
      ':method': 'POST',
      ':path': '/api/v1/namespaces/default/configmaps',
      'content-type': 'application/json',
    });
    const status = new Promise((resolve) => post.once('response', (headers) => resolve(headers[':status'])));
    post.end(body);
    post.resume();
    assert.equal(await status, 201);
    assert.match(await frame, /"type":"ADDED"/);
    watch.close();
    session.close();
  });

  it('passes logs on from the kubelet, with its options', async () => {
    const { status, text } = await call(
      '/api/v1/namespaces/default/pods/p/log?tailLines=3&timestamps=True&follow=False&previous=0',
      as(user),
    );
    assert.deepEqual([status, text], [200, 'log lines\n']);
    assert.equal(seen.at(-1)?.path, '/containerLogs/default/p/c?timestamps=true&tailLines=3&stream=All');
    for (const [query, status, message] of [
      [
        'stream=Foo',
        422,
        'PodLogOptions "p" is invalid: stream: Unsupported value: "Foo": supported values: "All", "Stderr", "Stdout"',
      ],
      ['tailLines=x', 400, 'strconv.ParseInt: parsing "x": invalid syntax'],
    ]) {
      const refused = await call(`/api/v1/namespaces/default/pods/p/log?${query}`, as(user));
      assert.deepEqual([refused.status, JSON.parse(refused.text).message], [status, message]);
    }
    const wrong = await call('/api/v1/namespaces/default/pods/p/log?container=none', as(user));
    assert.deepEqual([wrong.status, JSON.parse(wrong.text).message], [400, 'container none is not valid for pod p']);
  });

  it('proxies to the kubelet of a node', async () => {
    assert.equal((await call('/api/v1/nodes/n1/proxy/stats/summary?x=y', as(user))).text, 'kubelet says /stats/summary?x=y');
  });

  it('delivers all that a command said before it ended', async () => {
    const path = '/api/v1/namespaces/default/pods/p/exec?command=large&stdout=true';
    const headers = { connection: 'Upgrade', upgrade: 'websocket' };
    const received = await new Promise<number>((resolve, reject) => {
      const request = https.request({ host: '127.0.0.1', port, path, ca: ca.certificate, agent: false, headers, ...as(user) });
      request.on('error', reject);
      request.on('upgrade', (_response, socket, head) => {
        let bytes = head.length;
        socket.on('data', (chunk: Buffer) => (bytes += chunk.length));
        socket.on('end', () => {
          socket.end();
          resolve(bytes);
        });
      });
      request.end();
    });
    assert.equal(received, 1_000_000);
  });

  it('joins client and kubelet for exec, byte for byte, and keeps the client away from the kubelet without credentials', async () => {
    const path = '/api/v1/namespaces/default/pods/p/exec?command=sh&command=-c&stdin=True&stdout=&stderr=False';
    const headers = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-protocol': 'v5.channel.k8s.io',
      'sec-websocket-version': '13',
    };
    const echoed = await new Promise<string>((resolve, reject) => {
      const request = https.request({ host: '127.0.0.1', port, path, ca: ca.certificate, agent: false, headers, ...as(user) });
      request.on('error', reject);
      request.on('response', (response) => reject(new Error(`no upgrade: ${response.statusCode}`)));
      request.on('upgrade', (response, socket) => {
        assert.equal(response.headers['sec-websocket-protocol'], 'v5.channel.k8s.io');
        socket.once('data', (chunk: Buffer) => {
          socket.destroy();
          resolve(chunk.toString('utf8'));
        });
        socket.write('ping');
      });
      request.end();
    });
    assert.equal(echoed, 'echo ping');
    assert.deepEqual(seen.at(-1), { path: '/exec/default/p/c?input=1&output=1&command=sh&command=-c', upgrade: 'websocket' });
    assert.equal((await call(path, { headers })).status, 401);
    const plain = await call(path, as(user));
    assert.deepEqual([plain.status, JSON.parse(plain.text).message], [400, 'Upgrade request required']);
  });
});

describe('shutting down', () => {
  for (const protocol of ['HTTP/2', 'HTTP/1.1'] as const) {
    it(`lets a request over ${protocol} finish, ends watches, and then closes the port`, async () => {
      const now = Date.now();
      const ca = await createAuthority(now);
      const pair = await issueCertificate(ca, { commonName: 'kube-apiserver', usage: 'server', ipAddresses: ['127.0.0.1'] }, now);
      const { certificate: cert, key } = await issueCertificate(ca, { commonName: 'jane', usage: 'client' }, now);
      const arrived = Promise.withResolvers<void>();
      const finish = Promise.withResolvers<TransportResponse>();
      const openapi = (): Promise<TransportResponse> => {
        arrived.resolve();
        return finish.promise;
      };
      const api = await startTestServer({ deps: { openapi } });
      const options = { host: '127.0.0.1', port: 0, certificate: pair.certificate, key: pair.key, clientCa: ca.certificate };
      const listener = await listen(api.server, { ...options, graceMs: 5000 }, silentLog);
      const stop = new AbortController();
      const running = listener.run(stop.signal);
      const origin = `https://127.0.0.1:${listener.port}`;
      const slow =
        protocol === 'HTTP/2'
          ? viaHttp2(origin, { ca: ca.certificate, cert, key })
          : viaHttp1(origin, { ca: ca.certificate, cert, key });
      await arrived.promise;
      stop.abort();
      await new Promise((resolve) => setImmediate(resolve));
      finish.resolve(textResponse(200, 'done'));
      assert.equal(await slow, 'done');
      await running;
      await assert.rejects(viaHttp1(origin, { ca: ca.certificate, cert, key }), /ECONNREFUSED/);
      await api.stop();
    });
  }
});

function viaHttp1(origin: string, tls: https.RequestOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = https.get(`${origin}/openapi/slow`, { ...tls, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
      response.on('end', () => resolve(text));
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}

function viaHttp2(origin: string, tls: http2.SecureClientSessionOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const session = http2.connect(origin, tls);
    session.on('error', reject);
    const stream = session.request({ ':path': '/openapi/slow' });
    let text = '';
    stream.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
    stream.on('error', reject);
    stream.on('end', () => {
      session.close();
      resolve(text);
    });
  });
}

/** A kubelet's HTTPS side, as far as the API server sees it; it lets in only clients of the cluster's CA. */
async function startKubelet(
  pair: KeyPair,
  ca: KeyPair,
  seen: { path: string; upgrade: string | undefined }[],
): Promise<HttpsServer> {
  const server = createServer({
    cert: pair.certificate,
    key: pair.key,
    ca: ca.certificate,
    requestCert: true,
    rejectUnauthorized: true,
  });
  server.on('request', (request, response) => {
    seen.push({ path: request.url ?? '', upgrade: undefined });
    response.end(request.url?.startsWith('/containerLogs') === true ? 'log lines\n' : `kubelet says ${request.url}`);
  });
  server.on('upgrade', (request, socket) => {
    seen.push({ path: request.url ?? '', upgrade: request.headers.upgrade });
    const protocol = request.headers['sec-websocket-protocol'];
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-protocol: ${protocol}\r\n\r\n`,
    );
    if (request.url?.includes('large') === true) socket.end(Buffer.alloc(1_000_000, 'x'));
    socket.on('data', (chunk: Buffer) => socket.write(`echo ${chunk.toString('utf8')}`));
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

/** An answer of which only the beginning can be had. */
function brokenAnswer(): TransportResponse {
  async function* body(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('{');
    throw new Error('the rest is missing');
  }
  return { status: 200, headers: { 'content-type': 'application/json' }, body: body() };
}

async function seedPod(api: TestServer, kubeletPort: number): Promise<void> {
  const addresses = [{ type: 'InternalIP', address: '10.9.8.7' }];
  await api.request('POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } });
  const status = { addresses, daemonEndpoints: { kubeletEndpoint: { Port: kubeletPort } } };
  await api.request('PATCH', '/api/v1/nodes/n1/status', { status }, { 'content-type': 'application/merge-patch+json' });
  await api.request('POST', '/api/v1/namespaces/default/serviceaccounts', {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'default' },
  });
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i' }] },
  };
  const { status: code, text } = await api.request('POST', '/api/v1/namespaces/default/pods', pod);
  assert.equal(code, 201, text);
}
