/** Issuers as an AuthenticationConfiguration describes them, over HTTPS on loopback: mappings and rules, distributed claims, changes. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { FakeClock } from '#client/clock.ts';
import { createAuthority, issueCertificate, type KeyPair } from '#control/pki/certificates.ts';
import { until as untilWithin } from '#lab/until.ts';
import { ConfigFile } from '../../serving/config-file.ts';
import { parseAuthenticationConfiguration } from '../config/authentication-configuration.ts';
import { bearer, type HttpsServer, startBackend, startHttpsServer, type WhoAmI } from '../https.testing.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** An issuer that signs any claims. `/claims` answers with `distributed`. */
async function anIssuer(serving: KeyPair, clock: FakeClock) {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k', use: 'sig' };
  const state: { distributed: Answer; authorization: string | undefined } = {
    distributed: (_, response) => response.writeHead(404).end(),
    authorization: undefined,
  };
  const backend = await startBackend((request, response) => {
    if (request.url?.endsWith('openid-configuration'))
      response.end(JSON.stringify({ issuer: backend.url, jwks_uri: `${backend.url}/keys` }));
    else if (request.url === '/keys') response.end(JSON.stringify({ keys: [jwk] }));
    else {
      state.authorization = request.headers.authorization;
      state.distributed(request, response);
    }
  }, serving);
  const token = (claims: object = {}, key: CryptoKey = privateKey): Promise<string> => {
    const payload = { iss: backend.url, aud: 'kubernetes', exp: Math.floor(clock.now() / 1000) + 600, ...claims };
    return new SignJWT(payload as Record<string, unknown>).setProtectedHeader({ alg: 'RS256', kid: 'k' }).sign(key);
  };
  return { ...backend, token, state };
}

