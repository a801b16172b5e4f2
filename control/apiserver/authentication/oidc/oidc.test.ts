/** OpenID Connect, with an issuer over HTTPS on loopback. */
import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { FakeClock } from '#client/clock.ts';
import { createAuthority, issueCertificate, type KeyPair } from '#control/pki/certificates.ts';
import { bearer, type HttpsServer, startBackend, startHttpsServer, type WhoAmI } from '../https.testing.ts';
import { type JwtIssuer, jwtIssuerOf, type OidcFlags } from './jwt-issuer.ts';

interface Key {
  kid: string;
  alg: string;
  privateKey: CryptoKey;
  jwk: object;
}

async function makeKey(kid: string, alg: string): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, use: 'sig' } };
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

describe('OIDC', () => {
  const clock = new FakeClock(Date.now());
  let ca: KeyPair;
  let serving: KeyPair;
  let issuer: Awaited<ReturnType<typeof startBackend>>;
  let server: HttpsServer;
  let first: Key;
  let second: Key;
  let curve: Key;
  let published: Key[] = [];
  const asked: string[] = [];
  /** Replaces the response of the issuer. */
  let instead: Answer | undefined;

  before(async () => {
    ca = await createAuthority(Date.now());
    serving = await issueCertificate(ca, { commonName: 'issuer', usage: 'server', ipAddresses: ['127.0.0.1'] }, Date.now());
    [first, second, curve] = await Promise.all([makeKey('1', 'RS256'), makeKey('2', 'RS256'), makeKey('3', 'ES256')]);
    published = [first, curve];
    issuer = await startBackend((request, response) => {
      asked.push(request.url ?? '');
      if (instead !== undefined) instead(request, response);
      else if (request.url === '/.well-known/openid-configuration')
        response.end(JSON.stringify({ issuer: issuer.url, jwks_uri: `${issuer.url}/keys` }));
      else response.end(JSON.stringify({ keys: published.map(({ jwk }) => jwk) }));
    }, serving);
    // The issuer is down when the API server starts.
    instead = (request) => request.socket.destroy();
    server = await startHttpsServer({ oidc: settings({}) }, { clock });
  });
  after(async () => {
    await server.stop();
    await issuer.close();
  });

  const settings = (more: Partial<JwtIssuer>): JwtIssuer => ({
    url: issuer.url,
    audiences: ['kubernetes'],
    ca: ca.certificate,
    username: { claim: 'email', prefix: 'oidc:' },
    groups: { claim: 'groups', prefix: 'g:' },
    requiredClaims: new Map([['hd', 'example.com']]),
    signingAlgs: ['RS256', 'ES256'],
    ...more,
  });

  const usual = { email: 'jane@example.com', groups: ['dev', 'ops'], hd: 'example.com', jti: 'id-1' };
  async function token(claims: object = {}, key = first, header: object = {}): Promise<string> {
    const now = Math.floor(clock.now() / 1000);
    const payload = { iss: issuer.url, aud: 'kubernetes', exp: now + 600, ...usual, ...claims };
    return await new SignJWT(payload as Record<string, unknown>)
      .setProtectedHeader({ alg: key.alg, kid: key.kid, ...header })
      .sign(key.privateKey);
  }
  const who = async (text: string): Promise<WhoAmI> => await server.whoAmI(bearer(text));
  const why = (): string => server.logged.findLast((line) => line.includes('could not be authenticated')) ?? '';
  /** Advances the clock by ten seconds, and waits for the requests that are then sent. */
  async function pass(): Promise<void> {
    const before = asked.length;
    await clock.advance(10_000);
    for (let turn = 0; turn < 500 && asked.length === before; turn++) await new Promise((resolve) => setTimeout(resolve, 2));
  }

  it('does not keep a server from starting, and goes on asking', async () => {
    assert.deepEqual(await who(await token()), { status: 401 });
    assert.match(why(), /oidc: authenticator not initialized/);
    assert.equal((await server.send('/version')).status, 200);
    for (const broken of [
      (_: IncomingMessage, response: ServerResponse) => response.writeHead(500).end(),
      (_: IncomingMessage, response: ServerResponse) => response.end('no JSON'),
      (_: IncomingMessage, response: ServerResponse) => response.end('null'),
      (_: IncomingMessage, response: ServerResponse) => response.end('{"issuer":"https://another"}'),
      (_: IncomingMessage, response: ServerResponse) => response.end('x'.repeat(2 << 20)),
    ] satisfies Answer[]) {
      instead = broken;
      await pass();
      assert.deepEqual(await who(await token()), { status: 401 });
    }
    instead = undefined;
    for (let tries = 0; (await who(await token())).status === 401; tries++) {
      assert.ok(tries < 10, why());
      await pass();
    }
  });

  const jane = {
    status: 201,
    username: 'oidc:jane@example.com',
    groups: ['g:dev', 'g:ops', 'system:authenticated'],
    extra: { 'authentication.kubernetes.io/credential-id': ['JTI=id-1'] },
  };
  const now = () => Math.floor(clock.now() / 1000);
  const cases: [name: string, make: () => Promise<string>, expected: Partial<WhoAmI>, reason?: RegExp][] = [
    ['a token', () => token(), jane],
    ['a token of another algorithm that is allowed', () => token({}, curve), jane],
    ['a token without a key ID', () => token({}, first, { kid: undefined }), jane],
    ['several audiences', () => token({ aud: ['x', 'kubernetes'] }), jane],
    ['a verified address', () => token({ email_verified: true }), jane],
    ['one group as a text', () => token({ groups: 'dev' }), { groups: ['g:dev', 'system:authenticated'] }],
    ['no groups', () => token({ groups: undefined }), { groups: ['system:authenticated'] }],
    [
      'another audience',
      () => token({ aud: 'other' }),
      { status: 401 },
      /expected audience in \[\\"kubernetes\\"\] got \[\\"other\\"\]/,
    ],
    ['a token that is over', () => token({ exp: now() - 1 }), { status: 401 }, /token is expired/],
    ['a token without an end', () => token({ exp: undefined }), { status: 401 }, /token is expired/],
    ['a token of later', () => token({ nbf: now() + 120 }), { status: 401 }, /before the nbf/],
    ['an address that is not verified', () => token({ email_verified: false }), { status: 401 }, /oidc: email not verified/],
    [
      'an address that is verified in words',
      () => token({ email_verified: 'true' }),
      { status: 401 },
      /parse 'email_verified' claim/,
    ],
    ['no user', () => token({ email: undefined }), { status: 401 }, /parse username claims .*: claim not present/],
    ['a user that is no text', () => token({ email: ['a'] }), { status: 401 }, /parse username claims/],
    ['groups that are none', () => token({ groups: [1] }), { status: 401 }, /parse groups claim/],
    [
      'a required claim that is missing',
      () => token({ hd: undefined }),
      { status: 401 },
      /required claim hd not present in ID token/,
    ],
    [
      'a required claim of another value',
      () => token({ hd: 'x' }),
      { status: 401 },
      /value does not match. Got = x, want = example.com/,
    ],
    ['another issuer', () => token({ iss: 'https://other' }), { status: 401 }, /invalid bearer token/],
    [
      'a key of nobody',
      async () => token({}, await makeKey('1', 'RS256')),
      { status: 401 },
      /failed to verify id token signature/,
    ],
    [
      'an algorithm that is not allowed',
      async () => token({}, await makeKey('1', 'PS256')),
      { status: 401 },
      /unsupported algorithm/,
    ],
  ];
  for (const [name, make, expected, reason] of cases)
    it(`knows the sender by ${name}`, async () => {
      const found = await who(await make());
      for (const [key, value] of Object.entries(expected)) assert.deepEqual(found[key as keyof WhoAmI], value, `${key} ${why()}`);
      if (reason !== undefined) assert.match(why(), reason);
    });

  it('does not take a token that is signed with a public key as a secret, or not at all', async () => {
    const [, payload] = (await token()).split('.');
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    for (const alg of ['none', 'HS256']) {
      assert.equal((await who(`${part({ alg, kid: '1' })}.${payload}.`)).status, 401);
      assert.equal((await who(`${part({ alg, kid: '1' })}.${payload}.${part({})}`)).status, 401);
    }
  });

  it('asks for new keys when a token names one, but not for each', async () => {
    published = [second];
    await clock.advance(10_000);
    asked.length = 0;
    const answers = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => await who(await token({ jti: `j${index}` }, second))),
    );
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [201]);
    assert.deepEqual(asked, ['/keys']);
    for (let index = 0; index < 20; index++)
      assert.equal((await who(await token({}, { ...first, kid: `x${index}` }))).status, 401);
    assert.deepEqual(asked, ['/keys']);
    assert.equal((await who(await token({ jti: 'old' }, first))).status, 401);
  });

  it('lets nobody wait for an issuer that does not answer, but those who need it', { timeout: 60_000 }, async () => {
    await clock.advance(10_000);
    instead = () => undefined;
    const waiting = who(await token({ jti: 'slow' }, first));
    const start = performance.now();
    assert.equal((await who(await token({ jti: 'quick' }, second))).status, 201);
    assert.equal((await server.send('/version')).status, 200);
    assert.ok(performance.now() - start < 10_000);
    await issuer.close();
    assert.equal((await waiting).status, 401);
    // Tokens with known keys are still accepted.
    assert.equal((await who(await token({ jti: 'later' }, second))).status, 201);
    assert.doesNotMatch(server.logged.join('\n'), /eyJ/);
  });
});

