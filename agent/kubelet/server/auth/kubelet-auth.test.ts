import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { internalError } from '#api/status.ts';
import type { SubjectAccessReviewSpec, TokenReviewStatus, UserInfo } from '#api/types.generated.ts';
import { FakeClock } from '#client/clock.ts';
import { subresourcesOf, verbOf } from './attributes.ts';
import { type ShownCertificate, subjectUser } from './certificate-user.ts';
import { KubeletAuth, type KubeletAuthOptions, type KubeletRequest } from './kubelet-auth.ts';
import { createReviews } from './reviews.ts';

const log = pino({ level: 'silent' });
const jane: UserInfo = { username: 'jane', uid: '7', groups: ['devs'], extra: { k: ['v'] } };
const ofJane: ShownCertificate = { kind: 'user', user: { username: 'jane', groups: ['devs'] } };
const none: ShownCertificate = { kind: 'none' };

/** An API server that knows one token, and lets users do what `may` says. It counts what it is asked. */
function aKubelet(may: (spec: SubjectAccessReviewSpec) => boolean, options: Partial<KubeletAuthOptions> = {}) {
  const clock = new FakeClock();
  const asked = { tokens: 0, accesses: [] as SubjectAccessReviewSpec[] };
  let failing: Error | undefined;
  const client = {
    async reviewToken({ token }: { token: string }): Promise<TokenReviewStatus> {
      asked.tokens += 1;
      if (failing !== undefined) throw failing;
      if (token === 'bad') return { authenticated: false, error: 'token is bad' };
      return token === 'good' ? { authenticated: true, user: jane } : { authenticated: false };
    },
    async reviewAccess(spec: SubjectAccessReviewSpec) {
      asked.accesses.push(spec);
      if (failing !== undefined) throw failing;
      return { allowed: may(spec) };
    },
  };
  const reviews = createReviews(
    { client, clock, random: () => 0 },
    { tokenMs: 120_000, authorizedMs: 300_000, unauthorizedMs: 30_000 },
  );
  const auth = new KubeletAuth(reviews, log, {
    nodeName: 'node-1',
    anonymous: false,
    tokenWebhook: true,
    mode: 'Webhook',
    ...options,
  });
  const check = async (request: Partial<KubeletRequest>) => {
    const given = { certificate: none, method: 'GET', url: '/pods', authorization: undefined, protocols: undefined, ...request };
    const verdict = await auth.check(given);
    return verdict.kind === 'allowed' ? 'allowed' : `${verdict.status} ${verdict.text}`;
  };
  return { check, asked, clock, fail: (error: Error | undefined) => (failing = error) };
}

const subresource = ({ resourceAttributes }: SubjectAccessReviewSpec): string => resourceAttributes?.subresource ?? '';
const always = (): boolean => true;
const never = (): boolean => false;

describe('what a request to the kubelet asks for', () => {
  const cases: [path: string, subresources: string[]][] = [
    ['/pods', ['pods', 'proxy']],
    ['/pods/', ['pods', 'proxy']],
    ['/podsx', ['proxy']],
    ['/runningpods/', ['pods', 'proxy']],
    ['/healthz', ['healthz', 'proxy']],
    ['/healthz/syncloop', ['healthz', 'proxy']],
    ['/configz', ['configz', 'proxy']],
    ['/stats/summary', ['stats']],
    ['/metrics', ['metrics']],
    ['/metrics/cadvisor', ['metrics']],
    ['/metricsx', ['proxy']],
    ['/logs/messages', ['log']],
    ['/checkpoint/a/b/c', ['checkpoint']],
    ['/statusz', ['statusz']],
    ['/flagz', ['configz']],
    ['/containerLogs/a/b/c', ['proxy']],
    ['/exec/a/b/c', ['proxy']],
    ['/', ['proxy']],
    ['', ['proxy']],
  ];
  for (const [path, expected] of cases) it(path, () => assert.deepEqual(subresourcesOf(path), expected));
  for (const [method, verb] of [
    ['GET', 'get'],
    ['POST', 'create'],
    ['PUT', 'update'],
    ['PATCH', 'patch'],
    ['DELETE', 'delete'],
    ['HEAD', ''],
    ['constructor', ''],
  ] as const)
    it(`${method} is the verb "${verb}"`, () => assert.equal(verbOf(method), verb));
});

