/** Tokens that a webhook on loopback reviews, and what malformed tokens cost. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { FakeClock } from '#client/clock.ts';
import { createAuthority, issueCertificate, type KeyPair } from '#control/pki/certificates.ts';
import { until } from '#lab/until.ts';
import { bearer, type HttpsServer, startBackend, startHttpsServer } from './https.testing.ts';

const audience = 'https://kubernetes.default.svc.cluster.local';

describe('a webhook for tokens', () => {
  const clock = new FakeClock(Date.now());
  let ca: KeyPair;
  let webhook: Awaited<ReturnType<typeof startBackend>>;
  let server: HttpsServer;
  const asked: {
    authorization: string | undefined;
    review: { apiVersion: string; spec: { token: string; audiences?: string[] } };
  }[] = [];
  /** By token: a status, or a whole response. */
  const answers = new Map<string, object | string | number>([
    ['jane', { authenticated: true, user: { username: 'jane', uid: '7', groups: ['dev'], extra: { scopes: ['a', 'b'] } } }],
    ['mine', { authenticated: true, user: { username: 'mine' }, audiences: [audience, 'x'] }],
    ['other', { authenticated: true, user: { username: 'other' }, audiences: ['other'] }],
    ['wrong', { authenticated: false, error: 'no such token' }],
    ['odd', { authenticated: true, user: { username: 'odd', groups: 'x', extra: { a: 'b' }, uid: 3 } }],
    ['no JSON', '<html>'],
    ['no review', '{"kind":"Status","apiVersion":"v1"}'],
    ['other version', '{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1beta1","status":{"authenticated":true}}'],
    ['huge', 'x'.repeat(2 << 20)],
    ['gone', 404],
  ]);

  before(async () => {
    ca = await createAuthority(Date.now());
    const serving = await issueCertificate(ca, { commonName: 'w', usage: 'server', ipAddresses: ['127.0.0.1'] }, Date.now());
    webhook = await startBackend((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const review = JSON.parse(Buffer.concat(chunks).toString('utf8'));
        asked.push({ authorization: request.headers.authorization, review });
        const answer = answers.get(review.spec.token) ?? { authenticated: false };
        if (typeof answer === 'number') response.writeHead(answer).end();
        else response.end(typeof answer === 'string' ? answer : JSON.stringify({ ...review, status: answer }));
      });
    }, serving);
    const config = { server: `${webhook.url}/authenticate`, ca: ca.certificate, token: 'of-the-api-server' };
    server = await startHttpsServer({ webhook: { config, version: 'v1', cacheMs: 60_000 } }, { clock });
  });
  after(async () => {
    await server.stop();
    await webhook.close();
  });
  const who = async (token: string) => await server.whoAmI(bearer(token));
  const why = (): string => server.logged.findLast((line) => line.includes('could not be authenticated')) ?? '';

  it('knows users, and is told for whom the token must be', async () => {
    assert.deepEqual(await who('jane'), {
      status: 201,
      username: 'jane',
      uid: '7',
      groups: ['dev', 'system:authenticated'],
      extra: { scopes: ['a', 'b'] },
    });
    const [{ authorization, review } = { authorization: '', review: undefined }] = asked;
    assert.equal(authorization, 'Bearer of-the-api-server');
    assert.deepEqual([review?.apiVersion, review?.spec], ['authentication.k8s.io/v1', { token: 'jane', audiences: [audience] }]);
    assert.equal((await who('mine')).username, 'mine');
    assert.deepEqual(await who('odd'), { status: 201, username: 'odd', groups: ['system:authenticated'], extra: { a: [] } });
  });

  for (const [token, reason] of [
    ['other', /invalid bearer token/],
    ['unknown', /invalid bearer token/],
    ['wrong', /no such token/],
    ['gone', /answered with the status 404/],
    ['huge', /larger than/],
  ] as const)
    it(`is not believed about ${token}`, async () => {
      assert.equal((await who(token)).status, 401);
      assert.match(why(), reason);
    });

  it('is not believed when its answer is something else', async () => {
    for (const [token, reason] of [
      ['no JSON', /answer is not JSON/],
      ['no review', /is no TokenReview of authentication.k8s.io\/v1/],
      ['other version', /is no TokenReview of authentication.k8s.io\/v1/],
    ] as const) {
      answers.set('now', answers.get(token) ?? '');
      assert.equal((await who('now')).status, 401);
      assert.match(why(), reason);
    }
  });

  it('is asked once while its answer is remembered, also about tokens that it does not know', async () => {
    asked.length = 0;
    answers.set('often', { authenticated: true, user: { username: 'often' } });
    await Promise.all(Array.from({ length: 10 }, async () => assert.equal((await who('often')).status, 201)));
    for (let time = 0; time < 3; time++) assert.equal((await who('never')).status, 401);
    assert.deepEqual(asked.map(({ review }) => review.spec.token).sort(), ['never', 'often']);
    await clock.advance(61_000);
    await who('often');
    assert.equal(asked.length, 3);
    const { text } = await server.send('/metrics', { as: await server.client('root', ['system:masters']) });
    assert.match(text, /^authentication_token_cache_request_total\{status="hit"\} \d+$/m);
  });

  it('is asked again where it fails for a moment, and not for ever', async () => {
    asked.length = 0;
    answers.set('late', 503);
    let isDone = false;
    const waiting = who('late').finally(() => (isDone = true));
    // The requests are real; the pauses between them use the fake clock.
    const passed = async (): Promise<boolean> => {
      await clock.advance(200);
      return isDone;
    };
    await until('the last answer', passed, { timeoutMs: 30_000, everyMs: 1 });
    assert.equal((await waiting).status, 401);
    assert.equal(asked.length, 5);
    assert.doesNotMatch(server.logged.join('\n'), /of-the-api-server|"late"/);
  });
});