describe('--oidc-*', () => {
  const none: OidcFlags = {
    oidcIssuerUrl: undefined,
    oidcClientId: undefined,
    oidcUsernameClaim: 'sub',
    oidcUsernamePrefix: '',
    oidcGroupsClaim: undefined,
    oidcGroupsPrefix: '',
    oidcRequiredClaim: [],
    oidcSigningAlgs: ['RS256'],
  };
  const url = 'https://issuer';
  const given = { ...none, oidcIssuerUrl: url, oidcClientId: 'c' };
  const prefixes: [claim: string, prefix: string, expected: string][] = [
    ['sub', '', `${url}#`],
    ['name', '', `${url}#`],
    ['email', '', ''],
    ['sub', '-', ''],
    ['email', 'x:', 'x:'],
  ];
  for (const [oidcUsernameClaim, oidcUsernamePrefix, expected] of prefixes)
    it(`prefix ${oidcUsernameClaim} with ${JSON.stringify(expected)} for ${JSON.stringify(oidcUsernamePrefix)}`, () => {
      const found = jwtIssuerOf({ ...given, oidcUsernameClaim, oidcUsernamePrefix }, undefined, []);
      assert.deepEqual(found?.username, { claim: oidcUsernameClaim, prefix: expected });
    });

  it('may be absent', () => assert.equal(jwtIssuerOf(none, undefined, []), undefined));

  for (const [flags, message] of [
    [{ ...none, oidcIssuerUrl: url }, /must be specified together/],
    [{ ...none, oidcClientId: 'c' }, /must be specified together/],
    [{ ...none, oidcGroupsClaim: 'g' }, /need oidc-issuer-url/],
    [{ ...given, oidcIssuerUrl: 'http://issuer' }, /URL scheme must be https/],
    [{ ...given, oidcIssuerUrl: 'issuer' }, /not a URL/],
    [{ ...given, oidcIssuerUrl: 'https://a:b@issuer' }, /must not contain a username/],
    [{ ...given, oidcIssuerUrl: 'https://issuer?x' }, /must not contain a query/],
    [{ ...given, oidcIssuerUrl: 'https://own' }, /must not overlap/],
    [{ ...given, oidcSigningAlgs: ['HS256'] }, /unsupported signing alg: "HS256"/],
    [{ ...given, oidcRequiredClaim: ['x'] }, /malformed pair, expect string=string: x/],
  ] as const)
    it(`are refused: ${message.source}`, () =>
      assert.throws(() => jwtIssuerOf(flags as OidcFlags, undefined, ['https://own']), message));
});
