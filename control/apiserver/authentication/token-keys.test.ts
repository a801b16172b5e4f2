import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { SignJWT } from 'jose';
import { systemClock } from '#client/clock.ts';
import { createAuthority } from '#control/pki/certificates.ts';
import { startTestServer, type TestServer } from '../api-server.testing.ts';
import { ServiceAccountTokens, type TokenKeys } from './service-account-tokens.ts';
import { signingKey, verificationKeys } from './token-keys.ts';

const encoding = {
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
} as const;
const rsa = (): TokenKeys => generateKeyPairSync('rsa', { modulusLength: 2048, ...encoding });
const ec = (namedCurve: string): TokenKeys => generateKeyPairSync('ec', { namedCurve, ...encoding });
const audience = 'https://own';

describe('keys of tokens', () => {
  const [first, second] = [rsa(), ec('P-384')];

  it('are read from public keys, private keys and certificates, each once, whatever stands between', async () => {
    const authority = await createAuthority(Date.now());
    const bundle = ['# a comment', first.publicKey, first.privateKey, second.privateKey, authority.certificate].join('\n');
    const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n';
    assert.deepEqual(
      verificationKeys(bundle + parameters).map(({ algorithm }) => algorithm),
      ['RS256', 'ES384', 'ES256'],
    );
  });

  for (const [curve, algorithm] of [
    ['P-256', 'ES256'],
    ['P-384', 'ES384'],
    ['P-521', 'ES512'],
  ] as const)
    it(`of curve ${curve} sign ${algorithm}`, () => {
      const key = ec(curve);
      assert.equal(signingKey(key.privateKey).algorithm, algorithm);
      assert.equal(signingKey(key.privateKey).id, verificationKeys(key.publicKey)[0]?.id);
    });

  it('are refused where there are none', () => {
    assert.throws(() => verificationKeys('nothing'), /data does not contain any valid RSA or ECDSA public keys/);
    const other = generateKeyPairSync('ed25519', encoding);
    assert.throws(() => verificationKeys(other.publicKey), /does not contain any valid/);
    assert.throws(() => signingKey(other.privateKey), /must be an RSA or ECDSA/);
  });
});

describe('an API server with several keys and issuers', () => {
  const [old, current, foreign] = [rsa(), ec('P-256'), rsa()];
  let api: TestServer;
  let claims: Parameters<ServiceAccountTokens['issue']>[0];
  before(async () => {
    const publicKey = [old.publicKey, current.publicKey].join('\n');
    api = await startTestServer({
      tokens: {
        privateKey: current.privateKey,
        publicKey,
        issuer: 'https://new',
        otherIssuers: ['https://old'],
        audiences: [audience],
        jwksUri: 'https://elsewhere/keys',
      },
    });
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'one', namespace: 'default' } };
    const { json } = await api.request('POST', '/api/v1/namespaces/default/serviceaccounts', account);
    claims = { namespace: 'default', serviceaccount: { name: 'one', uid: json.metadata.uid ?? '' } };
  });
  after(() => api.stop());

  const issue = async (keys: TokenKeys, issuer: string): Promise<string> =>
    await new ServiceAccountTokens({ ...keys, issuer, audiences: [audience] }, systemClock, () =>
      Promise.resolve(undefined),
    ).issue(claims, [audience], 600);

  async function review(token: string): Promise<{ authenticated?: boolean; error?: string }> {
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } };
    const { json } = await api.request('POST', '/apis/authentication.k8s.io/v1/tokenreviews', body);
    return json.status as unknown as { authenticated?: boolean; error?: string };
  }

  const good: [what: string, keys: TokenKeys, issuer: string][] = [
    ['the new key and issuer', current, 'https://new'],
    ['the old key and issuer', old, 'https://old'],
    ['the new key and the old issuer', current, 'https://old'],
  ];
  for (const [what, keys, issuer] of good)
    it(`takes a token of ${what}`, async () => assert.equal((await review(await issue(keys, issuer))).authenticated, true));

  it('signs new tokens with the signing key, in the name of the first issuer', async () => {
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences: [] } };
    const { json } = await api.request('POST', '/api/v1/namespaces/default/serviceaccounts/one/token', body);
    const [header, payload] = String(json.status.token)
      .split('.', 2)
      .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>);
    assert.deepEqual([header?.['alg'], header?.['kid']], ['ES256', signingKey(current.privateKey).id]);
    assert.equal(payload?.['iss'], 'https://new');
  });

  it('tries all keys on a token that names none', async () => {
    const token = await new SignJWT({ 'kubernetes.io': claims })
      .setProtectedHeader({ alg: 'ES256' })
      .setAudience(audience)
      .setIssuer('https://old')
      .setSubject('system:serviceaccount:default:one')
      .setExpirationTime('10m')
      .sign(signingKey(current.privateKey).key);
    assert.equal((await review(token)).authenticated, true);
  });

  it('takes no token of another key or issuer, and none that names a key and is signed with another', async () => {
    assert.match((await review(await issue(foreign, 'https://new'))).error ?? '', /invalid signature, no keys found/);
    assert.equal((await review(await issue(current, 'https://third'))).authenticated, undefined);
    const forged = await new SignJWT({ 'kubernetes.io': claims })
      .setProtectedHeader({ alg: 'RS256', kid: signingKey(old.privateKey).id })
      .setAudience(audience)
      .setIssuer('https://old')
      .setExpirationTime('10m')
      .sign(signingKey(foreign.privateKey).key);
    assert.match((await review(forged)).error ?? '', /signature verification failed/);
  });

  it('publishes all keys, and where they are', async () => {
    const { json: configuration } = await api.request('GET', '/.well-known/openid-configuration');
    assert.deepEqual(configuration, {
      issuer: 'https://new',
      jwks_uri: 'https://elsewhere/keys',
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256', 'RS256'],
    });
    const { text } = await api.request('GET', '/openid/v1/jwks');
    const { keys } = JSON.parse(text) as { keys: Record<string, string>[] };
    assert.deepEqual(
      keys.map(({ alg, kid, kty }) => [alg, kid, kty]),
      [old, current]
        .map(({ privateKey }) => signingKey(privateKey))
        .map(({ algorithm, id, key }) => [algorithm, id, key.asymmetricKeyType === 'rsa' ? 'RSA' : 'EC']),
    );
    assert.ok(keys.every((key) => !('d' in key)));
  });
});

describe('an API server whose issuer is no https URL', () => {
  it('publishes neither', async () => {
    const api = await startTestServer({ tokens: { issuer: 'own', audiences: ['own'] } });
    try {
      for (const path of ['/.well-known/openid-configuration', '/openid/v1/jwks'])
        assert.equal((await api.request('GET', path)).status, 404);
    } finally {
      await api.stop();
    }
  });
});
