import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, beforeEach, describe, it } from 'node:test';
import { componentUser } from '../authentication/component-users.ts';
import { type Authorizer, alwaysAllow } from '../authorization/authorization.ts';
import { inProcessTransport } from '../in-process-transport.ts';
import { addresses, backend, type ProxyServer, startProxyServer } from '../proxy/proxy.testing.ts';
import { parseRequestInfo } from '../rest/request-info.ts';
import { defaultInflightLimits, Inflight } from './inflight.ts';

/** Who was asked what, in turn. */
const asked: string[] = [];
let denied: string | undefined;
let isFull = false;

const authorizer: Authorizer = {
  ...alwaysAllow,
  async authorize({ user, verb, resource, subresource, name }) {
    // The modes of impersonation that are asked first have a test of their own.
    if (verb.startsWith('impersonate') && verb.includes(':')) return { allowed: false, reason: '' };
    const what = `${user.name} ${verb} ${resource}${subresource === '' ? '' : `/${subresource}`} ${name}`;
    asked.push(what);
    return { allowed: what !== denied, reason: '' };
  },
};
const inflight = new Inflight(defaultInflightLimits);
const flowControl = {
  enter: (...request: Parameters<Inflight['enter']>) => {
    asked.push(`flow control ${request[1].name}`);
    return isFull ? undefined : inflight.enter(...request);
  },
  takePeak: () => 0,
};
const admission = [
  {
    name: 'Recorder',
    handles: () => true,
    mutate: ({ operation, user }: { operation: string; user: { name: string } }) => void asked.push(`${operation} ${user.name}`),
  },
];

describe('the chain of filters', () => {
  let server: ProxyServer;
  let kubelet: Awaited<ReturnType<typeof backend>>;
  const proxied = '/api/v1/namespaces/default/pods/web/proxy/up';
  const asJane = { 'impersonate-user': 'jane' };
  const jane = ['admin impersonate users jane', 'jane get pods/proxy web', 'flow control jane', 'connect jane'];

  before(async () => {
    server = await startProxyServer(
      {},
      { authorization: { authorizer, anonymous: 'healthOnly', followers: new Map() }, flowControl, admission },
    );
    const far = http.createServer((_, response) => response.end('plain'));
    far.on('upgrade', (_, socket) =>
      socket.end('HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n'),
    );
    kubelet = await backend(far);
    server.network.set(`${addresses[0]}:80`, kubelet.port);
    await server.pod('web', addresses[0] ?? '', [{ containerPort: 80 }]);
  });
  beforeEach(() => {
    asked.length = 0;
    denied = undefined;
    isFull = false;
  });
  after(async () => {
    kubelet.close();
    await server.stop();
  });

  async function counted(code: number): Promise<number> {
    const { text } = await server.call('GET', '/metrics');
    const line = new RegExp(`^apiserver_request_total\\{[^}]*subresource="proxy",code="${code}"\\} (\\d+)`, 'm').exec(text);
    return Number(line?.[1] ?? 0);
  }

  it('is passed in one order by requests and by upgrades: impersonation, authorization, flow control, handler', async () => {
    assert.equal((await server.call('GET', proxied, { headers: asJane })).text, 'plain');
    assert.deepEqual(asked, jane);
    asked.length = 0;
    const answer = await server.upgrade(proxied, asJane);
    assert.ok('socket' in answer);
    answer.socket.destroy();
    assert.deepEqual(asked, jane);
  });

  it('is passed by calls within the process, too', async () => {
    const user = { name: 'inside', groups: [], extra: {} };
    const path = '/api/v1/namespaces/default/pods/web/proxy/up';
    await inProcessTransport(server.api.server, user)({ method: 'GET', path, headers: asJane });
    assert.deepEqual(asked, ['inside impersonate users jane', ...jane.slice(1)]);
  });

  const refusals: [what: string, code: number, prepare: () => void, headers: http.OutgoingHttpHeaders, told: string[]][] = [
    ['who is nobody', 401, () => undefined, { authorization: 'Bearer nonsense' }, []],
    ['who may not impersonate', 403, () => (denied = jane[0]), asJane, jane.slice(0, 1)],
    ['who may not do it', 403, () => (denied = jane[1]), asJane, jane.slice(0, 2)],
    ['whoever comes when all places are taken', 429, () => (isFull = true), asJane, jane.slice(0, 3)],
  ];
  for (const [what, code, prepare, headers, told] of refusals) {
    for (const way of ['a request', 'an upgrade'] as const) {
      it(`refuses ${what}, by ${way}, with an audit ID, and counts it`, async () => {
        const before = await counted(code);
        asked.length = 0;
        prepare();
        const nobody = code === 401 ? { cert: undefined, key: undefined } : {};
        const { cert, key } = server.options;
        Object.assign(server.options, nobody);
        const answer = await (way === 'a request'
          ? server.call('GET', proxied, { headers })
          : server.upgrade(proxied, headers)
        ).finally(() => Object.assign(server.options, { cert, key }));
        assert.ok('status' in answer);
        assert.equal(answer.status, code);
        assert.match(String(answer.headers['audit-id']), /^[\da-f-]{36}$/);
        assert.deepEqual(asked, told);
        isFull = false;
        assert.equal(await counted(code), before + 1);
      });
    }
  }

  it('counts an upgrade when its connection has ended', async () => {
    const before = await counted(101);
    const answer = await server.upgrade(proxied);
    assert.ok('socket' in answer);
    answer.socket.resume();
    answer.socket.end();
    await new Promise((resolve) => answer.socket.once('close', resolve));
    while ((await counted(101)) === before) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(await counted(101), before + 1);
  });

  it('keeps the audit ID that a client sends', async () => {
    const { headers } = await server.call('GET', '/version', { headers: { 'audit-id': 'mine' } });
    assert.equal(headers['audit-id'], 'mine');
  });

  it('asks whether exec may create, where a WebSocket is opened by GET', async () => {
    denied = 'admin create pods/exec web';
    const answer = await server.upgrade('/api/v1/namespaces/default/pods/web/exec?command=ls');
    assert.ok('status' in answer);
    assert.equal(answer.status, 403);
  });
});

describe('the components of the control plane', () => {
  it('are limited as anybody is, but for the API server itself', () => {
    const full = new Inflight({ readOnly: 1, mutating: 1 });
    const list = parseRequestInfo('GET', '/api/v1/pods');
    assert.ok(full.enter(list, componentUser('kube-scheduler')) !== undefined);
    assert.equal(full.enter(list, componentUser('kube-scheduler')), undefined);
    assert.equal(full.enter(list, componentUser('kube-controller-manager')), undefined);
    assert.equal(
      full.enter(list, { name: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'], extra: {} }),
      undefined,
    );
    assert.ok(full.enter(list, componentUser('apiserver')) !== undefined);
  });

  it("have upstream's names; only the API server's own client is an administrator, whom flow control lets pass", () => {
    assert.deepEqual(
      (['apiserver', 'kube-controller-manager', 'kube-scheduler'] as const)
        .map(componentUser)
        .map(({ name, groups }) => [name, groups]),
      [
        ['system:apiserver', ['system:masters', 'system:authenticated']],
        ['system:kube-controller-manager', ['system:authenticated']],
        ['system:kube-scheduler', ['system:authenticated']],
      ],
    );
  });
});