describe('issuers of a configuration file', () => {
  const clock = new FakeClock(Date.now());
  const scratch = mkdtempSync(join(tmpdir(), 'tinker-authn-'));
  const path = join(scratch, 'authentication.yaml');
  let first: Awaited<ReturnType<typeof anIssuer>>;
  let second: Awaited<ReturnType<typeof anIssuer>>;
  let ca: KeyPair;
  let server: HttpsServer;

  const configuration = (...jwt: object[]): string =>
    JSON.stringify({
      apiVersion: 'apiserver.config.k8s.io/v1',
      kind: 'AuthenticationConfiguration',
      anonymous: { enabled: true, conditions: [{ path: '/livez' }] },
      jwt,
    });
  const expressive = () => ({
    issuer: {
      url: first.url,
      audiences: ['kubernetes', 'other'],
      audienceMatchPolicy: 'MatchAny',
      certificateAuthority: ca.certificate,
    },
    claimValidationRules: [
      { claim: 'hd', requiredValue: 'example.com' },
      { expression: 'claims.exp - claims.nbf <= 86400', message: 'total token lifetime must not exceed 24 hours' },
    ],
    claimMappings: {
      username: { expression: "claims.username + ':external'" },
      groups: { expression: "claims.roles.split(',')" },
      uid: { expression: 'claims.sub' },
      extra: [
        { key: 'acme.io/tenant', valueExpression: 'claims.tenant' },
        { key: 'acme.io/none', valueExpression: "''" },
      ],
    },
    userValidationRules: [
      { expression: "!user.username.startsWith('system:')", message: 'username cannot use reserved system: prefix' },
    ],
  });
  const named = () => ({
    issuer: { url: second.url, audiences: ['kubernetes'], certificateAuthority: ca.certificate },
    claimMappings: {
      username: { claim: 'sub', prefix: 'second:' },
      groups: { claim: 'groups', prefix: 'g:' },
      uid: { claim: 'id' },
    },
  });
  const parse = (text: string) => parseAuthenticationConfiguration(text, []);

  before(async () => {
    ca = await createAuthority(Date.now());
    const serving = await issueCertificate(ca, { commonName: 'issuer', usage: 'server', ipAddresses: ['127.0.0.1'] }, Date.now());
    [first, second] = await Promise.all([anIssuer(serving, clock), anIssuer(serving, clock)]);
    writeFileSync(path, configuration(expressive(), named()));
    const file = new ConfigFile(path, parse);
    server = await startHttpsServer({ configuration: { initial: file.read(), file } }, { clock });
    await until(async () => (await who(await first.token(good()))).status === 201);
    await until(async () => (await who(await second.token({ sub: 'x', id: '1' }))).status === 201);
  });
  after(async () => {
    await server.stop();
    await Promise.all([first.close(), second.close()]);
    rmSync(scratch, { recursive: true });
  });

  const who = (token: string): Promise<WhoAmI> => server.whoAmI(bearer(token));
  const why = (): string => server.logged.findLast((line) => line.includes('could not be authenticated')) ?? '';
  async function until(look: () => Promise<boolean>): Promise<void> {
    const passed = async (): Promise<boolean> => {
      if (await look()) return true;
      await clock.advance(500);
      return false;
    };
    const onTimeout = (): string => `${why()} ${server.logged.slice(-3).join('\n')}`;
    await untilWithin('what the server does', passed, { timeoutMs: 30_000, everyMs: 10, onTimeout });
  }
  let serial = 0;
  const good = (more: object = {}): object => {
    const nbf = Math.floor(clock.now() / 1000) - 60;
    return {
      username: 'jane',
      roles: 'a,b',
      sub: 'u-1',
      tenant: ['t1', 't2'],
      hd: 'example.com',
      nbf,
      serial: serial++,
      ...more,
    };
  };

  it('map claims by expressions', async () => {
    const { status, username, groups, uid, extra } = await who(await first.token(good()));
    assert.deepEqual([status, username, uid, groups], [201, 'jane:external', 'u-1', ['a', 'b', 'system:authenticated']]);
    assert.deepEqual(extra, { 'acme.io/tenant': ['t1', 't2'] });
  });
  it('map claims by name, in the same server', async () => {
    const { username, groups, uid } = await who(await second.token({ sub: 'joe', groups: ['x'], id: '7' }));
    assert.deepEqual([username, uid, groups], ['second:joe', '7', ['g:x', 'system:authenticated']]);
  });
  const cases: [what: string, claims: () => object, reason: RegExp][] = [
    [
      'no claim that an expression needs',
      () => good({ username: undefined }),
      /oidc: error evaluating username claim expression: no such key: username/,
    ],
    ['a name that is no text', () => good({ username: 7 }), /error evaluating username claim expression/],
    ['groups that are no text', () => good({ roles: 7 }), /error evaluating group claim expression/],
    ['a UID that is no text', () => good({ sub: 7 }), /uid claim expression must return a string/],
    [
      'extras that are no texts',
      () => good({ tenant: [1] }),
      /extra claim expression: claims\.tenant: expression must return a string or a list of strings/,
    ],
    ['a claim of another value', () => good({ hd: 'x' }), /required claim hd value does not match/],
    [
      'a token that lasts too long',
      () => good({ nbf: 0 }),
      /validation expression 'claims\.exp - claims\.nbf <= 86400' failed: total token lifetime must not exceed 24 hours/,
    ],
    [
      'a name that is reserved',
      () => good({ username: 'system:admin' }),
      /error evaluating user info validation rule: validation expression '.*' failed: username cannot use reserved system: prefix/,
    ],
    ['another audience', () => good({ aud: 'third' }), /expected audience in/],
  ];
  for (const [what, claims, reason] of cases)
    it(`do not know ${what}`, async () => {
      assert.equal((await who(await first.token(claims()))).status, 401);
      assert.match(why(), reason);
    });
  it('take any of several audiences', async () =>
    assert.equal((await who(await first.token(good({ aud: ['x', 'other'] })))).status, 201));

  describe('with claims of somebody else', () => {
    const source = (more: object = {}): object => ({
      sub: 'joe',
      id: '7',
      jti: String(serial++),
      _claim_names: { groups: 'src' },
      _claim_sources: { src: { endpoint: `${second.url}/claims`, access_token: 'secret' } },
      ...more,
    });
    it('ask for them, with the token they name', async () => {
      second.state.distributed = (_, response) => void second.token({ groups: ['far'] }).then((token) => response.end(token));
      const { groups } = await who(await second.token(source()));
      assert.deepEqual(groups, ['g:far', 'system:authenticated']);
      assert.equal(second.state.authorization, 'Bearer secret');
    });
    it('take those of another issuer that the same authority vouches for', async () => {
      second.state.distributed = (_, response) => void first.token({ groups: ['first'] }).then((token) => response.end(token));
      assert.deepEqual((await who(await second.token(source()))).groups, ['g:first', 'system:authenticated']);
    });
    it('do not ask where the claim is there', async () => {
      second.state.distributed = (_, response) => response.destroy();
      assert.deepEqual((await who(await second.token(source({ groups: ['here'] })))).groups, ['g:here', 'system:authenticated']);
    });
    const wrong: [what: string, more: object, answer: Answer, reason: RegExp][] = [
      [
        'no source',
        { _claim_sources: {} },
        () => undefined,
        /id token _claim_names contained a source src missing in _claims_sources/,
      ],
      ['no sources', { _claim_sources: undefined }, () => undefined, /oidc: no claim sources/],
      [
        'an error',
        {},
        (_, response) => response.writeHead(500).end(),
        /could not expand distributed claims: .*answered with the status 500/,
      ],
      ['no token', {}, (_, response) => response.end('hello'), /getting untrusted issuer from endpoint/],
      ['more than there is room for', {}, (_, response) => response.end('x'.repeat(2 << 20)), /its answer is larger than/],
      [
        'a token without the claim',
        {},
        (_, response) => void second.token({}).then((token) => response.end(token)),
        /did not contain claim: groups/,
      ],
      [
        'a token for others',
        {},
        (_, response) => void second.token({ groups: ['x'], aud: 'else' }).then((token) => response.end(token)),
        /expected audience/,
      ],
      [
        'an endpoint that is none',
        { _claim_sources: { src: { endpoint: 'file:///etc/passwd' } } },
        () => undefined,
        /its endpoint is no URL/,
      ],
    ];
    for (const [what, more, answer, reason] of wrong)
      it(`know nobody by ${what}`, async () => {
        second.state.distributed = answer;
        assert.equal((await who(await second.token(source(more)))).status, 401);
        assert.match(why(), reason);
      });
  });

  it('let nobody be anonymous but where it says so', async () => {
    assert.equal((await server.send('/livez')).status, 200);
    for (const other of ['/readyz', '/livez/', '/livez/ping', '/version'])
      assert.equal((await server.send(other)).status, 401, other);
  });

  it('change with the file; what cannot be used leaves all as it is', async () => {
    const known = await second.token({ sub: 'kept', id: '1' });
    assert.equal((await who(known)).status, 201);
    writeFileSync(path, 'nonsense');
    await until(async () => server.logged.some((line) => line.includes('cannot be used; the one of before stays')));
    assert.equal((await who(known)).status, 201);
    // The new issuer does not answer: the previous issuers are kept.
    const dead = { ...named(), issuer: { ...named().issuer, url: 'https://127.0.0.1:1' } };
    writeFileSync(path, configuration(dead));
    await until(async () => server.logged.some((line) => line.includes('cannot be put into use yet')));
    assert.equal((await who(known)).status, 201);
    const renamed = { ...named(), claimMappings: { username: { claim: 'sub', prefix: 'new:' } } };
    writeFileSync(path, configuration(renamed));
    await until(async () => (await who(known)).username === 'new:kept');
    assert.equal((await who(await first.token(good()))).status, 401, 'the other issuer is gone');
  });
});