describe('garbage for a token', () => {
  it('costs little, and is nobody', { timeout: 120_000 }, async () => {
    const server = await startHttpsServer({ bootstrapTokens: true });
    try {
      const admin = await server.client('root', ['system:masters']);
      const part = (text: string): string => Buffer.from(text).toString('base64url');
      const megabyte = 1 << 20;
      const claims = part(`{"iss":"https://kubernetes.default.svc.cluster.local","x":"${'x'.repeat(megabyte / 2)}"}`);
      const bodies: [name: string, token: string][] = [
        ['letters', 'x'.repeat(megabyte)],
        ['dots', '.'.repeat(megabyte)],
        ['brackets', `${part('{"alg":"RS256"}')}.${part('['.repeat(megabyte / 2))}.x`],
        ['our issuer', `${part('{"alg":"RS256"}')}.${claims}.${'A'.repeat(342)}`],
        [
          'a header of a megabyte',
          `${part(`{"alg":"RS256","kid":"${'k'.repeat(megabyte / 2)}"}`)}.${part('{"iss":"kubernetes/serviceaccount"}')}.AAAA`,
        ],
        ['no UTF-8', '\ud800.\udfff.\ud800'],
      ];
      for (const [name, token] of bodies) {
        const cpu = process.cpuUsage();
        const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } };
        const { status, text } = await server.send('/apis/authentication.k8s.io/v1/tokenreviews', {
          method: 'POST',
          as: admin,
          body,
        });
        const { user, system } = process.cpuUsage(cpu);
        assert.equal(status, 201, `${name}: ${text.slice(0, 200)}`);
        assert.notEqual((JSON.parse(text) as { status: { authenticated?: boolean } }).status.authenticated, true, name);
        assert.ok((user + system) / 1000 < 5_000, `${name} took ${(user + system) / 1000} ms`);
      }
      const flood = Object.fromEntries(Array.from({ length: 900 }, (_, index) => [`x-remote-extra-${index}`, 'x'.repeat(100)]));
      assert.equal((await server.send('/version', { headers: { ...flood, 'x-remote-user': 'root' } })).status, 200);
      assert.equal(
        (await server.whoAmI({ headers: { ...flood, 'x-remote-user': 'root', 'x-remote-group': 'system:masters' } })).status,
        401,
      );
    } finally {
      await server.stop();
    }
  });
});