describe('the user in a client certificate', () => {
  for (const [name, subject, expected] of [
    ['is the common name, with the organizations as groups', { CN: 'a', O: ['g', 'h'] }, { username: 'a', groups: ['g', 'h'] }],
    ['is the last of several common names, as in Go', { CN: ['kube-apiserver', 'b'], O: 'g' }, { username: 'b', groups: ['g'] }],
    ['is nobody without a common name', { O: 'system:masters' }, undefined],
    ['is nobody with an empty one', { CN: ['a', ''] }, undefined],
  ] as const)
    it(name, () => assert.deepEqual(subjectUser(subject as never), expected));
});

describe('who may ask the kubelet', () => {
  it('is asked of the API server, with the whole user and this Node', async () => {
    const { check, asked } = aKubelet(always);
    assert.equal(await check({ authorization: 'Bearer good', method: 'POST', url: '/exec/ns/pod/c?command=x' }), 'allowed');
    assert.deepEqual(asked.accesses, [
      {
        user: 'jane',
        uid: '7',
        groups: ['devs', 'system:authenticated'],
        extra: { k: ['v'] },
        resourceAttributes: { verb: 'create', version: 'v1', resource: 'nodes', subresource: 'proxy', name: 'node-1' },
      },
    ]);
  });
  const forbidden = (subresources: string, user = 'jane'): string =>
    `403 Forbidden (user=${user}, verb=get, resource=nodes, subresource(s)=[${subresources}])\n`;
  const cases: [
    name: string,
    may: (spec: SubjectAccessReviewSpec) => boolean,
    request: Partial<KubeletRequest>,
    options: Partial<KubeletAuthOptions>,
    expected: string,
  ][] = [
    ['nobody', always, {}, {}, '401 Unauthorized'],
    ['nobody, where anonymous may', always, {}, { anonymous: true }, 'allowed'],
    ['nobody, who may not', never, {}, { anonymous: true }, forbidden('pods proxy', 'system:anonymous')],
    ['an unknown token', always, { authorization: 'Bearer x' }, { anonymous: true }, '401 Unauthorized'],
    ['a bad token', always, { authorization: 'Bearer bad' }, { anonymous: true }, '401 Unauthorized'],
    ['a token where tokens are not read', always, { authorization: 'Bearer good' }, { tokenWebhook: false }, '401 Unauthorized'],
    ['another scheme', always, { authorization: 'Basic good' }, {}, '401 Unauthorized'],
    [
      'a wrong certificate',
      always,
      { certificate: { kind: 'wrong', reason: 'x' } },
      { anonymous: true, tokenWebhook: false },
      '401 Unauthorized',
    ],
    [
      'a wrong certificate with a good token',
      always,
      { certificate: { kind: 'wrong', reason: 'x' }, authorization: 'Bearer good' },
      {},
      'allowed',
    ],
    ['a certificate', always, { certificate: ofJane }, {}, 'allowed'],
    ['a certificate, everybody may', never, { certificate: ofJane }, { mode: 'AlwaysAllow' }, 'allowed'],
    ['who may nothing', never, { certificate: ofJane }, {}, forbidden('pods proxy')],
    ['who may nothing, metrics', never, { certificate: ofJane, url: '/metrics' }, {}, forbidden('metrics')],
    ['nodes/pods, its path', (spec) => subresource(spec) === 'pods', { certificate: ofJane }, {}, 'allowed'],
    [
      'nodes/pods, another path',
      (spec) => subresource(spec) === 'pods',
      { certificate: ofJane, url: '/configz' },
      {},
      forbidden('configz proxy'),
    ],
    ['nodes/proxy, of pods', (spec) => subresource(spec) === 'proxy', { certificate: ofJane }, {}, 'allowed'],
    [
      'nodes/proxy, of metrics',
      (spec) => subresource(spec) === 'proxy',
      { certificate: ofJane, url: '/metrics' },
      {},
      forbidden('metrics'),
    ],
    [
      'nodes/metrics, an encoded path',
      (spec) => subresource(spec) === 'metrics',
      { certificate: ofJane, url: '/%6detrics?x=/pods' },
      {},
      'allowed',
    ],
    [
      'nodes/metrics, a path that only begins so',
      (spec) => subresource(spec) === 'metrics',
      { certificate: ofJane, url: '/metrics%00' },
      {},
      forbidden('proxy'),
    ],
    [
      'a path that cannot be decoded',
      (spec) => subresource(spec) !== 'proxy',
      { certificate: ofJane, url: '/pods/%' },
      {},
      forbidden('proxy'),
    ],
    [
      'an absolute target',
      (spec) => subresource(spec) === 'stats',
      { certificate: ofJane, url: 'http://x/stats/summary' },
      {},
      'allowed',
    ],
    [
      'a token among the protocols of a WebSocket',
      always,
      { protocols: `base64url.bearer.authorization.k8s.io.${Buffer.from('good').toString('base64url')}, v5.channel.k8s.io` },
      {},
      'allowed',
    ],
    [
      'such a token alone',
      always,
      { protocols: 'base64url.bearer.authorization.k8s.io.Z29vZA' },
      { anonymous: true },
      '401 Unauthorized',
    ],
  ];
  for (const [name, may, request, options, expected] of cases)
    it(`${name}: ${expected.trim()}`, async () => assert.equal(await aKubelet(may, options).check(request), expected));

  it('is remembered: yes for five minutes, no for half a minute, tokens for two minutes', async () => {
    const { check, asked, clock } = aKubelet((spec) => spec.user === 'jane');
    for (let i = 0; i < 3; i++) assert.equal(await check({ authorization: 'Bearer good', url: '/metrics' }), 'allowed');
    for (let i = 0; i < 3; i++) await check({ certificate: { kind: 'user', user: { username: 'joe' } }, url: '/metrics' });
    assert.deepEqual([asked.tokens, asked.accesses.length], [1, 2]);
    await clock.advance(31_000);
    await check({ authorization: 'Bearer good', url: '/metrics' });
    await check({ certificate: { kind: 'user', user: { username: 'joe' } }, url: '/metrics' });
    assert.deepEqual([asked.tokens, asked.accesses.length], [1, 3]);
    await clock.advance(100_000);
    await check({ authorization: 'Bearer good', url: '/metrics' });
    assert.deepEqual([asked.tokens, asked.accesses.length], [2, 3]);
    await clock.advance(300_000);
    await check({ authorization: 'Bearer good', url: '/metrics' });
    assert.deepEqual([asked.tokens, asked.accesses.length], [3, 4]);
  });

  it('shares one question among those who ask at the same time', async () => {
    const { check, asked } = aKubelet(always);
    await Promise.all(Array.from({ length: 50 }, () => check({ authorization: 'Bearer good', url: '/metrics' })));
    assert.deepEqual([asked.tokens, asked.accesses.length], [1, 1]);
  });

  it('when the API server cannot be asked: 500 for what is new, and what is remembered goes on', async () => {
    const { check, clock, fail, asked } = aKubelet(always);
    assert.equal(await check({ certificate: ofJane, url: '/metrics' }), 'allowed');
    fail(internalError('away'));
    assert.equal(await check({ certificate: ofJane, url: '/metrics' }), 'allowed');
    const answer = check({ certificate: ofJane, url: '/stats/summary' });
    await clock.advance(10_000);
    assert.equal(await answer, '500 Authorization error (user=jane, verb=get, resource=nodes, subresource=stats)');
    assert.equal(asked.accesses.length, 1 + 5, 'five tries');
    const unknown = check({ authorization: 'Bearer good' });
    await clock.advance(10_000);
    assert.equal(await unknown, '401 Unauthorized');
    // An error is not remembered.
    fail(undefined);
    assert.equal(await check({ certificate: ofJane, url: '/stats/summary' }), 'allowed');
  });
});
