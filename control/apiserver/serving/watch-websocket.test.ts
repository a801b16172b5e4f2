import assert from 'node:assert/strict';
import { on, once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type ClientOptions, WebSocket } from 'ws';
import { decodeProtobuf, decodeWatchEvent } from '#api/codec/protobuf.ts';
import { createAuthority, issueCertificate, type KeyPair } from '#control/pki/certificates.ts';
import { type Loose, startTestServer, type TestServer } from '../api-server.testing.ts';
import { listen } from './listener.ts';
import { sendToReader } from './reader-websocket.ts';
import { silentLog } from './server-log.ts';

const maps = '/api/v1/namespaces/default/configmaps';
const configMap = (name: string, data = {}) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data });
const jsonOf = (message: unknown): { type: string; object: Loose } => JSON.parse(String(message));

describe('a watch over a WebSocket', { timeout: 120_000 }, () => {
  let api: TestServer;
  let ca: KeyPair;
  let user: KeyPair;
  let port = 0;
  const stop = new AbortController();
  let running: Promise<void>;

  before(async () => {
    const now = Date.now();
    ca = await createAuthority(now);
    const pair = await issueCertificate(ca, { commonName: 'kube-apiserver', usage: 'server', ipAddresses: ['127.0.0.1'] }, now);
    user = await issueCertificate(ca, { commonName: 'jane', organizations: ['system:masters'], usage: 'client' }, now);
    api = await startTestServer();
    const options = { host: '127.0.0.1', port: 0, certificate: pair.certificate, key: pair.key, clientCa: ca.certificate };
    const listener = await listen(api.server, { ...options, graceMs: 1000 }, silentLog);
    port = listener.port;
    running = listener.run(stop.signal);
    for (const name of ['a', 'b']) await api.request('POST', maps, configMap(name, { text: 'two\nlines' }));
  });
  after(async () => {
    stop.abort();
    await running;
    await api.stop();
  });

  const connect = (path: string, protocols: string[] = [], options: ClientOptions = {}): WebSocket =>
    new WebSocket(`wss://127.0.0.1:${port}${path}`, protocols, {
      ca: ca.certificate,
      cert: user.certificate,
      key: user.key,
      ...options,
    });

  /** The first messages of a connection, which then closes. */
  async function read(socket: WebSocket, count: number): Promise<{ data: Buffer; isBinary: boolean }[]> {
    const messages: { data: Buffer; isBinary: boolean }[] = [];
    for await (const [data, isBinary] of on(socket, 'message')) {
      messages.push({ data, isBinary });
      if (messages.length === count) break;
    }
    socket.close();
    await once(socket, 'close');
    return messages;
  }

  async function refusedWith(socket: WebSocket): Promise<number | undefined> {
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
    response.resume();
    return response.statusCode;
  }

  for (const [path, what] of [
    [`${maps}?watch=true&resourceVersion=0`, 'the query'],
    ['/api/v1/watch/namespaces/default/configmaps?resourceVersion=0', 'the older path'],
    [`${maps}?watch=1&resourceVersion=0&fieldSelector=metadata.name%3Da`, 'one object'],
  ] as const)
    it(`gives each event of JSON as a text message: ${what}`, async () => {
      const socket = connect(path);
      const expected = what === 'one object' ? ['a', 'later'] : ['a', 'b', 'later'];
      const name = what === 'one object' ? 'a' : 'later';
      const reading = read(socket, expected.length);
      await once(socket, 'open');
      if (name === 'a')
        await api.request('PATCH', `${maps}/a`, { data: { x: 'y' } }, { 'content-type': 'application/merge-patch+json' });
      else await api.request('POST', maps, configMap('later'));
      const messages = await reading;
      assert.ok(messages.every(({ data, isBinary }) => !isBinary && data.toString().endsWith('}\n')));
      const events = messages.map(({ data }) => jsonOf(data));
      assert.deepEqual(
        events.map(({ type, object }) => [type, object.metadata.name]),
        name === 'a'
          ? [
              ['ADDED', 'a'],
              ['MODIFIED', 'a'],
            ]
          : [
              ['ADDED', 'a'],
              ['ADDED', 'b'],
              ['ADDED', 'later'],
            ],
      );
      assert.equal(events[0]?.object.data['text'], 'two\nlines');
      await api.request('DELETE', `${maps}/later`);
    });

  it('gives each event of protobuf as a binary message, without its length', async () => {
    const headers = { accept: 'application/vnd.kubernetes.protobuf;stream=watch' };
    const messages = await read(connect(`${maps}?watch=1&resourceVersion=0`, [], { headers }), 2);
    const events = messages.map(({ data, isBinary }) => {
      const { type, object } = decodeWatchEvent(data);
      const decoded = decodeProtobuf(object);
      return [isBinary, type, decoded.kind, (decoded.object['metadata'] as { name: string }).name];
    });
    assert.deepEqual(events, [
      [true, 'ADDED', 'ConfigMap', 'a'],
      [true, 'ADDED', 'ConfigMap', 'b'],
    ]);
  });

  it('gives Tables', async () => {
    const headers = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
    const [table] = await read(connect(`${maps}?watch=1&resourceVersion=0`, [], { headers }), 1);
    assert.equal(jsonOf(table?.data).object.kind, 'Table');
  });

  it('agrees on the one subprotocol that is offered, which changes nothing', async () => {
    for (const protocol of ['binary.k8s.io', 'base64.binary.k8s.io', 'any']) {
      const socket = connect(`${maps}?watch=1&resourceVersion=0`, [protocol], { origin: 'https://console.example' });
      const [first] = await read(socket, 1);
      assert.deepEqual([socket.protocol, jsonOf(first?.data).object.metadata.name], [protocol, 'a']);
    }
  });

  it('ends after timeoutSeconds, and with the server', async () => {
    const [code] = (await once(connect(`${maps}?watch=1&timeoutSeconds=1`), 'close')) as [number];
    assert.equal(code, 1000);
  });

  const refusals: [what: string, status: number, path: string, protocols: string[], options: ClientOptions][] = [
    ['two subprotocols', 400, `${maps}?watch=1`, ['a', 'b'], {}],
    ['an origin that is none', 403, `${maps}?watch=1`, [], { origin: 'null' }],
    ['a bad revision', 400, `${maps}?watch=1&resourceVersion=x`, [], {}],
    ['a resource that there is not', 404, '/api/v1/nothings?watch=1', [], {}],
    ['YAML', 406, `${maps}?watch=1`, [], { headers: { accept: 'application/yaml' } }],
    ['nobody', 401, `${maps}?watch=1`, [], { cert: '', key: '' }],
  ];
  for (const [what, status, path, protocols, options] of refusals)
    it(`answers ${what} with ${status}`, async () => assert.equal(await refusedWith(connect(path, protocols, options)), status));

  it('is a plain answer where something else is offered', async () => {
    const { default: https } = await import('node:https');
    const headers = { connection: 'Upgrade', upgrade: 'h2c' };
    const tls = { ca: ca.certificate, cert: user.certificate, key: user.key, agent: false as const };
    const request = https.get({ host: '127.0.0.1', port, path: `${maps}?watch=1&timeoutSeconds=1`, headers, ...tls });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    assert.deepEqual([response.statusCode, response.headers['content-type']], [200, 'application/json']);
    request.destroy();
  });

  describe('by a bearer token among the subprotocols', () => {
    const prefix = 'base64url.bearer.authorization.k8s.io.';
    const nobody = { cert: '', key: '' };
    let token: string;
    before(async () => {
      const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'viewer' } };
      await api.request('POST', '/api/v1/namespaces/default/serviceaccounts', account);
      const asked = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 600 } };
      const answer = await api.request('POST', '/api/v1/namespaces/default/serviceaccounts/viewer/token', asked);
      token = Buffer.from(answer.json.status.token).toString('base64url');
    });

    it('lets in, and agrees on the other one', async () => {
      const socket = connect(`${maps}?watch=1&resourceVersion=0`, [`${prefix}${token}`, 'base64.binary.k8s.io'], nobody);
      await read(socket, 1);
      assert.equal(socket.protocol, 'base64.binary.k8s.io');
    });

    const wrong: [string, () => string[]][] = [
      ['alone', () => [`${prefix}${token}`]],
      ['twice', () => [`${prefix}${token}`, `${prefix}${token}x`, 'other']],
      ['that is not good', () => [`${prefix}${Buffer.from('nonsense').toString('base64url')}`, 'other']],
      ['that is no base64', () => [`${prefix}${token}!`, 'other']],
      ['that is no text', () => [`${prefix}${Buffer.of(0xff, 0xfe).toString('base64url')}`, 'other']],
    ];
    for (const [what, protocols] of wrong)
      it(`refuses one ${what}`, async () =>
        assert.equal(await refusedWith(connect(`${maps}?watch=1`, protocols(), nobody)), 401));
  });
});

describe('a reader of a WebSocket that does not read', { timeout: 120_000 }, () => {
  it('is waited for', async (test) => {
    let made = 0;
    async function* messages(): AsyncGenerator<string> {
      while (made < 64_000_000) {
        made += 64_000;
        yield 'x'.repeat(64_000);
      }
    }
    const server = createServer();
    const served = Promise.withResolvers<void>();
    server.on('upgrade', (request, socket, head) => {
      served.resolve(sendToReader(messages(), '', { request, socket, head }, silentLog));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    test.after(() => {
      client.terminate();
      server.close();
    });
    let received = 0;
    client.on('message', (data: Buffer) => (received += data.length));
    await once(client, 'open');
    client.pause();
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.ok(made < 30_000_000, `${made} bytes were made for a client that reads none`);
    client.resume();
    await once(client, 'close');
    await served.promise;
    assert.equal(received, made);
  });
});
